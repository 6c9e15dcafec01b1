"""Gives every CronJob a monitor of its own, unless somebody decided otherwise.

Reconciled by level: what is wanted follows from the CronJob, its Namespace, the
flag and the monitors that exist, never from the order of events. Our monitor is
owned by the CronJob and dies with it. Nothing is ever written to the CronJob.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from heartbeats.core.model import CronJobFacts, MonitorKey
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.events import EventPoster
from heartbeats.edges.kube.resources import CRON_JOBS, MONITORS
from heartbeats.edges.kube.tries import Tries
from heartbeats.edges.kube.wishes import (
    MANAGED_BY,
    AutoMonitor,
    Wish,
    Wishes,
    is_monitored,
    is_ours,
)
from heartbeats.ledger import Entry, Ledger

logger = logging.getLogger(__name__)

SUFFIX: Final = "-cronjob"
FIELD_MANAGER: Final = "heartbeats-auto"
RETRY_SECONDS = 2.0
MOST_TRIES = 8
"""The pause doubles up to four minutes."""


class Autodiscovery:
    """Creates and deletes our monitors until they are as wished."""

    def __init__(
        self,
        client: Client,
        mode: AutoMonitor,
        excluded: frozenset[str] = frozenset(),
    ) -> None:
        self._client = client
        self._events = EventPoster(client)
        self._wishes = Wishes(mode, excluded)
        self._ledger: Ledger | None = None
        self._queue: asyncio.Queue[MonitorKey] = asyncio.Queue()
        self._queued: set[MonitorKey] = set()
        self._tries: Tries[MonitorKey] = Tries(RETRY_SECONDS, MOST_TRIES)
        self.on_missing: Callable[[], None] = lambda: None
        """Hears that a monitor found no collection to go to."""

    def attach(self, ledger: Ledger) -> None:
        """Name the ledger that knows CronJobs and monitors."""
        self._ledger = ledger

    def mark(self, namespace: str, cron_job: str) -> None:
        """Note that a CronJob or a monitor of it changed.

        Before the ledger is open nothing is noted: opening marks all.
        """
        if self._ledger is None or not self._ledger.is_open:
            return
        key = MonitorKey(namespace, cron_job)
        if key not in self._queued:
            self._queued.add(key)
            self._queue.put_nowait(key)

    def mark_all(self) -> None:
        """Look at every CronJob once."""
        for facts in self._ledger.sources if self._ledger is not None else ():
            self.mark(facts.namespace, facts.name)

    def census(self) -> Counter[tuple[bool, str]]:
        """Count the CronJobs by whether they are monitored, and why."""
        found: Counter[tuple[bool, str]] = Counter()
        for facts in self._ledger.sources if self._ledger is not None else ():
            wish = self._wish(facts)
            found[is_monitored(wish), wish.reason] += 1
        return found

    async def run(self) -> None:
        """Reconcile until cancelled."""
        while True:
            key = await self._queue.get()
            self._queued.discard(key)
            try:
                await self._reconcile(key)
                self._tries.succeeded(key)
            except errors.ApiError as error:
                self._later(key, error)

    def _later(self, key: MonitorKey, error: errors.ApiError) -> None:
        """Try one CronJob again later, while the others go on."""
        wait = self._tries.failed(key)
        if wait == RETRY_SECONDS:
            logger.warning("CronJob %s is not monitored yet: %s", key, error)
        asyncio.get_running_loop().call_later(wait, self.mark, key.namespace, key.name)

    def _wish(self, facts: CronJobFacts) -> Wish:
        if self._ledger is None:
            return Wish(False, "Unknown")
        return self._wishes.about(facts, self._ledger)

    async def _reconcile(self, key: MonitorKey) -> None:
        if self._ledger is None:
            return
        facts = self._ledger.sources.get(key)
        if facts is None:
            return
        monitors = self._ledger.monitors_of(key.namespace, key.name)
        ours = [entry for entry in monitors if is_ours(entry, facts)]
        if self._wish(facts).monitored:
            if not ours:
                await self._create(facts)
        else:
            for entry in ours:
                await self._delete(entry)

    async def _create(self, facts: CronJobFacts) -> None:
        try:
            await self._client.create(
                MONITORS,
                monitor_for(facts),
                namespace=facts.namespace,
                params={"fieldManager": FIELD_MANAGER},
            )
        except errors.AlreadyExists:
            # Of the CronJob that had this name before, and about to be collected,
            # or somebody else's: its deletion will bring us back here.
            return
        except errors.Forbidden as error:
            if error.has_cause("NamespaceTerminating"):
                return
            await self._complain(facts, error)
            raise
        except errors.NotFound:
            self.on_missing()  # the definition, unless the namespace is gone
            raise

    async def _complain(self, facts: CronJobFacts, error: errors.ApiError) -> None:
        """Tell the CronJob's owner, for whom a quota stands in the way."""
        await self._events.warn(
            CRON_JOBS,
            ("CronJob", facts.namespace, facts.name, facts.uid),
            ("MonitorNotCreated", "Create"),
            f"No HeartbeatMonitor can be created for it: {error.message}",
            now=self._client.clock.now(),
        )

    async def _delete(self, entry: Entry) -> None:
        try:
            await self._client.delete(
                MONITORS, entry.key.name, namespace=entry.key.namespace, uid=entry.uid
            )
        except (errors.NotFound, errors.Conflict):
            return


def monitor_for(facts: CronJobFacts) -> dict[str, Any]:
    """Write our monitor of a CronJob; policy stays with annotations and flags."""
    return {
        "apiVersion": MONITORS.api_version,
        "kind": "HeartbeatMonitor",
        "metadata": {
            "name": f"{facts.name}{SUFFIX}",
            "namespace": facts.namespace,
            "labels": {
                MANAGED_BY: "heartbeats",
                "app.kubernetes.io/created-by": "heartbeats-operator",
            },
            "annotations": {"argocd.argoproj.io/ignore-resource-updates": "true"},
            "ownerReferences": [
                {
                    "apiVersion": CRON_JOBS.api_version,
                    "kind": "CronJob",
                    "name": facts.name,
                    "uid": facts.uid,
                    "controller": True,
                }
            ],
        },
        "spec": {"cronJob": {"name": facts.name}},
    }
