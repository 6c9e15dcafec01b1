"""The Jobs of all CronJobs as they are now, and what they report.

The reflector feeds it, the ledger reads it (`ledger.Runs`), and each report goes
to the ledger once. A failed Job is reported only after its pods were read, or
could not be: its exit code belongs to the report. `settled` tells when no such
reading is under way, so that nobody judges in between.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from heartbeats.clock import Clock
from heartbeats.core.model import CheckIn, Uid
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

logger = logging.getLogger(__name__)

READ_SECONDS = 5.0
"""A report waits no longer for its pods than this."""

READERS = 4
Report = Callable[[Uid, CheckIn], None]


class JobBook:
    """Remembers Jobs by the uid of their CronJob."""

    def __init__(self, pods: Pods, clock: Clock) -> None:
        self._pods = pods
        self._clock = clock
        self._jobs: dict[Uid, dict[str, Job]] = {}
        self._explained: dict[str, Explanation] = {}
        self._stuck: dict[str, str] = {}
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._report: Report = lambda _uid, _check_in: None

    def report_to(self, report_: Report) -> None:
        """Name who hears of every report from now on."""
        self._report = report_

    # The reflector's side

    def see(self, job: Job) -> None:
        """Take over a Job as it is now."""
        owner = owner_of(job)
        if owner is None:
            return
        self._jobs.setdefault(owner, {})[job.metadata.uid] = job
        self._stuck.pop(job.metadata.uid, None)
        if has_failed(job) and job.metadata.uid not in self._explained:
            self._queue.put_nowait(job)
            return
        self._tell(owner, job)

    def lose(self, job: Job) -> None:
        """Forget a deleted Job; its last report still counts."""
        owner = owner_of(job)
        if owner is None:
            return
        if end_of(job) is None:
            self._report(owner, vanished(job, now=self._clock.now()))
        else:
            self._tell(owner, job)
        known = self._jobs.get(owner, {})
        known.pop(job.metadata.uid, None)
        self._stuck.pop(job.metadata.uid, None)
        self._explained.pop(job.metadata.uid, None)
        if not known:
            self._jobs.pop(owner, None)

    # The ledger's side

    def check_ins(self, cron_job: Uid) -> Iterable[CheckIn]:
        """Return what all Jobs of a CronJob report, oldest first."""
        reports = (self._reported(job) for job in self._jobs_of(cron_job))
        return sorted((each for each in reports if each), key=lambda each: each.at)

    def stuck(self, cron_job: Uid) -> Mapping[datetime, str]:
        """Return, by slot, what keeps the pod of a Job from being ready."""
        found: dict[datetime, str] = {}
        for job in self._pending(cron_job):
            slot_at = slot_of(job)
            if slot_at is not None:
                why = self._stuck.get(job.metadata.uid, "its pod is not ready.")
                found[slot_at] = why
        return found

    # Before judging

    async def settled(self) -> None:
        """Return when every failed Job seen so far has been reported."""
        await self._queue.join()

    async def inspect(self, cron_job: Uid) -> None:
        """Read what keeps the pending Jobs of a CronJob from starting."""
        for job in self._pending(cron_job):
            try:
                async with asyncio.timeout(READ_SECONDS):
                    pods = await self._pods.of(job)
            except (KubeError, TimeoutError) as error:
                self._stuck[job.metadata.uid] = f"its pods cannot be read: {error}"
            else:
                self._stuck[job.metadata.uid] = explain_wait(pods)

    async def run(self) -> None:
        """Read the pods of failed Jobs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(READERS):
                group.create_task(self._read())

    async def _read(self) -> None:
        while True:
            job = await self._queue.get()
            try:
                await self._explain(job)
            finally:
                self._queue.task_done()

    async def _explain(self, job: Job) -> None:
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
        owner = owner_of(job)
        if owner is not None:
            self._explained[job.metadata.uid] = explanation
            self._tell(owner, job)

    def _jobs_of(self, cron_job: Uid) -> list[Job]:
        return list(self._jobs.get(cron_job, {}).values())

    def _pending(self, cron_job: Uid) -> list[Job]:
        jobs = self._jobs_of(cron_job)
        return [job for job in jobs if not end_of(job) and not has_started(job)]

    def _reported(self, job: Job) -> CheckIn | None:
        uid = job.metadata.uid
        if has_failed(job) and uid not in self._explained:
            return None  # comes by itself when its pods were read
        why = self._explained.get(uid, Explanation())
        return report(job, exit_code=why.exit_code, message=why.message)

    def _tell(self, owner: Uid, job: Job) -> None:
        why = self._explained.get(job.metadata.uid, Explanation())
        check_in = report(job, exit_code=why.exit_code, message=why.message)
        if check_in is not None:
            self._report(owner, check_in)
