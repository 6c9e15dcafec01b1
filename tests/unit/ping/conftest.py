"""Fixtures of the ping service's tests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count

import aiohttp
import pytest

from heartbeats.edges.ping.service import Options, PingService
from unit.ping.support import FakeClock, FakeDirectory, FakeRecorder, PingBench


@pytest.fixture
async def start() -> AsyncIterator[Callable[[Options], Awaitable[PingBench]]]:
    """Start services with options of the test's choice, closed at its end."""
    async with AsyncExitStack() as stack:

        async def enter(options: Options) -> PingBench:
            directory, recorder = FakeDirectory(), FakeRecorder()
            observed: list[tuple[str, int, float]] = []
            ids = count(1)
            service = PingService(
                directory,
                recorder,
                FakeClock(),
                options,
                observe=lambda *seen: observed.append(seen),
                new_id=lambda: f"id-{next(ids)}",
            )
            client = await stack.enter_async_context(
                aiohttp.ClientSession(headers={"User-Agent": "curl/8.5.0"})
            )
            await stack.enter_async_context(service)
            return PingBench(service, directory, recorder, client, observed)

        yield enter


@pytest.fixture
async def bench(start: Callable[[Options], Awaitable[PingBench]]) -> PingBench:
    """Start a service with the options nobody changed."""
    return await start(Options())
