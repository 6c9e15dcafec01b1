"""The Jobs of all CronJobs as they are now.

The reflector feeds it, the ledger reads it (`ledger.Runs`), and `reports` tells
each report once. It also knows what keeps runs from appearing, for explanations.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Protocol

from heartbeats.clock import Clock
from heartbeats.core.model import CheckIn, CronJobFacts, Uid
from heartbeats.core.remains import Remains
from heartbeats.core.silence import Hindrances
from heartbeats.edges.kube.errors import KubeError
from heartbeats.edges.kube.jobs import end_of, has_started, owner_of, report, slot_of
from heartbeats.edges.kube.objects import Job
from heartbeats.edges.kube.pods import Pods, explain_wait
from heartbeats.edges.kube.reports import READ_SECONDS, News, Report, Reports
from heartbeats.edges.kube.store import Change, ObjectEvent

MAX_DELETED_SLOTS = 32
MAX_DELETED_NAMES = 1000
_Name = tuple[str, str]

NOT_READY = "its pod is not ready."
READERS = 8
MOST_READ_ALONE = 8
"""Beyond so many silent CronJobs one list of all their Events is cheaper."""


class Refused(Protocol):
    """Reads why the controller created no Job."""

    async def of(self, cron_job: CronJobFacts) -> str:
        """Return a sentence, or nothing; raises ApiError."""
        ...

    async def of_all(self) -> dict[Uid, str]:
        """Return the sentence of each CronJob that there is one for; ApiError."""
        ...


class JobBook:
    """Remembers Jobs by the uid of their CronJob."""

    def __init__(self, pods: Pods, refused: Refused, clock: Clock) -> None:
        self._pods = pods
        self._refused = refused
        self._clock = clock
        self._reports = Reports(pods, self._exists)
        self._refusals: dict[Uid, str] = {}
        self._jobs: dict[Uid, dict[str, Job]] = {}
        self._waits: dict[str, str] = {}
        self._deleted: dict[_Name, dict[datetime, str]] = {}
        """Why Jobs that were deleted never started, by namespace and CronJob: one that
        is created again has another uid, and answers for the same slots."""
        self._listed: dict[str, Job] = {}
        self._gaps: set[Uid] = set()
        self._on_gap: Callable[[set[Uid]], None] = lambda _uids: None

    def report_to(self, tell: Report, on_gap: Callable[[set[Uid]], None]) -> None:
        """Name who hears of every report, and of CronJobs that went unwatched."""
        self._reports.tell = tell
        self._on_gap = on_gap

    # The reflector's side

    def take(self, event: ObjectEvent[Job]) -> None:
        """Take what the reflector tells; a list's Jobs wait for its end.

        A list comes in the order of names, and order matters.
        """
        job = event.object
        owner = owner_of(job)
        if owner is None:
            return
        if event.kind is Change.DELETED:
            self._listed.pop(job.metadata.uid, None)
            if event.initial:
                self._gaps.add(owner)
            self.lose(job, unseen=event.initial)
        elif event.initial:
            self._listed[job.metadata.uid] = job
        else:
            self.see(job)

    def listed(self, _version: str) -> None:
        """Report the Jobs of a list in the order in which they ended or started."""
        jobs, self._listed = self._listed, {}
        for job in sorted(jobs.values(), key=_happened_at):
            self.see(job)
        gaps, self._gaps = self._gaps, set()
        if gaps:
            self._on_gap(gaps)

    def see(self, job: Job) -> None:
        """Take over a Job as it is now."""
        owner = owner_of(job)
        if owner is None:
            return
        self._jobs.setdefault(owner, {})[job.metadata.uid] = job
        self._waits.pop(job.metadata.uid, None)
        self._reports.add(owner, News(job))

    def lose(self, job: Job, *, unseen: bool = False) -> None:
        """Forget a deleted Job; its last report still counts.

        `unseen`: it was deleted while nobody watched, and may have ended before.
        """
        owner = owner_of(job)
        if owner is None:
            return
        if end_of(job) is not None:
            self._reports.add(owner, News(job))
        else:
            self._note_deleted(job)
            if not unseen:
                self._reports.add(owner, News(job, vanished_at=self._clock.now()))
        known = self._jobs.get(owner, {})
        known.pop(job.metadata.uid, None)
        self._waits.pop(job.metadata.uid, None)
        if not known:
            self._jobs.pop(owner, None)
        self._reports.forget(owner, job)

    def forget(self, cron_job: Uid) -> None:
        """Forget what was remembered of a CronJob that is gone."""
        self._refusals.pop(cron_job, None)

    # The ledger's side

    def check_ins(self, cron_job: Uid) -> Iterable[CheckIn]:
        """Return what all Jobs of a CronJob report, oldest first."""
        reports = (self._reports.of(job) for job in self._jobs_of(cron_job))
        return sorted((each for each in reports if each), key=lambda each: each.at)

    def hindrances(self, cron_job: CronJobFacts) -> Hindrances:
        """Return what is known of why runs do not appear."""
        found = dict(self._deleted.get((cron_job.namespace, cron_job.name), {}))
        for job in self._pending(cron_job.uid):
            slot_at = slot_of(job)
            if slot_at is not None:
                found[slot_at] = self._waits.get(job.metadata.uid, NOT_READY)
        return Hindrances(found, self._refusals.get(cron_job.uid, ""))

    def remains(self, cron_job: CronJobFacts) -> Remains:
        """Return what is left of the runs of a CronJob."""
        jobs = self._jobs_of(cron_job.uid)
        pending = self._pending(cron_job.uid)
        return Remains(
            cron_job,
            jobs=frozenset(job.metadata.uid for job in jobs),
            slots=frozenset(filter(None, map(slot_of, jobs))),
            pending=frozenset(filter(None, map(slot_of, pending))),
        )

    # Before judging

    async def settled(self) -> None:
        """Return when every failed Job seen so far has been reported."""
        await self._reports.settled()

    async def inspect(self, cron_jobs: Collection[CronJobFacts]) -> None:
        """Read what keeps the runs of CronJobs from appearing, some at once."""
        pending = {facts.uid: self._pending(facts.uid) for facts in cron_jobs}
        silent = [facts for facts in cron_jobs if not pending[facts.uid]]
        reads = [self._read_wait(job) for jobs in pending.values() for job in jobs]
        if len(silent) > MOST_READ_ALONE:
            reads.append(self._read_refusals(silent))
        else:
            reads += [self._read_refusal(facts) for facts in silent]
        await _some_at_once(reads)

    async def _read_wait(self, job: Job) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                pods = await self._pods.of(job)
        except (KubeError, TimeoutError) as error:
            self._waits[job.metadata.uid] = f"its pods cannot be read: {error}"
        else:
            self._waits[job.metadata.uid] = explain_wait(pods)

    async def _read_refusal(self, cron_job: CronJobFacts) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                said = await self._refused.of(cron_job)
        except (KubeError, TimeoutError) as error:
            said = _unread(error)
        self._refusals[cron_job.uid] = said

    async def _read_refusals(self, cron_jobs: Iterable[CronJobFacts]) -> None:
        """Read those of many by one list: something is wrong with the cluster."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                said = await self._refused.of_all()
        except (KubeError, TimeoutError) as error:
            said = {facts.uid: _unread(error) for facts in cron_jobs}
        for facts in cron_jobs:
            self._refusals[facts.uid] = said.get(facts.uid, "")

    async def run(self) -> None:
        """Read the pods of failed Jobs until cancelled."""
        await self._reports.run()

    def _exists(self, owner: Uid, job: Job) -> bool:
        return job.metadata.uid in self._jobs.get(owner, {})

    def _jobs_of(self, cron_job: Uid) -> Collection[Job]:
        return self._jobs.get(cron_job, {}).values()

    def _pending(self, cron_job: Uid) -> list[Job]:
        jobs = self._jobs_of(cron_job)
        return [job for job in jobs if not end_of(job) and not has_started(job)]

    def _note_deleted(self, job: Job) -> None:
        """Remember what kept a Job from starting that was deleted before it did."""
        slot_at, owner = slot_of(job), job.metadata.controller("CronJob")
        if has_started(job) or slot_at is None or owner is None:
            return
        why = self._waits.get(job.metadata.uid, NOT_READY)
        name = job.metadata.namespace, owner.name
        slots = self._deleted[name] = self._deleted.pop(name, {})  # the newest is last
        slots[slot_at] = f"{why.rstrip('.')}; its Job was deleted before it was ready."
        while len(slots) > MAX_DELETED_SLOTS:
            del slots[min(slots)]
        if len(self._deleted) > MAX_DELETED_NAMES:
            del self._deleted[next(iter(self._deleted))]


async def _some_at_once(reads: Iterable[Coroutine[None, None, None]]) -> None:
    left = list(reads)

    async def work() -> None:
        while left:
            await left.pop()

    try:
        await asyncio.gather(*(work() for _ in range(min(READERS, len(left)))))
    finally:
        for unread in left:
            unread.close()


def _unread(error: Exception) -> str:
    return f"Its Events cannot be read: {error}"


def _happened_at(job: Job) -> datetime:
    check_in = report(job)
    return check_in.at if check_in else job.metadata.creation_timestamp or _NEVER


_NEVER = datetime.min.replace(tzinfo=UTC)
