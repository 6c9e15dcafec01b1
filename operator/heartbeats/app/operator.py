"""The operator role, put together: streams in, ledger, effects out."""

import asyncio
import logging
import sys
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from heartbeats.app.effects import Effects, Told
from heartbeats.app.facts import Facts
from heartbeats.clock import CorrectedClock
from heartbeats.config import Config
from heartbeats.core.model import Source, Uid
from heartbeats.core.policy import Defaults
from heartbeats.edges.eventlog import EventLog
from heartbeats.edges.kube.autodiscovery import Autodiscovery, AutoMonitor
from heartbeats.edges.kube.budget import Budget
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import Credentials
from heartbeats.edges.kube.errors import KubeError
from heartbeats.edges.kube.evidence import StreamEvidence
from heartbeats.edges.kube.jobbook import JobBook
from heartbeats.edges.kube.kopf_thread import KopfThread
from heartbeats.edges.kube.objects import ConfigMap, CronJob, Job, Namespace
from heartbeats.edges.kube.ping_urls import Guard, PingUrls
from heartbeats.edges.kube.pods import ClusterPods
from heartbeats.edges.kube.presence import Presences
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.refusals import Refusals
from heartbeats.edges.kube.resources import CONFIG_MAPS, CRON_JOBS, JOBS, NAMESPACES
from heartbeats.edges.kube.segment_store import SELECTOR
from heartbeats.edges.kube.segments import JournalReader
from heartbeats.edges.kube.signer import Signer
from heartbeats.edges.kube.signing import KeySecret
from heartbeats.edges.kube.sweep import MonitorSweep
from heartbeats.edges.kube.telling import FlipTeller
from heartbeats.edges.kube.writer import StatusWriter
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.ledger import Ledger
from heartbeats.watchdog import Watchdog

logger = logging.getLogger(__name__)

CONFIRM_WITHIN = timedelta(seconds=10)


