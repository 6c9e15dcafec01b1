"""Reports of Jobs, each CronJob's in their order, failures with their exit code.

A failed Job is reported only after its pods were read, or could not be: its exit
code belongs to the report. Whatever else its CronJob has to report waits so long.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from heartbeats.core.model import CheckIn, Uid
from heartbeats.edges.kube.errors import KubeError
from heartbeats.edges.kube.jobs import end_of, has_failed, report, vanished
from heartbeats.edges.kube.objects import Job
from heartbeats.edges.kube.pods import Explanation, Pods, explain_end

logger = logging.getLogger(__name__)

READ_SECONDS = 5.0
"""A report waits no longer for its pods than this."""

READERS = 4
Report = Callable[[Uid, CheckIn], None]


@dataclass(frozen=True, slots=True)
class News:
    """A Job as it is now, or that it is gone before its end."""

    job: Job
    vanished_at: datetime | None = None


class Reports:
    """Tells what Jobs report, one CronJob's news after the other."""

    def __init__(self, pods: Pods, exists: Callable[[Uid, Job], bool]) -> None:
        self._pods = pods
        self._exists = exists
        self._explained: dict[str, Explanation] = {}
        self._chains: dict[Uid, deque[News]] = {}
        self._queue: asyncio.Queue[Uid] = asyncio.Queue()
        self.tell: Report = lambda _uid, _check_in: None

    def add(self, owner: Uid, news: News) -> None:
        """Report at once, or after what its CronJob has waiting."""
        if owner in self._chains:
            if not self._is_waiting(owner, news):
                self._chains[owner].append(news)
        elif self._is_unexplained(news.job):
            self._chains[owner] = deque([news])
            self._queue.put_nowait(owner)
        else:
            self._tell(owner, news)

    def of(self, job: Job) -> CheckIn | None:
        """Return what a Job reports; None while it has nothing to say yet."""
        if self._is_unexplained(job):
            return None  # comes by itself when its pods were read
        why = self._explained.get(job.metadata.uid, Explanation())
        return report(job, exit_code=why.exit_code, message=why.message)

    def forget(self, owner: Uid, job: Job) -> None:
        """Forget what the pods of a deleted Job said, once it has been told."""
        if owner not in self._chains:
            self._explained.pop(job.metadata.uid, None)

    async def settled(self) -> None:
        """Return when every failed Job seen so far has been reported."""
        await self._queue.join()

    async def run(self) -> None:
        """Read the pods of failed Jobs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(READERS):
                group.create_task(self._work())

    def _is_unexplained(self, job: Job) -> bool:
        return has_failed(job) and job.metadata.uid not in self._explained

    def _is_waiting(self, owner: Uid, news: News) -> bool:
        """Tell whether a Job's end will be told when its turn comes."""
        uid, ended = news.job.metadata.uid, end_of(news.job) is not None
        return ended and any(
            each.job.metadata.uid == uid and end_of(each.job)
            for each in self._chains[owner]
        )

    async def _work(self) -> None:
        while True:
            owner = await self._queue.get()
            chain, told = self._chains[owner], list[Job]()
            try:
                while chain:
                    await self._explain(chain[0].job)
                    told.append(chain[0].job)
                    self._tell(owner, chain.popleft())
            finally:
                del self._chains[owner]
                self._queue.task_done()
            for job in told:
                if not self._exists(owner, job):
                    self._explained.pop(job.metadata.uid, None)

    def _tell(self, owner: Uid, news: News) -> None:
        if news.vanished_at is not None:
            self.tell(owner, vanished(news.job, now=news.vanished_at))
            return
        check_in = self.of(news.job)
        if check_in is not None:
            self.tell(owner, check_in)

    async def _explain(self, job: Job) -> None:
        if not self._is_unexplained(job):
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
