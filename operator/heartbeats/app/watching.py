"""What every replica of the operator role does: it reads, and keeps a ledger warm.

Nothing here writes to the API server. Until its replica leads, the ledger is not open:
facts are only kept, the newest of each, so that waiting for weeks costs nothing and
opening takes a moment. What is done about facts is the leader's (`leading`).
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from heartbeats.app.facts import Facts
from heartbeats.app.leading import Leading
from heartbeats.app.tasks import run_together
from heartbeats.clock import Clock
from heartbeats.config import Config
from heartbeats.core.policy import Defaults
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import Credentials
from heartbeats.edges.kube.freshness import Freshness
from heartbeats.edges.kube.jobbook import JobBook
from heartbeats.edges.kube.jobs import lean
from heartbeats.edges.kube.kopf_thread import KopfThread
from heartbeats.edges.kube.objects import ConfigMap, CronJob, Job, Namespace
from heartbeats.edges.kube.pods import ClusterPods
from heartbeats.edges.kube.presence import Presences
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.refusals import Refusals
from heartbeats.edges.kube.resources import (
    CONFIG_MAPS,
    CRON_JOBS,
    JOBS,
    MONITORS,
    NAMESPACES,
)
from heartbeats.edges.kube.segment_store import SELECTOR
from heartbeats.edges.kube.sweep import MonitorSweep
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.ledger import Ledger

MEASURE_SECONDS = 5.0


class Watching:
    """The streams in, in our event loop and in kopf's thread, for one term."""

    def __init__(
        self,
        config: Config,
        credentials: Credentials,
        client: Client,
        clock: Clock,
        metrics: OperatorMetrics,
        leading: Leading,
    ) -> None:
        self._config, self._clock, self._metrics = config, clock, metrics
        self._discovery = leading.discovery
        refusals = Refusals(client, config.namespace)
        self.jobs = JobBook(ClusterPods(client), refusals, clock)
        defaults = Defaults(config.cluster_time_zone)
        self.ledger = Ledger(self.jobs, leading.effects, defaults)
        self.facts = Facts(self.ledger, leading.discovery, leading.urls, clock, metrics)
        self.facts.on_cron_job_gone = self.jobs.forget
        self.jobs.report_to(self.facts.job, leading.note_gap)
        self.kopf = KopfThread(
            credentials, self.facts.hand_over, clock=clock, namespace=config.namespace
        )
        self.sweep = MonitorSweep(
            client,
            self.ledger,
            config.namespace,
            on_lost=self.facts.lose,
            on_deaf=self._listen_anew,
            on_read=self.facts.see_monitor,
        )
        self.facts.on_odd = self.sweep.give_up
        self._open_streams(client, leading)
        streams = {each.selection.resource.plural: each for each in self.streams}
        self.freshness = Freshness(streams, clock.monotonic)
        self._began = clock.monotonic()
        self.is_warm = False
        """All of it has been read once: this replica could lead at once."""
        self.on_warm: Callable[[], None] = lambda: None

    def _open_streams(self, client: Client, leading: Leading) -> None:
        scope, home = self._config.namespace, self._config.own_namespace
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
            retain=lean,
        )
        self.segments = Reflector(
            client,
            Selection(CONFIG_MAPS, ConfigMap, home, SELECTOR),
            on_event=leading.see_segment,
            on_synced=leading.segments_listed,
        )
        self.namespaces = Reflector(
            client, Selection(NAMESPACES, Namespace), on_event=self.facts.see_namespace
        )
        self.presences = Presences(client, home, self.facts.blind)

    def _listen_anew(self) -> None:
        """Have kopf read everything again, and look at what should be monitored."""
        self.kopf.restart()
        self._discovery.mark_all()

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
        """Say what has not been read yet, or lately; None: this replica could lead."""
        for stream in self.streams:
            if not stream.synced.is_set():
                return f"{stream.selection.resource.plural} are not read yet"
        return self.sweep.problem or self.kopf.problem or self.freshness.problem()

    def last_kopf_turn(self) -> float:
        """Tell when kopf's loop last gave a sign of life, or was started."""
        return self.kopf.last_turn or self._began

    async def run(self) -> None:
        """Read until cancelled."""
        self.facts.listen(asyncio.get_running_loop())
        self.kopf.start()
        try:
            await run_together(
                *(stream.run for stream in self.streams),
                self.jobs.run,
                self.sweep.run,
                self.freshness.run,
                self._measure,
                self._warm_up,
            )
        finally:
            self.facts.listen(None)
            await self.kopf.stop()

    async def _warm_up(self) -> None:
        """Read everything once."""
        for stream in self.streams:
            await stream.synced.wait()
        await self.sweep.first()
        self.is_warm = True
        self.on_warm()

    async def _measure(self) -> None:
        restarts: Counter[str] = Counter()
        while True:
            await asyncio.sleep(MEASURE_SECONDS)
            self.kopf.probe()
            self._metrics.watch_synced(MONITORS.plural, self.sweep.problem is None)
            for stream in self.streams:
                name = stream.selection.resource.plural
                self._metrics.watch_synced(name, stream.synced.is_set())
                for _ in range(stream.restarts - restarts[name]):
                    self._metrics.watch_restarted(name)
                restarts[name] = stream.restarts
