"""A fake API server, a client of it, and reflectors that tell what they saw."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from heartbeats.clock import SystemClock
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.objects import Job
from heartbeats.edges.kube.pace import Pace
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.resources import JOBS
from heartbeats.edges.kube.store import Change, ObjectEvent
from support.fakeapi import FakeApi

QUICK = Pace(
    page_limit=2,
    first_delay=0.001,
    most_delay=0.01,
    inactivity=5.0,
    catch_up=0.01,
    healthy=0.5,
)

PATIENCE_SECONDS = 10
"""So long a test waits for what it expects; it takes milliseconds when all is well."""


@dataclass
class Witness:
    """What a reflector told, and a way to wait for it."""

    refuses: Callable[[ObjectEvent[Job]], bool] = lambda _event: False
    events: list[ObjectEvent[Job]] = field(default_factory=list)
    synced: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def on_event(self, event: ObjectEvent[Job]) -> None:
        if self.refuses(event):
            raise RuntimeError("refused")
        self.events.append(event)
        self._news.set()

    def on_synced(self, version: str) -> None:
        self.synced.append(version)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def lists(self, count: int) -> None:
        await self.until(lambda: len(self.synced) >= count)

    async def sees(self, kind: Change, name: str) -> None:
        await self.until(lambda: (kind, name) in self.told)

    @property
    def told(self) -> list[tuple[Change, str]]:
        return [(event.kind, event.object.metadata.name) for event in self.events]


@dataclass
class Running:
    """A reflector at work."""

    reflector: Reflector[Job]
    witness: Witness
    task: asyncio.Task[None]

    @property
    def names(self) -> set[str]:
        return {job.metadata.name for job in self.reflector.objects.values()}


@pytest.fixture
async def client(api: FakeApi) -> AsyncIterator[Client]:
    async with await open_session(Credentials(server=api.url)) as session:
        yield Client(session, clock=SystemClock())


@asynccontextmanager
async def _running(
    client: Client, pace: Pace, witness: Witness, **options: Any
) -> AsyncIterator[Running]:
    reflector = Reflector(
        client,
        Selection(JOBS, Job, **options),
        on_event=witness.on_event,
        on_synced=witness.on_synced,
        pace=pace,
    )
    task = asyncio.create_task(reflector.run())
    try:
        yield Running(reflector, witness, task)
        assert task.cancelled() or not task.done(), "the reflector ended"
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
async def start(client: Client) -> AsyncIterator[Callable[..., Any]]:
    """Start a reflector of Jobs and wait for its first list."""
    async with AsyncExitStack() as stack:

        async def start_one(
            pace: Pace = QUICK,
            witness: Witness | None = None,
            *,
            waits: bool = True,
            **options: Any,
        ) -> Running:
            running = await stack.enter_async_context(
                _running(client, pace, witness or Witness(), **options)
            )
            if waits:
                await running.witness.lists(1)
            return running

        yield start_one


@pytest.fixture
def quick() -> Pace:
    return QUICK


@pytest.fixture
def witness() -> Witness:
    return Witness()
