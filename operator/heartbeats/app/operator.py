"""The operator role, put together: it follows until it leads, and follows again after.

Every replica watches (`watching`); the one that holds the Lease also judges and writes
(`leading`). A term begins as a follower and is over with its mandate: then all of it
is thrown away and read anew, because others may have written meanwhile.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import aiohttp

from heartbeats.app.leading import Leading
from heartbeats.app.watching import Watching
from heartbeats.clock import CorrectedClock
from heartbeats.config import Config
from heartbeats.core.model import MonitorKey
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import Credentials
from heartbeats.edges.kube.election import Election
from heartbeats.edges.kube.mandate import Fence, Mandate
from heartbeats.edges.kube.reflector import Reflector
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.ledger import Entry


class OperatorRole:
    """One replica, in one event loop and kopf's thread."""

    def __init__(
        self,
        config: Config,
        credentials: Credentials,
        session: aiohttp.ClientSession,
        clock: CorrectedClock,
        metrics: OperatorMetrics,
        public_url: str,
    ) -> None:
        self._config, self._credentials, self._session = config, credentials, session
        self._clock, self._metrics, self.public_url = clock, metrics, public_url
        self.on_change: Callable[[MonitorKey], None] = lambda _key: None
        """Hears of every monitor that may look different, or is gone."""
        self.on_begin: Callable[[], None] = lambda: None
        """Hears that all that was known is thrown away and read anew."""
        identity = f"{socket.gethostname()}_{uuid4()}"
        self.election = Election(self._client(), config.own_namespace, identity)
        metrics.leader(leads=False)
        self._begin()

    def _begin(self) -> None:
        """Make everything anew, as a follower."""
        self.mandate = Mandate(self._clock.monotonic)
        client = self._client(self.mandate)
        about = (self._clock, self._metrics)
        self.leading = Leading(self._config, client, *about, self.public_url)
        self.watching = Watching(
            self._config, self._credentials, client, *about, self.leading
        )
        self.leading.join(self.watching)
        self.leading.effects.on_change = self._tell_changed
        self.watching.on_warm = self.election.wake
        self.on_begin()

    def _client(self, fence: Fence | None = None) -> Client:
        return Client(
            self._session,
            clock=self._clock,
            on_write=self._metrics.api_write,
            on_answer=self._metrics.api_answered,
            on_date=self._compare,
            fence=fence,
        )

    # What others ask

    @property
    def streams(self) -> list[Reflector[Any]]:
        """Return the reflectors this role depends on."""
        return self.watching.streams

    def problem(self) -> str | None:
        """Say why this replica neither leads nor could; None: it is ready."""
        problem = self.watching.problem()
        if problem is not None:
            return problem
        if self.mandate.holds:
            return self.leading.problem()
        return self.election.problem or (
            None if self.election.leader else "nobody leads yet"
        )

    def last_judged(self) -> float:
        """Tell when the watchdog last turned; before it starts, that it may wait."""
        return self.leading.last_judged()

    def last_kopf_turn(self) -> float:
        """Tell when kopf's loop last gave a sign of life, or was started."""
        return self.watching.last_kopf_turn()

    def entries(self) -> Iterable[Entry]:
        """Return the monitors to tell of: only a leader may."""
        return self.watching.ledger if self.mandate.holds else ()

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the monitors that are known."""
        return iter(self.watching.ledger)

    def named(self, key: MonitorKey) -> Entry | None:
        """Return the monitor of a name."""
        return self.watching.ledger.named(key)

    def follows(self) -> str | None:
        """Name who leads in place of this replica (empty: nobody); None: it leads."""
        return None if self.mandate.holds else self.election.leader

    def _tell_changed(self, key: MonitorKey) -> None:
        self.on_change(key)

    # What it does

    async def run(self) -> None:
        """Follow and lead in turns, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.election.hints.run())
            while True:
                await self._serve()
                self._begin()

    async def _serve(self) -> None:
        """Follow, then lead; return when another may lead."""
        watching, mandate = self.watching, self.mandate
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(watching.run())]
                await self.election.win(mandate, is_ready=lambda: watching.is_warm)
                tasks.append(group.create_task(self._lead()))
                await self.election.keep(mandate)
                self._metrics.leader(leads=False)
                for task in tasks:
                    task.cancel()
        finally:
            await self._give_back()

    async def _lead(self) -> None:
        self._metrics.leader(leads=True)
        try:
            await self.leading.run()
        finally:
            self._metrics.leader(leads=False)
            # Nothing writes any more: whoever follows need not wait for kopf's end.
            await self._give_back()

    async def _give_back(self) -> None:
        """Give the Lease back, unless it was lost."""
        if self.mandate.holds:
            self.mandate.end()
            await self.election.release()

    def _compare(
        self, server_at: datetime, *, sent_at: datetime, received_at: datetime
    ) -> None:
        """Put our clock right by the API server's, and tell by how much."""
        clock = self._clock
        clock.compare(server_at, sent_at=sent_at, received_at=received_at)
        self._metrics.clock_skew(-clock.offset.total_seconds())
