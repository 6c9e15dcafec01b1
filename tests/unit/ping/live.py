"""A ping service in a thread of its own, for clients that block."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from heartbeats.edges.ping.service import Options, PingService
from unit.ping.support import FakeClock, FakeDirectory, FakeRecorder


@dataclass(frozen=True, slots=True)
class Live:
    """A running service and what it is joined to."""

    url: str
    address: tuple[str, int]
    directory: FakeDirectory
    recorder: FakeRecorder


@contextmanager
def live_service(options: Options) -> Iterator[Live]:
    """Yield a service that listens; it has stopped at the end."""
    directory, recorder = FakeDirectory(), FakeRecorder()
    started: list[Live] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        service = PingService(directory, recorder, FakeClock(), options)
        async with service:
            started.append(Live(service.url, service.address, directory, recorder))
            ready.set()
            await over.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        ready.wait()
        yield started[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
