"""What only the leader does: it judges, and carries out what the ledger learned.

Built with every follower, but nothing of it runs before `run`, and nothing of it is
used again after: whoever loses the Lease and wins it again does so with a new one.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from heartbeats.app.effects import Effects, Told
from heartbeats.app.tasks import run_together
from heartbeats.clock import Clock
from heartbeats.config import Config
from heartbeats.core.model import Source, Uid
from heartbeats.edges.eventlog import EventLog
from heartbeats.edges.kube.autodiscovery import Autodiscovery
from heartbeats.edges.kube.budget import Budget
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.errors import KubeError
from heartbeats.edges.kube.evidence import StreamEvidence
from heartbeats.edges.kube.freshness import Evaluations
from heartbeats.edges.kube.objects import ConfigMap
from heartbeats.edges.kube.ping_urls import Guard, PingUrls
from heartbeats.edges.kube.segments import JournalReader
from heartbeats.edges.kube.signer import Signer
from heartbeats.edges.kube.signing import KeySecret
from heartbeats.edges.kube.store import Change, ObjectEvent
from heartbeats.edges.kube.streams import Stream, confirm_all
from heartbeats.edges.kube.telling import FlipTeller
from heartbeats.edges.kube.wishes import AutoMonitor
from heartbeats.edges.kube.writer import StatusWriter
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.edges.selfping import SelfPing
from heartbeats.watchdog import Watchdog

if TYPE_CHECKING:
    from heartbeats.app.watching import Watching

logger = logging.getLogger(__name__)

CONFIRM_WITHIN = timedelta(seconds=10)
CAUGHT_UP_WITHIN = 120.0
RETRY_SECONDS = 1.0
MEASURE_SECONDS = 5.0
JUDGED_WITHIN = 60.0


class Leading:
    """Everything that writes, for one term; its client does so only while it lasts."""

    def __init__(
        self,
        config: Config,
        client: Client,
        clock: Clock,
        metrics: OperatorMetrics,
        public_url: str,
    ) -> None:
        self._config, self._client = config, client
        self._clock, self._metrics = clock, metrics
        log = EventLog(sys.stdout, config.event_log, metrics.event_log_failed)
        told = Told(log, config.cluster_name)
        for_events = Budget(config.api_write_budget / 2, clock.monotonic)
        self.teller = FlipTeller(client, told, clock, for_events)
        budget = Budget(config.api_write_budget, clock.monotonic)
        self.writer = StatusWriter(client, self.teller, clock, budget)
        guard = Guard(client, config.own_namespace) if config.ping_secrets else None
        self.urls = PingUrls(client, guard, public_url)
        self.effects = Effects(self.writer, told, self.urls, clock, metrics)
        self.discovery = Autodiscovery(
            client,
            AutoMonitor(config.auto_monitor),
            frozenset(config.exclude_namespaces),
        )
        self._gaps: asyncio.Queue[set[Uid]] = asyncio.Queue()
        self._applies = False
        self._opened: float | None = None

    def join(self, watching: "Watching") -> None:
        """Join what is known and what is to be done about it."""
        self._watching, ledger = watching, watching.ledger
        namespace, facts = self._config.own_namespace, watching.facts
        self.journal = JournalReader(self._client, namespace, facts.ping, facts.blind)
        for each in (self.writer, self.teller, self.discovery, self.journal):
            each.attach(ledger)
        self.discovery.on_missing = watching.sweep.wake
        keys = KeySecret(self._client, namespace)
        self.signer = Signer(
            keys, ledger, self._clock, self._metrics.keys, facts.use_keys
        )
        streams: dict[Source, Sequence[Stream]] = {
            Source.CRON_JOB: (watching.cron_jobs, watching.job_stream),
            Source.PING: (watching.segments, watching.presences.leases),
        }
        evidence = StreamEvidence(streams, watching.jobs, ledger, watching.presences)
        self._evaluations = Evaluations(
            watching.freshness, self._metrics, self._clock.monotonic
        )
        self.watchdog = Watchdog(ledger, evidence, self._clock, self._evaluations)
        self.effects.watchdog = self.watchdog

    def last_judged(self) -> float:
        """Tell when the watchdog last turned; before it starts, that it may wait."""
        return self.watchdog.last_turn or self._opened or self._clock.monotonic()

    def problem(self) -> str | None:
        """Say why this leader is not at work; None: it is."""
        if not self._watching.ledger.is_open:
            return "the ledger is not open yet"
        if self._clock.monotonic() - self.last_judged() > JUDGED_WITHIN:
            return f"no deadline was looked at for {JUDGED_WITHIN:g} s"
        return None

    def silence(self) -> str | None:
        """Say why no heartbeat may go outwards; None: deadlines are judged well."""
        judged = self._evaluations.last
        if judged is None or self._clock.monotonic() - judged > JUDGED_WITHIN:
            return f"nothing was judged by fresh facts for {JUDGED_WITHIN:g} s"
        return self.problem() or self._watching.problem()

    async def run(self) -> None:
        """Catch up, open the ledger, and work until cancelled.

        Returns when it cannot catch up: then another replica should try.
        """
        try:
            async with asyncio.timeout(CAUGHT_UP_WITHIN):
                await self._catch_up()
        except TimeoutError:
            logger.error(  # noqa: TRY400 - what failed was said each time
                "What the former leader wrote cannot be read: the Lease is given back"
            )
            return
        self._open()
        await run_together(
            self.watchdog.run,
            self.writer.run,
            self.teller.run,
            self.urls.run,
            self.discovery.run,
            self.journal.run,
            self.signer.run,
            self._watching.presences.run,
            self._close_gaps,
            self._measure,
            self._beat,
        )

    # The journal, which a follower only holds

    def see_segment(self, event: ObjectEvent[ConfigMap]) -> None:
        """Take what the journal's reflector tells."""
        if self._applies:
            self.journal.take(event)

    def segments_listed(self, version: str) -> None:
        """Take the end of a list of the journal."""
        if self._applies:
            self.journal.listed(version)

    def _apply_journal(self) -> None:
        """Apply all that is there, as if it had just been listed."""
        self._applies = True
        for segment in self._watching.segments.objects.values():
            self.journal.take(ObjectEvent(Change.ADDED, segment, initial=True))
        self.journal.listed("")

    # The beginning

    async def _catch_up(self) -> None:
        """Return when all is known that was written before this replica led."""
        sweep = self._watching.sweep
        async with asyncio.TaskGroup() as group:
            for step in (self._confirm_jobs, self._confirm_pings, sweep.catch_up):
                group.create_task(_persist(step))
        await self._watching.jobs.settled()
        await self.signer.look()

    def _open(self) -> None:
        """Judge from now on."""
        ledger = self._watching.ledger
        self._apply_journal()
        absent, unread = self._watching.presences.begin(), self.journal.unread.begin()
        unheard = sorted([*absent, *unread], key=lambda each: each.began_at)
        ledger.open(now=self._clock.now(), unheard=unheard)
        self._opened = self._clock.monotonic()
        self.discovery.mark_all()
        logger.info("Watching %d monitors", len(ledger))

    async def _confirm_jobs(self) -> None:
        """Return when no CronJob speaks of a Job that was not read yet."""
        cron_jobs, jobs = self._watching.cron_jobs, self._watching.job_stream
        await confirm_all((cron_jobs, jobs), within=CONFIRM_WITHIN)
        await jobs.reach(cron_jobs.newest(), within=CONFIRM_WITHIN)

    async def _confirm_pings(self) -> None:
        """Return when the journal was read, and who could hear pings when."""
        both = self._watching.segments, self._watching.presences.leases
        await confirm_all(both, within=CONFIRM_WITHIN)

    # Now and then

    def note_gap(self, cron_jobs: set[Uid]) -> None:
        """Take that Jobs of these were deleted unseen; opening looks at all of them."""
        if self._watching.ledger.is_open:
            self._gaps.put_nowait(cron_jobs)

    async def _close_gaps(self) -> None:
        """Conclude what happened to Jobs that were deleted unseen."""
        while True:
            cron_jobs = await self._gaps.get()
            await _persist(self._confirm_jobs)
            await self._watching.jobs.settled()
            for uid in cron_jobs:
                self._watching.ledger.catch_up(uid, now=self._clock.now())

    async def _beat(self) -> None:
        """Send the heartbeat outwards, if anybody waits for it."""
        if self._config.self_ping_url is not None:
            url, count = self._config.self_ping_url, self._metrics.self_ping
            await SelfPing(url, self.silence, count).run()

    async def _measure(self) -> None:
        while True:
            await asyncio.sleep(MEASURE_SECONDS)
            self._metrics.journal_holds(
                self.journal.pending, unread=len(self.journal.unread)
            )
            self._metrics.cron_jobs(self.discovery.census())


async def _persist(step: Callable[[], Awaitable[None]]) -> None:
    """Do something until it works."""
    while True:
        try:
            await step()
        except KubeError as error:
            logger.warning("Still catching up: %s", error)
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return
