"""The ping role, put together: directory, journal, service. No kopf here."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from uuid import uuid4

import aiohttp

from heartbeats.clock import Clock, CorrectedClock
from heartbeats.config import Config
from heartbeats.core.model import MonitorKey, Uid
from heartbeats.edges.kube.attendance import Attendance
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.directory import (
    NotCurrentError,
    TokenDirectory,
    health_of,
    incident_reason_of,
    interval_of,
)
from heartbeats.edges.kube.objects import Monitor
from heartbeats.edges.kube.segment_store import ConfigMapStore
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.edges.ping.ports import MonitorView, NotSureError
from heartbeats.edges.ping.recorder import JournalRecorder
from heartbeats.edges.ping.requests import Reading
from heartbeats.edges.ping.routes import Dialect
from heartbeats.edges.ping.service import Options, PingService
from heartbeats.journal import Journal, Limits, SegmentStore

SETTLED_WITHIN = timedelta(seconds=4)
"""The ping service gives up sooner than this by itself."""

logger = logging.getLogger(__name__)


class Directory:
    """The ping service's Directory over the cluster's."""

    def __init__(self, tokens: TokenDirectory) -> None:
        self._tokens = tokens

    @property
    def synced(self) -> bool:
        """Tell whether it can be said of any token that it is not one of ours."""
        return self._tokens.synced

    def lookup(self, token: str) -> MonitorView | None:
        """Return the monitor of a token, from memory."""
        return _view(self._tokens.find(token))

    def is_ours(self, token: str) -> bool:
        """Tell by its code alone whether one of our keys made the token."""
        return self._tokens.is_ours(token)

    async def settle(self, token: str) -> MonitorView | None:
        """Look up again in a list that began after this call."""
        try:
            return _view(await self._tokens.find_newest(token, SETTLED_WITHIN))
        except NotCurrentError as error:
            raise NotSureError(str(error)) from error


def _view(monitor: Monitor | None) -> MonitorView | None:
    if monitor is None:
        return None
    meta, spec, status = monitor.metadata, monitor.spec, monitor.status
    return MonitorView(
        key=MonitorKey(meta.namespace, meta.name),
        uid=Uid(meta.uid),
        health=health_of(monitor),
        incident_reason=incident_reason_of(monitor),
        next_expected_at=status.next_expected_time,
        is_ping=spec.ping is not None,
        suspended=spec.suspend,
        interval=interval_of(monitor),
        recovers_at_once=spec.recovery_threshold == 1,
    )


class TimedStore:
    """A SegmentStore that tells how long commits take."""

    def __init__(
        self, store: SegmentStore, clock: Clock, metrics: OperatorMetrics
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics

    async def append(self, text: str) -> int:
        """Store a segment durably and return its revision."""
        began = self._clock.monotonic()
        revision = await self._store.append(text)
        self._metrics.journal_committed(self._clock.monotonic() - began)
        return revision


class PingRole:
    """Everything one ping process does."""

    def __init__(
        self,
        config: Config,
        session: aiohttp.ClientSession,
        clock: CorrectedClock,
        metrics: OperatorMetrics,
    ) -> None:
        client = Client(
            session,
            clock=clock,
            on_write=metrics.api_write,
            on_answer=metrics.api_answered,
            on_date=clock.compare,
        )
        self.tokens = TokenDirectory(
            client,
            config.own_namespace,
            config.namespace,
            on_key_lost=metrics.keys.lost,
        )
        self._attendance = Attendance(
            client, config.own_namespace, lambda: uuid4().hex[:12]
        )
        store = ConfigMapStore(client, config.own_namespace, lambda: uuid4().hex)
        limits = Limits(bytes_per_second=config.journal_bytes_per_second)
        self.journal = Journal(TimedStore(store, clock, metrics), limits=limits)
        address = config.ping_address
        self._service = PingService(
            Directory(self.tokens),
            JournalRecorder(
                self.journal, clock.monotonic, on_refused=self._attendance.refused
            ),
            clock,
            Options(
                host=address.host or "0.0.0.0",  # noqa: S104 - no host means all
                port=address.port,
                dialects=[Dialect(name) for name in config.dialects or Dialect],
                capture_failures=config.capture_output == "failures",
                reading=Reading(
                    public_url=config.public_url,
                    trusted_proxies=[
                        ip_network(each) for each in config.trusted_proxies
                    ],
                ),
            ),
            observe=metrics.ping_answered,
        )
        self.draining = False

    def problem(self) -> str | None:
        """Say why this role is not ready: before the first sync, and at the end."""
        if self.draining:
            return "the ping service is draining"
        return self.tokens.problem

    async def run(self, on_listening: Callable[[str], None]) -> None:
        """Answer pings until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.tokens.run())
            group.create_task(self._attendance.run())
            group.create_task(self._serve(on_listening))

    async def _serve(self, on_listening: Callable[[str], None]) -> None:
        async with self._service as service:
            on_listening(service.url)
            logger.info("Pings are answered on %s", service.url)
            try:
                await asyncio.Event().wait()
            finally:
                self.draining = True
