"""A job that pings through a fault and a CronJob that runs: what must be so after it.

Whatever the fault was: what was answered with success is counted, once; nobody is
alarmed without cause; both processes are those of before, and well again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from support.honest import Honest
from support.keys import until
from support.kube import Kube, wait_until
from support.processes import Process, until_answers
from support.resources import EVENTS, MONITORS, Object
from support.restarts import (
    HEALTH,
    PATIENCE,
    Apart,
    last_slot,
    moment,
    path_of,
    quiet_schedule,
    wait_journal_empty,
)
from support.workloads import complete, cron_job, has_said, ping_monitor, record_run

JOB = "job"
CRON_JOB = "hourly"
OF_CRON_JOB = f"{CRON_JOB}-cronjob"
ALARMS = {"RunMissed", "RunFailed", "RunOverdue", "PodNotReady", "CronJobNotFound"}
"""The reasons of Down."""


@dataclass(slots=True)
class Vigil:
    """What is watched during a fault."""

    kube: Kube
    apart: Apart
    namespace: str
    job: Honest
    """Pings all the time: without a word for eleven seconds it would be Down."""

    cron_job: Object
    pids: tuple[int, int]

    @classmethod
    @contextmanager
    def kept(cls, kube: Kube, apart: Apart, namespace: str) -> Iterator["Vigil"]:
        """Have both at work, heard and Up, until the end of the block."""
        stored = kube.create(cron_job(namespace, CRON_JOB, schedule=quiet_schedule()))
        spec = {"interval": "10s", "gracePeriod": "1s"}
        kube.create(ping_monitor(namespace, JOB, **spec))
        token = path_of(kube, namespace, JOB).rpartition("/")[2]
        wait_until(kube, MONITORS, namespace, OF_CRON_JOB, has_said("New"))
        pids = (apart.operator.pid, apart.pings.pid)
        with Honest(apart.url, token) as job:
            wait_until(kube, MONITORS, namespace, JOB, has_said("Up"))
            yield cls(kube, apart, namespace, job, stored, pids)

    def lasts(self, seconds: float) -> None:
        """Let the fault last."""
        time.sleep(seconds)

    def let_run_end_well(self) -> None:
        """Have the CronJob's run of the newest slot succeed now."""
        slot, now = last_slot(self.cron_job["spec"]["schedule"]), moment()
        record_run(self.kube, self.cron_job, "run", slot, **complete(now, now))

    def wait_answered(self, status: int) -> None:
        """Wait until a ping from now on is answered so."""
        began = len(self.job.answers)
        until(lambda: status in {each.status for each in self.job.answers[began:]})

    def check(self) -> None:
        """Check all that is promised, once the fault is over."""
        self.wait_answered(HTTPStatus.OK)
        for name in (JOB, OF_CRON_JOB):
            wait_until(
                self.kube,
                MONITORS,
                self.namespace,
                name,
                has_said("Up"),
                timeout=PATIENCE,
            )
            assert self.alarms(name) == []
        self._check_processes()
        self.job.end()
        self._check_acknowledged()

    def alarms(self, name: str) -> list[str]:
        """Return the reasons of the alarms about a monitor."""
        found = self.kube.items(EVENTS, self.namespace)
        about = [each for each in found if each["regarding"].get("name") == name]
        return [each["reason"] for each in about if each["reason"] in ALARMS]

    def _check_processes(self) -> None:
        """Check that nothing was started again, and that all of it works."""
        both = (self.apart.operator, self.apart.pings)
        assert tuple(each.pid for each in both) == self.pids
        for process in both:
            assert_well(process)

    def _check_acknowledged(self) -> None:
        """Check that each ping that was answered with 200 is one check-in.

        Its line may come twice, under one id, when what it led to could not be stored.
        """
        acknowledged = self.job.acknowledged
        assert acknowledged
        wait_journal_empty(self.kube)
        until(lambda: not acknowledged - {run for run, _ in self._logged()})
        counted = {each for each in self._logged() if each[0] in acknowledged}
        assert len(counted) == len(acknowledged)

    def _logged(self) -> list[tuple[str, str]]:
        """Return the run and the id of each line about the job that pings."""
        lines = self.apart.lines(self.namespace, JOB)
        return [(each["run_id"], each["id"]) for each in lines if "run_id" in each]


def assert_well(process: Process) -> None:
    """Check that a role is alive and ready."""
    health = process.wait_for(HEALTH)
    for path in ("healthz", "readyz"):
        until_answers(f"{health}/{path}", within=PATIENCE)