class OperatorRole:
    """Everything one operator process does, in one event loop and kopf's thread."""

    def __init__(
        self,
        config: Config,
        credentials: Credentials,
        session: aiohttp.ClientSession,
        clock: CorrectedClock,
        metrics: OperatorMetrics,
        public_url: str,
    ) -> None:
        self._config, self._clock, self._metrics = config, clock, metrics
        client = Client(
            session, clock=clock, on_write=metrics.api_write, on_date=self._compare
        )
        log = EventLog(sys.stdout, config.event_log, metrics.event_log_failed)
        told = Told(log, config.cluster_name)
        budget = Budget(config.api_write_budget, clock.monotonic)
        for_events = Budget(config.api_write_budget / 2, clock.monotonic)
        self.teller = FlipTeller(client, told, clock, for_events)
        self.writer = StatusWriter(client, self.teller, clock, budget)
        guard = Guard(client, config.own_namespace) if config.ping_secrets else None
        self._urls = PingUrls(client, guard, public_url)
        effects = Effects(self.writer, told, self._urls, clock, metrics)
        refusals = Refusals(client, config.namespace)
        self.jobs = JobBook(ClusterPods(client), refusals, clock)
        defaults = Defaults(config.cluster_time_zone)
        self.ledger = Ledger(self.jobs, effects, defaults)
        self._discovery = Autodiscovery(
            client,
            AutoMonitor(config.auto_monitor),
            frozenset(config.exclude_namespaces),
        )
        self.facts = Facts(self.ledger, self._discovery, self._urls, clock, metrics)
        self.journal = JournalReader(client, config.own_namespace, self.facts.ping)
        keys = KeySecret(client, config.own_namespace)
        self._signer = Signer(
            keys, self.ledger, clock, metrics.keys, self.facts.use_keys
        )
        self._gaps: asyncio.Queue[set[Uid]] = asyncio.Queue()
        self.kopf = KopfThread(
            credentials, self.facts.hand_over, clock=clock, namespace=config.namespace
        )
        self._sweep = MonitorSweep(
            client, self.ledger, config.namespace, self.facts.lose, self.kopf.restart
        )
        self.facts.on_odd = self._sweep.give_up
        self.facts.on_cron_job_gone = self.jobs.forget
        self._connect(client)
        evidence = StreamEvidence(
            {
                Source.CRON_JOB: (self.cron_jobs, self.job_stream),
                Source.PING: (self.segments, self.presences.leases),
            },
            self.jobs,
            self.ledger,
            self.presences,
        )
        self.watchdog = Watchdog(self.ledger, evidence, clock, metrics)
        effects.watchdog = self.watchdog

    def _connect(self, client: Client) -> None:
        """Join the parts that know one another only through the ledger."""
        scope = self._config.namespace
        self.cron_jobs = Reflector(
            client,
            Selection(CRON_JOBS, CronJob, scope),
            on_event=self.facts.see_cron_job,
        )
        self.job_stream = Reflector(
            client,
            Selection(JOBS, Job, scope),
            on_event=self.jobs.take,
            on_synced=self.jobs.listed,
        )
        self.segments = Reflector(
            client,
            Selection(CONFIG_MAPS, ConfigMap, self._config.own_namespace, SELECTOR),
            on_event=self.journal.take,
            on_synced=self.journal.listed,
        )
        self.namespaces = Reflector(
            client, Selection(NAMESPACES, Namespace), on_event=self.facts.see_namespace
        )
        self.presences = Presences(client, self._config.own_namespace, self.facts.blind)
        self.writer.attach(self.ledger)
        self.teller.attach(self.ledger)
        self.journal.attach(self.ledger)
        self._discovery.attach(self.ledger)
        self.jobs.report_to(self.facts.job, self._gaps.put_nowait)

    @property
    def streams(self) -> list[Reflector[Any]]:
        """Return the reflectors this role depends on."""
        found: list[Reflector[Any]] = [
            self.cron_jobs,
            self.job_stream,
            self.segments,
            self.presences.leases,
        ]
        return found if self._config.namespace else [*found, self.namespaces]

    def problem(self) -> str | None:
        """Say why this role is not ready; None: it is."""
        for stream in self.streams:
            if not stream.synced.is_set():
                return f"{stream.selection.resource.plural} are not read yet"
        if not self.ledger.is_open:
            return self._sweep.problem or "the ledger is not open yet"
        return None

    def last_judged(self) -> float | None:
        """Tell when the watchdog last turned; before it starts, that it may wait."""
        if not self.ledger.is_open:
            return self._clock.monotonic()
        return self.watchdog.last_turn

    async def run(self) -> None:
        """Work until cancelled."""
        self.facts.listen(asyncio.get_running_loop())
        self.kopf.start()
        try:
            async with asyncio.TaskGroup() as group:
                for stream in self.streams:
                    group.create_task(stream.run())
                group.create_task(self.jobs.run())
                group.create_task(self.writer.run())
                group.create_task(self.teller.run())
                group.create_task(self._urls.run())
                group.create_task(self._discovery.run())
                group.create_task(self.journal.run())
                group.create_task(self._sweep.run())
                group.create_task(self._measure())
                group.create_task(self._close_gaps())
                group.create_task(self.presences.run())
                group.create_task(self._begin())
        finally:
            await self.kopf.stop()

    async def _begin(self) -> None:
        """Read everything once, then open the ledger and judge."""
        for stream in self.streams:
            await stream.synced.wait()
        await self._sweep.first()
        await self._confirm_jobs()
        await self._signer.look()
        self.ledger.open(now=self._clock.now(), unheard=self.presences.begin())
        self._discovery.mark_all()
        logger.info("Watching %d monitors", len(self.ledger))
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watchdog.run())
            group.create_task(self._signer.run())

    async def _confirm_jobs(self) -> None:
        """Return when no CronJob speaks of a Job that was not read yet."""
        while True:
            try:
                await self.cron_jobs.confirm(within=CONFIRM_WITHIN)
                await self.job_stream.confirm(within=CONFIRM_WITHIN)
            except KubeError as error:
                logger.warning("Still catching up: %s", error)
                await asyncio.sleep(1)
            else:
                await self.jobs.settled()
                return

    async def _close_gaps(self) -> None:
        """Conclude what happened to Jobs that were deleted unseen."""
        while True:
            cron_jobs = await self._gaps.get()
            await self._confirm_jobs()
            for uid in cron_jobs:
                self.ledger.catch_up(uid, now=self._clock.now())

    async def _measure(self) -> None:
        restarts: Counter[str] = Counter()
        while True:
            await asyncio.sleep(5)
            self.kopf.probe()
            for stream in self.streams:
                name = stream.selection.resource.plural
                self._metrics.watch_synced(name, stream.synced.is_set())
                for _ in range(stream.restarts - restarts[name]):
                    self._metrics.watch_restarted(name)
                restarts[name] = stream.restarts
            self._metrics.journal_holds(self.journal.pending)
            if self.ledger.is_open:
                self._metrics.cron_jobs(self._discovery.census())

    def _compare(
        self, server_at: datetime, *, sent_at: datetime, received_at: datetime
    ) -> None:
        """Put our clock right by the API server's, and tell by how much."""
        clock = self._clock
        clock.compare(server_at, sent_at=sent_at, received_at=received_at)
        self._metrics.clock_skew(-clock.offset.total_seconds())
