"""A ledger with everything around it in memory, and a clock that tests turn."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from heartbeats.core.model import (
    CheckIn,
    CronJobFacts,
    Kind,
    MonitorKey,
    Source,
    Spec,
    State,
    Uid,
)
from heartbeats.core.policy import Defaults
from heartbeats.core.remains import Remains
from heartbeats.core.silence import Hindrances, Missed
from heartbeats.ledger import Entry, Ledger, Sighting

NAMESPACE = "shop"


@dataclass
class MemoryRuns:
    """Reports and stuck Jobs by CronJob; by name those that went with one."""

    reports: dict[Uid, list[CheckIn]] = field(default_factory=dict)
    pending: dict[Uid, dict[datetime, str]] = field(default_factory=dict)
    deleted: dict[str, dict[datetime, str]] = field(default_factory=dict)

    def check_ins(self, cron_job: Uid) -> Iterable[CheckIn]:
        return list(self.reports.get(cron_job, ()))

    def hindrances(self, cron_job: CronJobFacts) -> Hindrances:
        deleted = self.deleted.get(cron_job.name, {})
        return Hindrances(deleted | self.pending.get(cron_job.uid, {}))

    def remains(self, cron_job: CronJobFacts) -> Remains:
        reports = self.reports.get(cron_job.uid, [])
        return Remains(
            cron_job,
            jobs=frozenset(each.run_id for each in reports if each.run_id),
            slots=frozenset(each.slot_at for each in reports if each.slot_at),
            pending=frozenset(self.pending.get(cron_job.uid, {})),
        )

    def forget(self, cron_job: CronJobFacts) -> None:
        """Have a CronJob's Jobs go with it."""
        gone = self.pending.pop(cron_job.uid, {})
        self.deleted.setdefault(cron_job.name, {}).update(gone)


@dataclass
class Heard:
    """Remembers what a ledger told."""

    changes: list[tuple[MonitorKey, bool]] = field(default_factory=list)
    losses: list[MonitorKey] = field(default_factory=list)
    check_ins: list[str] = field(default_factory=list)
    windows: list[Missed] = field(default_factory=list)

    def changed(self, entry: Entry, *, urgent: bool) -> None:
        self.changes.append((entry.key, urgent))

    def lost(self, entry: Entry) -> None:
        self.losses.append(entry.key)

    def checked_in(self, entry: Entry, check_in: CheckIn) -> None:
        assert entry.subject is not None
        self.check_ins.append(check_in.id)

    def failed(self, entry: Entry, error: Exception) -> None:
        raise AssertionError(f"{entry.key} cannot be judged") from error

    def missed(self, entry: Entry, missed: Missed) -> None:
        assert entry.subject is not None
        self.windows.append(missed)


class Bench:
    """A ledger, what surrounds it, and the time."""

    def __init__(self, now: datetime, *, is_open: bool = True) -> None:
        self.now = now
        self.runs = MemoryRuns()
        self.heard = Heard()
        self.ledger = Ledger(self.runs, self.heard, Defaults())
        self._version = 100
        self._pings = 0
        if is_open:
            self.ledger.open(now=now)

    def cron_job(self, name: str = "job", uid: str = "", **more: object) -> Uid:
        fields: dict[str, object] = {
            "uid": Uid(uid or f"cj-{name}"),
            "name": name,
            "namespace": NAMESPACE,
            "schedule": "0 * * * *",
            **more,
        }
        facts = CronJobFacts(**fields)  # type: ignore[arg-type]
        self.ledger.see_cron_job(facts, now=self.now)
        return facts.uid

    def monitor(
        self,
        name: str,
        spec: Spec,
        *,
        uid: str = "",
        state: State | None = None,
        owner: str | None = None,
        version: int | None = None,
    ) -> Entry:
        self._version = self._version + 1 if version is None else version
        seen = Sighting(
            key=MonitorKey(NAMESPACE, name),
            uid=Uid(uid or f"hbm-{name}"),
            generation=1,
            resource_version=str(self._version),
            spec=spec,
            state=state or State(),
            created_at=self.now,
            owner_uid=None if owner is None else Uid(owner),
        )
        self.ledger.see_monitor(seen, now=self.now)
        found = self.ledger.get(seen.uid)
        assert found is not None
        return found

    def watching(self, cron_job: str = "job", **more: object) -> Entry:
        spec = Spec(source=Source.CRON_JOB, cron_job_name=cron_job, **more)  # type: ignore[arg-type]
        return self.monitor(f"{cron_job}-cronjob", spec)

    def pinged(self, name: str = "backup", **more: object) -> Entry:
        fields: dict[str, object] = {"interval": timedelta(hours=1), **more}
        return self.monitor(name, Spec(source=Source.PING, **fields))  # type: ignore[arg-type]

    def ping(self, uid: Uid, *, revision: int | None = None) -> None:
        self._pings += 1
        check_in = CheckIn(
            id=f"ping-{self._pings}",
            kind=Kind.SUCCESS,
            at=self.now,
            source=f"host-{self._pings}",
            revision=self._pings if revision is None else revision,
        )
        self.ledger.check_in(uid, check_in, now=self.now)

    def turn(self, to: datetime) -> list[Uid]:
        """Let time pass and judge what is due, as the watchdog does."""
        judged: list[Uid] = []
        while (at := self.ledger.wakes.next_at()) is not None and at <= to:
            self.now = at
            for uid in self.ledger.wakes.take(now=at):
                self.ledger.judge(uid, now=at)
                judged.append(uid)
        self.now = to
        return judged
