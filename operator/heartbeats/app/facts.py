"""Facts from the cluster on their way into the ledger.

One method a fact: it translates nothing and decides nothing, it only makes sure
that everybody who has to look again does. All of it runs on the operator's loop.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from heartbeats.clock import Clock
from heartbeats.core.model import Blindness, CheckIn, Source, Uid
from heartbeats.core.policy import PREFIX
from heartbeats.core.tokens import Key
from heartbeats.core.verdict import instant
from heartbeats.edges.kube.autodiscovery import SUFFIX, Autodiscovery
from heartbeats.edges.kube.jobs import facts_of
from heartbeats.edges.kube.monitors import OddMonitorError, sighting_of
from heartbeats.edges.kube.objects import CronJob, Namespace
from heartbeats.edges.kube.ping_urls import PingUrls
from heartbeats.edges.kube.store import Change, ObjectEvent
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.journal import Entry as JournalEntry
from heartbeats.ledger import Ledger, Sighting

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.005
"""How long monitors are taken over before the loop does something else."""


class Facts:
    """Takes what kopf, the reflectors and the journal tell."""

    def __init__(
        self,
        ledger: Ledger,
        discovery: Autodiscovery,
        urls: PingUrls,
        clock: Clock,
        metrics: OperatorMetrics,
    ) -> None:
        self._ledger = ledger
        self._discovery = discovery
        self._urls = urls
        self._clock = clock
        self._metrics = metrics
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handed: deque[Callable[[], None]] = deque()
        self._key_id: str | None = None
        urls.on_delivered = self.delivered
        self.on_odd: Callable[[Any], None] = lambda _body: None
        """Hears of monitors that cannot be read."""
        self.on_cron_job_gone: Callable[[Uid], None] = lambda _uid: None

    def listen(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Take what other threads hand over on this loop; None: no more."""
        self._loop = loop

    def use_keys(self, keys: tuple[Key, ...]) -> None:
        """Take over the keys; the first signs tokens from now on."""
        self._key_id = keys[0].id
        self._urls.use(keys)
        now = self._clock.now()
        for entry in self._ledger:
            self._sign(entry.uid, now=now)

    def hand_over(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """Take a monitor from kopf's thread to our loop.

        It is read in that thread already: bodies are ten times as large as what we
        keep of them, and thousands may wait for their turn on our loop.
        """
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        self._handed.append(self._read(kind, body))
        if len(self._handed) == 1:  # one wake-up for many: it costs as much as reading
            loop.call_soon_threadsafe(self._take_handed)

    def _take_handed(self) -> None:
        """Do what was handed over, for a while; the rest in the loop's next turn."""
        ends_at = self._clock.monotonic() + TURN_SECONDS
        try:
            while self._handed:
                self._handed.popleft()()
                if self._clock.monotonic() >= ends_at:
                    break
        finally:
            if self._handed and self._loop is not None:
                self._loop.call_soon(self._take_handed)

    def see_monitor(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """Take a monitor as kopf tells it; the kind is None for one of a list."""
        self._read(kind, body)()

    def _read(self, kind: str | None, body: Mapping[str, Any]) -> Callable[[], None]:
        """Read a monitor, in any thread; returns what our loop has to do with it."""
        try:
            seen = sighting_of(body)
        except OddMonitorError as error:
            return partial(self._leave_out, body, error)
        return partial(self._see, kind, seen)

    def _leave_out(self, body: Mapping[str, Any], error: OddMonitorError) -> None:
        logger.warning("A monitor cannot be read: %s", error)
        self._metrics.odd_object("heartbeatmonitors")
        self.on_odd(body)

    def _see(self, kind: str | None, seen: Sighting) -> None:
        now = self._clock.now()
        if kind == "DELETED":
            self.lose(seen.uid)
        else:
            self._ledger.see_monitor(seen, now=now)
            self._sign(seen.uid, now=now)
        if seen.spec.cron_job_name is not None:
            self._discovery.mark(seen.key.namespace, seen.spec.cron_job_name)
        # It may have stood in the way of a monitor of ours, or does so now.
        self._discovery.mark(seen.key.namespace, seen.key.name.removesuffix(SUFFIX))

    def lose(self, uid: Uid) -> None:
        """Take that a monitor is gone."""
        entry = self._ledger.get(uid)
        self._ledger.lose_monitor(uid, now=self._clock.now())
        if entry is not None and entry.spec.cron_job_name is not None:
            self._discovery.mark(entry.key.namespace, entry.spec.cron_job_name)
        self._urls.forget(uid)

    def see_cron_job(self, event: ObjectEvent[CronJob]) -> None:
        """Take a CronJob."""
        facts = facts_of(event.object)
        if event.kind is Change.DELETED:
            self._ledger.lose_cron_job(facts, now=self._clock.now())
            self.on_cron_job_gone(facts.uid)
        else:
            self._ledger.see_cron_job(facts, now=self._clock.now())
        self._discovery.mark(facts.namespace, facts.name)

    def see_namespace(self, event: ObjectEvent[Namespace]) -> None:
        """Take a Namespace's annotations."""
        meta = event.object.metadata
        ours = {
            name: value
            for name, value in meta.annotations.items()
            if name.startswith(PREFIX) and event.kind is not Change.DELETED
        }
        self._ledger.see_namespace(meta.name, ours, now=self._clock.now())
        for facts in self._ledger.sources.inside(meta.name):
            self._discovery.mark(facts.namespace, facts.name)

    def blind(self, blindness: Blindness) -> None:
        """Take a time in which no ping could be heard."""
        logger.warning(
            "No ping could be heard from %s to %s",
            instant(blindness.began_at),
            instant(blindness.ended_at),
        )
        self._ledger.blind(Source.PING, blindness, now=self._clock.now())

    def job(self, cron_job: Uid, check_in: CheckIn) -> None:
        """Take a Job's report."""
        self._ledger.check_in_run(cron_job, check_in, now=self._clock.now())

    def ping(self, entry: JournalEntry) -> None:
        """Take a ping from the journal."""
        self._ledger.check_in(entry.uid, entry.check_in, now=self._clock.now())

    def _sign(self, uid: Uid, *, now: datetime) -> None:
        entry = self._ledger.get(uid)
        if entry is None or self._key_id is None:
            return
        if entry.spec.source is Source.PING and entry.subject is not None:
            if entry.state.key_id is None or not self._urls.delivers:
                self._ledger.signed(uid, self._key_id, now=now)
            self._urls.mark(entry)

    def delivered(self, uid: Uid, key_id: str) -> None:
        """Take that a monitor's Secret holds a URL that this key signed."""
        self._ledger.signed(uid, key_id, now=self._clock.now())
