"""What goes on in a cluster for a month: runs of CronJobs, pings, failures and changes.

It plays the controllers and the users. Dice decide, and a seed makes them fall again.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bench.month.api import MonthApi
from support.fakeapi import Object

NAMESPACE = "shop"
_MINUTE = timedelta(minutes=1)
_KEPT = {"Complete": 3, "Failed": 1}
_SLOT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_SKIPPED, _FAILED = 0.01, 0.05


@dataclass
class Life:
    """CronJobs that run once an hour, and monitors that are pinged as often."""

    api: MonthApi
    cron_jobs: int
    pinged: int
    dice: random.Random
    running: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    """Jobs under way: when they end, and of which CronJob they are."""
    finished: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    runs: int = 0

    def begin(self) -> None:
        """Create all that is there on the first day."""
        self.api.store("namespaces", "", NAMESPACE, {"metadata": {}})
        for index in range(self.cron_jobs):
            self.make_cron_job(index)
        for index in range(self.pinged):
            self.make_monitor(index)

    def make_cron_job(self, index: int) -> None:
        """Create a CronJob that runs at a minute of its own."""
        spec = {"schedule": f"{index % 60} * * * *", "suspend": False}
        self.api.store("cronjobs", NAMESPACE, f"job-{index}", {"spec": spec})

    def make_monitor(self, index: int) -> None:
        """Create a monitor that expects a ping an hour."""
        spec = {"ping": {}, "interval": "1h", "gracePeriod": "10m"}
        self.api.store("heartbeatmonitors", NAMESPACE, f"ping-{index}", {"spec": spec})

    def minute(self, now: datetime) -> None:
        """Let a minute's runs begin, and end what ends by now."""
        for index in range(self.cron_jobs):
            if index % 60 == now.minute and self.dice.random() >= _SKIPPED:
                self._start(f"job-{index}", now)
        for name, (ends_at, cron_job) in list(self.running.items()):
            if ends_at <= now:
                self._end(name, cron_job, now)

    def replace_one(self, now: datetime) -> None:
        """Delete a CronJob and a monitor, as users do, and create them anew."""
        index = now.day % self.cron_jobs
        self.api.remove("cronjobs", NAMESPACE, f"job-{index}")
        self.running = {
            name: run for name, run in self.running.items() if run[1] != f"job-{index}"
        }
        self.finished.pop(f"job-{index}", None)
        self.make_cron_job(index)
        index = now.day % self.pinged
        self.api.remove("heartbeatmonitors", NAMESPACE, f"ping-{index}")
        self.make_monitor(index)

    def pings(self, now: datetime) -> list[tuple[str, str]]:
        """Return the pings of this minute: monitor and signal."""
        found: list[tuple[str, str]] = []
        for index in range(self.pinged):
            if (index * 7) % 60 == now.minute and self.dice.random() >= _SKIPPED:
                name = f"ping-{index}"
                found.append((name, "/start"))
                bad = self.dice.random() < _FAILED
                found.append((name, "/fail" if bad else ""))
        return found

    def _start(self, cron_job: str, now: datetime) -> None:
        owner = self.api._objects["cronjobs", NAMESPACE, cron_job]
        slot = now.replace(second=0, microsecond=0)
        name = f"{cron_job}-{int(slot.timestamp()) // 60}"
        reference = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "name": cron_job,
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
        meta = {"annotations": {_SLOT: _text(slot)}, "ownerReferences": [reference]}
        status = {"startTime": _text(now), "active": 1, "ready": 1}
        self._store("jobs", name, metadata=meta, spec={}, status=status)
        self._store("cronjobs", cron_job, status={"lastScheduleTime": _text(slot)})
        minutes = self.dice.randrange(1, 6)
        self.running[name] = (now + minutes * _MINUTE, cron_job)
        self.runs += 1

    def _end(self, name: str, cron_job: str, now: datetime) -> None:
        del self.running[name]
        kind = "Failed" if self.dice.random() < _FAILED else "Complete"
        condition = {"type": kind, "status": "True", "lastTransitionTime": _text(now)}
        started = self.api._objects["jobs", NAMESPACE, name]["status"]["startTime"]
        ended = {"completionTime": _text(now)} if kind == "Complete" else {}
        status = {"startTime": started, "conditions": [condition], **ended}
        self._store("jobs", name, status=status)
        kept = self.finished.setdefault(cron_job, [])
        kept.append((kind, name))
        alike = [each for each in kept if each[0] == kind]
        for each in alike[: -_KEPT[kind]]:
            kept.remove(each)
            self.api.remove("jobs", NAMESPACE, each[1])

    def _store(self, plural: str, name: str, **body: object) -> Object:
        return self.api.store(plural, NAMESPACE, name, body)


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
