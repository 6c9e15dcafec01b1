"""The Jobs of all CronJobs as they are now, and what they report.

The reflector feeds it, the ledger reads it (`ledger.Runs`), and each report goes
to the ledger once, the reports of one CronJob in their order. A failed Job is
reported only after its pods were read, or could not be: its exit code belongs to
the report. `settled` tells when no such reading is under way, so that nobody
judges in between.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol

from heartbeats.clock import Clock
from heartbeats.core.catchup import Remains
from heartbeats.core.model import CheckIn, CronJobFacts, Uid
from heartbeats.core.silence import Hindrances
from heartbeats.edges.kube.errors import KubeError
from heartbeats.edges.kube.jobs import (
    end_of,
    has_failed,
    has_started,
    owner_of,
    report,
    slot_of,
    vanished,
)
from heartbeats.edges.kube.objects import Job
from heartbeats.edges.kube.pods import (
    Explanation,
    Pods,
    explain_end,
    explain_wait,
)
from heartbeats.edges.kube.store import Change, ObjectEvent

logger = logging.getLogger(__name__)

READ_SECONDS = 5.0
"""A report waits no longer for its pods than this."""

READERS = 4
MAX_DELETED_SLOTS = 32
Report = Callable[[Uid, CheckIn], None]


class Refused(Protocol):
    """Reads why the controller created no Job."""

    async def of(self, cron_job: CronJobFacts) -> str:
        """Return a sentence, or nothing."""
        ...


class JobBook:
    """Remembers Jobs by the uid of their CronJob."""

    def __init__(self, pods: Pods, refused: Refused, clock: Clock) -> None:
        self._pods = pods
        self._refused = refused
        self._refusals: dict[Uid, str] = {}
        self._clock = clock
        self._jobs: dict[Uid, dict[str, Job]] = {}
        self._explained: dict[str, Explanation] = {}
        self._waits: dict[str, str] = {}
        self._deleted: dict[Uid, dict[datetime, str]] = {}
        self._chains: dict[Uid, deque[Job]] = {}
        self._queue: asyncio.Queue[Uid] = asyncio.Queue()
        self._listed: list[Job] = []
        self._gaps: set[Uid] = set()
        self._report: Report = lambda _uid, _check_in: None
        self._on_gap: Callable[[set[Uid]], None] = lambda _uids: None

    def report_to(self, report_: Report, on_gap: Callable[[set[Uid]], None]) -> None:
        """Name who hears of every report, and of CronJobs that went unwatched."""
        self._report = report_
        self._on_gap = on_gap

    # The reflector's side

    def take(self, event: ObjectEvent[Job]) -> None:
        """Take what the reflector tells; a list's Jobs wait for its end.

        A list comes in the order of names, and order matters.
        """
        owner = owner_of(event.object)
        if owner is None:
            return
        if event.kind is Change.DELETED:
            if event.initial:
                self._gaps.add(owner)
            self.lose(event.object, unseen=event.initial)
        elif event.initial:
            self._listed.append(event.object)
        else:
            self.see(event.object)

    def listed(self, _version: str) -> None:
        """Report the Jobs of a list in the order in which they ended or started."""
        jobs, self._listed = self._listed, []
        for job in sorted(jobs, key=_happened_at):
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
        unexplained = has_failed(job) and job.metadata.uid not in self._explained
        if unexplained or owner in self._chains:
            self._follow(owner, job)
        else:
            self._tell(owner, job)

    def lose(self, job: Job, *, unseen: bool = False) -> None:
        """Forget a deleted Job; its last report still counts.

        `unseen`: it was deleted while nobody watched, and may have ended before.
        """
        owner = owner_of(job)
        if owner is None:
            return
        if end_of(job) is None:
            self._note_deleted(owner, job)
            if not unseen:
                self._report(owner, vanished(job, now=self._clock.now()))
        elif not self._is_followed(owner, job):
            self.see(job)
        known = self._jobs.get(owner, {})
        known.pop(job.metadata.uid, None)
        self._waits.pop(job.metadata.uid, None)
        if owner not in self._chains:
            self._explained.pop(job.metadata.uid, None)
        if not known:
            self._jobs.pop(owner, None)

    def forget(self, cron_job: Uid) -> None:
        """Forget what was remembered of a CronJob that is gone."""
        self._deleted.pop(cron_job, None)
        self._refusals.pop(cron_job, None)

    # The ledger's side

    def check_ins(self, cron_job: Uid) -> Iterable[CheckIn]:
        """Return what all Jobs of a CronJob report, oldest first."""
        reports = (self._reported(job) for job in self._jobs_of(cron_job))
        return sorted((each for each in reports if each), key=lambda each: each.at)

    def hindrances(self, cron_job: Uid) -> Hindrances:
        """Return what is known of why runs do not appear."""
        found = dict(self._deleted.get(cron_job, {}))
        for job in self._pending(cron_job):
            slot_at = slot_of(job)
            if slot_at is not None:
                found[slot_at] = self._waits.get(job.metadata.uid, NOT_READY)
        return Hindrances(found, self._refusals.get(cron_job, ""))

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
        await self._queue.join()

    async def inspect(self, cron_job: CronJobFacts) -> None:
        """Read what keeps the runs of a CronJob from appearing."""
        pending = self._pending(cron_job.uid)
        for job in pending:
            try:
                async with asyncio.timeout(READ_SECONDS):
                    pods = await self._pods.of(job)
            except (KubeError, TimeoutError) as error:
                self._waits[job.metadata.uid] = f"its pods cannot be read: {error}"
            else:
                self._waits[job.metadata.uid] = explain_wait(pods)
        if not pending:
            await self._read_refusal(cron_job)

    async def _read_refusal(self, cron_job: CronJobFacts) -> None:
        try:
            async with asyncio.timeout(READ_SECONDS):
                said = await self._refused.of(cron_job)
        except (KubeError, TimeoutError) as error:
            said = f"Its Events cannot be read: {error}"
        self._refusals[cron_job.uid] = said

    async def run(self) -> None:
        """Read the pods of failed Jobs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(READERS):
                group.create_task(self._read())

    def _follow(self, owner: Uid, job: Job) -> None:
        """Report a Job after those of its CronJob that are being explained."""
        chain = self._chains.get(owner)
        if chain is not None:
            chain.append(job)
            return
        self._chains[owner] = deque([job])
        self._queue.put_nowait(owner)

    def _is_followed(self, owner: Uid, job: Job) -> bool:
        """Tell whether a Job's end will be reported when its turn comes."""
        chain = self._chains.get(owner, ())
        return any(
            each.metadata.uid == job.metadata.uid and end_of(each) for each in chain
        )

    async def _read(self) -> None:
        while True:
            owner = await self._queue.get()
            try:
                chain = self._chains[owner]
                while chain:
                    await self._explain(chain[0])
                    job = chain.popleft()
                    self._tell(owner, job)
                    if job.metadata.uid not in self._jobs.get(owner, {}):
                        self._explained.pop(job.metadata.uid, None)
            finally:
                self._chains.pop(owner, None)
                self._queue.task_done()

    async def _explain(self, job: Job) -> None:
        if not has_failed(job) or job.metadata.uid in self._explained:
            return
        explanation = Explanation()
        try:
            async with asyncio.timeout(READ_SECONDS):
                explanation = explain_end(await self._pods.of(job))
        except (KubeError, TimeoutError) as error:
            logger.info(
                "The pods of a failed Job cannot be read: %s",
                error,
                extra={"namespace": job.metadata.namespace, "job": job.metadata.name},
            )
        self._explained[job.metadata.uid] = explanation

    def _jobs_of(self, cron_job: Uid) -> list[Job]:
        return list(self._jobs.get(cron_job, {}).values())

    def _pending(self, cron_job: Uid) -> list[Job]:
        jobs = self._jobs_of(cron_job)
        return [job for job in jobs if not end_of(job) and not has_started(job)]

    def _note_deleted(self, owner: Uid, job: Job) -> None:
        """Remember what kept a Job from starting that was deleted before it did."""
        slot_at = slot_of(job)
        if has_started(job) or slot_at is None:
            return
        why = self._waits.get(job.metadata.uid, NOT_READY)
        slots = self._deleted.setdefault(owner, {})
        slots[slot_at] = f"{why.rstrip('.')}; its Job was deleted before it was ready."
        while len(slots) > MAX_DELETED_SLOTS:
            del slots[min(slots)]

    def _reported(self, job: Job) -> CheckIn | None:
        uid = job.metadata.uid
        if has_failed(job) and uid not in self._explained:
            return None  # comes by itself when its pods were read
        return self._report_of(job)

    def _report_of(self, job: Job) -> CheckIn | None:
        why = self._explained.get(job.metadata.uid, Explanation())
        return report(job, exit_code=why.exit_code, message=why.message)

    def _tell(self, owner: Uid, job: Job) -> None:
        check_in = self._report_of(job)
        if check_in is not None:
            self._report(owner, check_in)


NOT_READY = "its pod is not ready."


def _happened_at(job: Job) -> datetime:
    check_in = report(job)
    return check_in.at if check_in else job.metadata.creation_timestamp or _NEVER


_NEVER = datetime.min.replace(tzinfo=UTC)
