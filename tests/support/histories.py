"""A cluster with one monitor, and operators that watch it with the real start-up path.

What is true stands in `Cluster`; an `Operator` knows of it what a list and a watch
show: a real book of Jobs, a real ledger, and of earlier operators nothing but the
status that one of them stored. Time stands still until it is turned.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from heartbeats.core.model import (
    Blindness,
    CheckIn,
    CronJobFacts,
    Flip,
    Health,
    MonitorKey,
    Source,
    Spec,
    Uid,
)
from heartbeats.core.policy import Defaults
from heartbeats.core.presence import Presence, gaps
from heartbeats.core.status import digest, from_status, to_status
from heartbeats.edges.kube.jobbook import JobBook
from heartbeats.edges.kube.jobs import SLOT_ANNOTATION, end_of, has_failed, has_started
from heartbeats.edges.kube.objects import Job
from heartbeats.edges.kube.pods import Explanation
from heartbeats.edges.kube.store import Change, ObjectEvent
from heartbeats.ledger import Entry, Ledger, Sighting
from support.builders import NOW, SetClock, condition, job_object, text
from support.ledgers import NAMESPACE, Heard

Json = dict[str, Any]
CRON_JOB = Uid("cj-nightly")
MONITOR = Uid("hbm-nightly")


class NoPods:
    """Pods that are gone already, and a controller that says nothing."""

    async def of(self, _asked: object) -> Any:
        return ()


@dataclass
class Cluster:
    """What is true: the CronJob, its Jobs, the journal of pings, who heard them."""

    spec: Spec
    cron_job: CronJobFacts | None = None
    now: datetime = NOW
    jobs: dict[str, Job] = field(default_factory=dict)
    journal: list[CheckIn] = field(default_factory=list)
    presences: list[Presence] = field(default_factory=list)
    is_refusing: bool = False
    """No replica can store a ping now."""
    version: int = 100

    def put_job(self, uid: str, slot_at: datetime | None, **status: Any) -> Job:
        """Create or change a Job; a new one begins now."""
        old = self.jobs.get(uid)
        began_at = text(self.now) if old is None else text(_began(old))
        slot = {} if slot_at is None else {SLOT_ANNOTATION: text(slot_at)}
        body = job_object(
            uid,
            {"startTime": began_at, **status},
            uid=uid,
            creationTimestamp=began_at,
            annotations=slot,
        )
        self.jobs[uid] = msgspec.convert(body, Job)
        return self.jobs[uid]

    def end_job(self, uid: str, slot_at: datetime | None, *, failed: bool) -> Job:
        """End a Job now."""
        at = text(self.now)
        if failed:
            why = condition("Failed", lastTransitionTime=at, reason="BackoffLimit")
            return self.put_job(uid, slot_at, failed=1, conditions=[why])
        done = condition("Complete", lastTransitionTime=at)
        return self.put_job(
            uid, slot_at, succeeded=1, completionTime=at, conditions=[done]
        )

    def pending(self) -> list[str]:
        """Return the Jobs whose pod was never ready."""
        return [uid for uid in self.unfinished() if not has_started(self.jobs[uid])]

    def unfinished(self) -> list[str]:
        """Return the Jobs without an end."""
        return [uid for uid, job in self.jobs.items() if end_of(job) is None]

    def unheard(self) -> list[Blindness]:
        """Return the times in which no ping could be heard, as the Leases prove it."""
        if self.presences and not self.is_refusing:
            self.presences[-1] = Presence(self.presences[-1].began_at, self.now)
        return gaps(self.presences, now=self.now)


def _began(job: Job) -> datetime:
    assert job.status.start_time is not None
    return job.status.start_time


def _told_at(flip: Flip) -> datetime:
    return flip.at


class Operator:
    """One process of the operator, from its first lists to its end."""

    def __init__(self, cluster: Cluster, stored: Json) -> None:
        self.cluster, self.clock = cluster, SetClock(cluster.now)
        self.heard = Heard()
        self.book = JobBook(NoPods(), NoPods(), self.clock)
        self.ledger = Ledger(self.book, self.heard, Defaults())
        self.book.report_to(self._report, lambda _gaps: None)
        self.told: dict[str, Flip] = {}
        self._list_jobs()
        self.see_monitor(stored)
        self.see_cron_job()
        for ping in cluster.journal:
            self.ledger.check_in(MONITOR, ping, now=cluster.now)
        unheard = cluster.unheard()
        self._blind = {each.began_at: each.ended_at for each in unheard}
        self.ledger.open(now=cluster.now, unheard=unheard)
        self.turn()

    @property
    def entry(self) -> Entry:
        """Return what it knows of the monitor."""
        found = self.ledger.get(MONITOR)
        assert found is not None
        return found

    def _report(self, cron_job: Uid, check_in: CheckIn) -> None:
        self.ledger.check_in_run(cron_job, check_in, now=self.clock.now())

    def _list_jobs(self) -> None:
        for job in sorted(self.cluster.jobs.values(), key=lambda one: one.metadata.uid):
            self._explain(job)
            self.book.take(ObjectEvent(Change.ADDED, job, initial=True))
        self.book.listed("")

    def _explain(self, job: Job) -> None:
        """Have the pods of a failed Job read already."""
        if has_failed(job):
            self.book._reports._explained[job.metadata.uid] = Explanation(3, "no disk")

    def see_monitor(self, stored: Json | None = None) -> None:
        """Take the monitor as it is now, from kopf."""
        cluster = self.cluster
        seen = Sighting(
            key=MonitorKey(NAMESPACE, "nightly"),
            uid=MONITOR,
            generation=1,
            resource_version=str(cluster.version),
            spec=cluster.spec,
            state=from_status(stored),
            digest=digest(stored or {}),
            created_at=NOW,
        )
        self.ledger.see_monitor(seen, now=cluster.now)

    def see_cron_job(self) -> None:
        """Take the CronJob as it is now."""
        if self.cluster.cron_job is not None:
            self.ledger.see_cron_job(self.cluster.cron_job, now=self.cluster.now)

    def see_job(self, job: Job, kind: Change = Change.MODIFIED) -> None:
        """Take what the watch tells of a Job."""
        self._explain(job)
        self.book.take(ObjectEvent(kind, job))

    def see_ping(self, check_in: CheckIn) -> None:
        """Take a ping from the journal."""
        self.ledger.check_in(MONITOR, check_in, now=self.cluster.now)

    def check(self) -> None:
        """Tell of the times in which nobody heard pings, as `Presences` does."""
        for each in self.cluster.unheard():
            if self._blind.get(each.began_at) != each.ended_at:
                self._blind[each.began_at] = each.ended_at
                self.ledger.blind(Source.PING, each, now=self.clock.now())

    def turn(self) -> None:
        """Judge what is due by now, as the watchdog does."""
        until = self.cluster.now
        while (at := self.ledger.wakes.next_at()) is not None and at <= until:
            self.clock.at = self.cluster.now = max(at, self.clock.at)
            self.ledger.wakes.take(now=self.clock.at)
            self.check()
            self.ledger.judge(MONITOR, now=self.clock.at)
        self.clock.at = self.cluster.now = until
        self.check()

    def was_down(self, at: datetime) -> bool:
        """Tell whether it said Down at an instant, going by the flips it told."""
        flips = [flip for flip in self.told.values() if flip.at < at]
        return bool(flips) and max(flips, key=_told_at).after is Health.DOWN

    def status(self) -> Json:
        """Return the status as the API server would hold it."""
        entry = self.entry
        assert entry.subject is not None
        table, now = entry.subject.table, self.clock.now()
        status = to_status(entry.state, entry.policy, table, generation=1, now=now)
        as_read: Json = json.loads(json.dumps(status))
        return as_read

    def store(self) -> tuple[Json, Json]:
        """Write the status, tell its flips, and write it again without them."""
        status, state = self.status(), self.entry.state
        flips = {flip.id: flip for flip in state.pending_flips}
        self.cluster.version += 1
        version = str(self.cluster.version)
        self.ledger.stored(MONITOR, state, digest(status), version)
        self.told.update(flips)
        self.ledger.told(MONITOR, flips, now=self.clock.now())
        return status, self.status()
