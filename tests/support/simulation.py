"""A simulated cluster and its clients: what truly happens, and who hears of it when.

The CronJob controller is played as it really behaves: of several missed slots
only the newest is started, Forbid skips, Replace deletes, a starting deadline
gives up, a resumed CronJob starts its last slot at once. Everything is drawn from
one `random.Random`, so a seed is a whole week.
"""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from heartbeats.core.model import (
    CheckIn,
    CronJobFacts,
    Health,
    Kind,
    Reason,
    Source,
    Spec,
    Uid,
)
from heartbeats.core.verdict import verdict
from heartbeats.ledger import Entry
from support.ledgers import NAMESPACE, Bench
from support.oracle import (
    Call,
    CronJobOracle,
    Era,
    Execution,
    Oracle,
    PingOracle,
    Rules,
    Timetable,
)

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

Deliver = Callable[[Bench], None]


@dataclass(frozen=True, order=True)
class Delivery:
    """Something the ledger hears at an instant."""

    at: datetime
    turn: int
    monitor: str = field(compare=False)
    text: str = field(compare=False)
    deliver: Deliver = field(compare=False)


@dataclass
class Monitor:
    """A simulated monitor: what is delivered of it, and what must be said."""

    name: str
    oracle: Oracle
    deliveries: list[Delivery]

    @property
    def uid(self) -> Uid:
        """Return the uid the bench gives it."""
        return Uid(f"hbm-{self.name}")


class Story:
    """Collects what happens to one monitor, in its order."""

    def __init__(self, name: str, begin: datetime, end: datetime) -> None:
        self.name, self.begin, self.end = name, begin, end
        self.eras: list[Era] = []
        self.deliveries: list[Delivery] = []
        self._events: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._turns = count()

    def tell(self, at: datetime, text: str, deliver: Deliver) -> None:
        """Have the ledger hear something."""
        said = Delivery(at, next(self._turns), self.name, text, deliver)
        self.deliveries.append(said)

    def plan(self, at: datetime, act: Callable[[datetime], None]) -> None:
        """Have something happen later."""
        heapq.heappush(self._events, (at, next(self._turns), act))

    def happen(self) -> None:
        """Let everything happen that was planned."""
        while self._events and self._events[0][0] < self.end:
            at, _, act = heapq.heappop(self._events)
            act(at)

    def rule(self, at: datetime, rules: Rules) -> None:
        """Note what is wanted from now on."""
        self.eras.append(Era(since=at, rules=rules))


@dataclass(frozen=True, kw_only=True)
class Character:
    """What a simulated CronJob is like."""

    schedule: str
    period: timedelta
    zone: str | None = None
    hidden_zone: str | None = None
    """The zone of the controller, when the CronJob names none."""
    policy: str = "Allow"
    starting_deadline: timedelta | None = None
    active_deadline: timedelta | None = None
    tells_last_schedule: bool = False
    slow: float = 0.0
    """How often a run takes about as long as its period, or longer."""
    failing: float = 0.03
    hanging: float = 0.0
    stuck: float = 0.0
    lazy: float = 0.02
    """How often a pod takes about as long as the grace to become ready."""
    vanishing: float = 0.0


class CronJobStory(Story):
    """A CronJob, its controller, its Jobs and a monitor that watches it."""

    def __init__(
        self,
        name: str,
        character: Character,
        spec: Spec,
        span: tuple[datetime, datetime],
        rng: random.Random,
    ) -> None:
        super().__init__(name, *span)
        self.character, self.spec, self.rng = character, spec, rng
        self.grace = spec.grace or 5 * MINUTE
        self.schedule, self.zone = character.schedule, character.zone
        self.runs: list[Execution] = []
        self.facts: CronJobFacts | None = None
        self.suspended = False
        self.paused_by_spec = False
        self.refused_until = span[0]
        self._uids = count(1)
        self._jobs = count(1)
        self._slots: set[datetime] = set()
        self._next_sync: datetime | None = None
        self._table = self._true_table(span[0])

    def monitor(self) -> Monitor:
        """Play it to its end."""
        self.happen()
        oracle = CronJobOracle(self.eras, self.runs, end=self.end)
        return Monitor(self.name, oracle, sorted(self.deliveries))

    # What is wanted

    def begin_at(self, at: datetime) -> None:
        """Create the CronJob and its monitor."""
        first = self.rng.random() < 0.5
        if first:
            self._tell_spec(at)
        self._create(at, created_at=at - timedelta(seconds=self.rng.randint(1, 3600)))
        if not first:
            self._tell_spec(at)

    def _rules(self) -> Rules:
        facts, spec, character = self.facts, self.spec, self.character
        return Rules(
            schedule=self.schedule,
            zone=self.zone or "UTC",
            anchor_at=self._anchor_at,
            grace=self.grace,
            max_runtime=spec.max_runtime,
            active_deadline=character.active_deadline if facts else None,
            failure_threshold=spec.failure_threshold or 1,
            recovery_threshold=spec.recovery_threshold or 1,
            forbid=facts is not None and character.policy == "Forbid",
            suspended=self.paused_by_spec or (facts is not None and self.suspended),
            gone=facts is None,
        )

    def _true_table(self, anchor_at: datetime) -> Timetable:
        """Return the slots as the controller has them."""
        zone = self.zone or self.character.hidden_zone or "UTC"
        self._anchor_at = anchor_at
        return Timetable(
            Rules(schedule=self.schedule, zone=zone, anchor_at=anchor_at)
        )

    def _tell_spec(self, at: datetime) -> None:
        spec, name = self.spec, self.name
        self.tell(at, f"spec {spec}", lambda bench: _see_monitor(bench, name, spec))

    def _tell_facts(self, at: datetime, text: str) -> None:
        facts = self.facts
        assert facts is not None
        self.tell(
            at, text, lambda bench: bench.ledger.see_cron_job(facts, now=bench.now)
        )

    def _create(self, at: datetime, *, created_at: datetime) -> None:
        before = [
            slot for slot in Timetable(self._plain()).between(at - DAY, created_at)
        ]
        last = before[-1] if before and created_at < at else None
        self._table = self._true_table(last or created_at)
        self.facts = CronJobFacts(
            uid=Uid(f"cj-{self.name}-{next(self._uids)}"),
            name=self.name,
            namespace=NAMESPACE,
            schedule=self.schedule,
            generation=1,
            time_zone=self.zone,
            suspend=self.suspended,
            concurrency_policy=self.character.policy,
            active_deadline=self.character.active_deadline,
            created_at=created_at,
            last_schedule_at=last or (self._table_last(created_at, at)),
        )
        self._tell_facts(at, f"CronJob {self.facts.uid} created")
        self.rule(at, self._rules())
        self._plan_sync(at)

    def _plain(self) -> Rules:
        zone = self.zone or self.character.hidden_zone or "UTC"
        return Rules(schedule=self.schedule, zone=zone)

    def _table_last(self, created_at: datetime, at: datetime) -> datetime | None:
        """Return the slot that was started last before the monitor came."""
        slots = list(self._table.between(created_at, at))
        return slots[-1] if slots else None

    def edit(self, at: datetime, schedule: str, zone: str | None) -> None:
        """Change the schedule of the CronJob."""
        if self.facts is None or (schedule, zone) == (self.schedule, self.zone):
            return
        self.schedule, self.zone = schedule, zone
        facts = self.facts
        self._table = self._true_table(
            facts.last_schedule_at or facts.created_at or at
        )
        self.facts = replace(
            facts, schedule=schedule, time_zone=zone, generation=facts.generation + 1
        )
        self._tell_facts(at, f"CronJob edited: {schedule} {zone}")
        self.rule(at, self._rules())
        self._next_sync = None
        self.sync(at)

    def suspend(self, at: datetime, wanted: bool) -> None:
        """Suspend the CronJob or let it go on."""
        if self.facts is None or wanted == self.suspended:
            return
        self.suspended = wanted
        self.facts = replace(
            self.facts, suspend=wanted, generation=self.facts.generation + 1
        )
        self._tell_facts(at, f"CronJob suspend={wanted}")
        self.rule(at, self._rules())
        self._next_sync = None
        self.sync(at)

    def pause(self, at: datetime, until: datetime | None, wanted: bool) -> None:
        """Suspend the monitor, perhaps until an instant, or let it go on."""
        if wanted == self.paused_by_spec:
            return
        self.spec = replace(
            self.spec,
            suspend=wanted and until is None,
            suspend_until=until if wanted else None,
        )
        self.paused_by_spec = wanted
        self._tell_spec(at)
        self.rule(at, self._rules())
        if until is not None:
            self.plan(until, self._resume_by_itself)

    def _resume_by_itself(self, at: datetime) -> None:
        if self.paused_by_spec:
            self.paused_by_spec = False
            self.rule(at, self._rules())

    def delete(self, at: datetime) -> None:
        """Delete the CronJob; its Jobs go with it."""
        facts = self.facts
        if facts is None:
            return
        self.facts = None
        for run in self._active():
            run.deleted_at = at
        self.tell(
            at,
            "CronJob deleted",
            lambda bench: bench.ledger.lose_cron_job(facts, now=bench.now),
        )
        self.rule(at, self._rules())

    def recreate(self, at: datetime) -> None:
        """Create the CronJob again under its name."""
        if self.facts is None:
            self.suspended = False
            self._create(at, created_at=at)

    # The controller

    def _plan_sync(self, at: datetime) -> None:
        following = self._table.next_after(at)
        if following is None or self._next_sync == following:
            return
        self._next_sync = following
        self.plan(following + SECOND * self.rng.randint(0, 1), self.sync)

    def sync(self, at: datetime) -> None:
        """Do what the controller does whenever something changed or is due."""
        facts = self.facts
        if facts is None:
            return
        self._plan_sync(at)
        if self.suspended:
            return
        slot = self._most_recent(at, facts)
        if slot is None or slot in self._slots:
            return
        active = [run for run in self._active() if run.slot is not None]
        if active and self.character.policy == "Forbid":
            return
        if active and self.character.policy == "Replace":
            for run in active:
                self._vanish(run, at)
        if at < self.refused_until:
            self.plan(at + SECOND * self.rng.randint(5, 60), self.sync)
            return
        self._start(slot, at)

    def _most_recent(self, at: datetime, facts: CronJobFacts) -> datetime | None:
        earliest = facts.last_schedule_at or facts.created_at
        assert earliest is not None
        limit = self.character.starting_deadline
        if limit is not None:
            earliest = max(earliest, at - limit - SECOND)
        slots = list(self._table.between(earliest, at))
        if not slots or (limit is not None and slots[-1] + limit < at):
            return None
        return slots[-1]

    def _active(self) -> list[Execution]:
        return [
            run
            for run in self.runs[-40:]
            if run.ended_at is None and run.deleted_at is None
        ]

    def _start(self, slot: datetime, at: datetime) -> None:
        assert self.facts is not None
        run = self._job(slot, at)
        self._slots.add(slot)
        self.facts = replace(self.facts, last_schedule_at=slot)
        uid = self.facts.uid
        self.tell(
            at,
            f"Job {run.uid} of {slot} created",
            lambda bench: _wait(bench, uid, slot),
        )
        if self.character.tells_last_schedule:
            self._tell_facts(at, f"lastScheduleTime {slot}")
        self._live(run, at)

    def _job(self, slot: datetime | None, at: datetime) -> Execution:
        run = Execution(
            uid=f"{self.name}-job-{next(self._jobs)}", slot=slot, started_at=at
        )
        self.runs.append(run)
        return run

    def run_by_hand(self, at: datetime) -> None:
        """Create a Job by hand."""
        if self.facts is not None:
            run = self._job(None, at)
            self._get_ready_later(run, at + 3 * SECOND)

    def _live(self, run: Execution, at: datetime) -> None:
        """Draw what becomes of a Job."""
        character, rng = self.character, self.rng
        if rng.random() < character.stuck:
            self._give_up_later(run, at)
            return
        wait = SECOND * rng.randint(1, 9)
        if rng.random() < character.lazy:
            wait = _seconds(self.grace * rng.uniform(0.5, 1.5))
        self._get_ready_later(run, at + wait)

    def _get_ready_later(self, run: Execution, at: datetime) -> None:
        length = self._length()
        if length is not None and length < 20 * SECOND and self.rng.random() < 0.5:
            self.plan(at + length, lambda now: self._end(run, now))
            return  # too short for anybody to see it ready
        self.plan(at, lambda now: self._get_ready(run, now, length))

    def _get_ready(
        self, run: Execution, at: datetime, length: timedelta | None
    ) -> None:
        if not self._exists(run):
            return
        run.ready_at = at
        self._report(run, Kind.START, run.started_at, at)
        if length is None:
            self._give_up_later(run, at)
        else:
            self.plan(at + length, lambda now: self._end(run, now))
            if self.rng.random() < self.character.vanishing:
                self.plan(at + length / 2, lambda now: self._delete_job(run, now))

    def _length(self) -> timedelta | None:
        """Draw how long a run takes; None: it hangs."""
        character, rng = self.character, self.rng
        dice = rng.random()
        if dice < character.hanging:
            return None
        if dice < character.hanging + character.slow:
            return _seconds(character.period * rng.uniform(0.7, 2.5))
        return _seconds(min(character.period, DAY) * rng.uniform(0.002, 0.2))

    def _give_up_later(self, run: Execution, at: datetime) -> None:
        """Have a run that hangs end some time by force."""
        limit = self.character.active_deadline
        if limit is not None:
            ends_at = run.started_at + limit + SECOND * self.rng.randint(0, 2)
            self.plan(max(ends_at, at), lambda now: self._end(run, now, failed=True))
        else:
            pause = _seconds(self.character.period * self.rng.uniform(1, 8))
            self.plan(at + pause + HOUR, lambda now: self._delete_job(run, now))

    def _end(self, run: Execution, at: datetime, *, failed: bool = False) -> None:
        if not self._exists(run):
            return
        run.ended_at = at
        run.succeeded = not failed and self.rng.random() >= self.character.failing
        self._report(run, Kind.SUCCESS if run.succeeded else Kind.FAILURE, at, at)
        self.sync(at)

    def _delete_job(self, run: Execution, at: datetime) -> None:
        if self._exists(run):
            self._vanish(run, at)
            self.sync(at)

    def _vanish(self, run: Execution, at: datetime) -> None:
        run.deleted_at = at
        self._report(run, Kind.VANISHED, at, at)

    def _exists(self, run: Execution) -> bool:
        return run.ended_at is None and run.deleted_at is None

    def _report(
        self, run: Execution, kind: Kind, happened_at: datetime, at: datetime
    ) -> None:
        if self.facts is None:
            return
        check_in, uid = report_of(run, kind, happened_at), self.facts.uid

        def deliver(bench: Bench) -> None:
            if kind is not Kind.VANISHED and run.slot is not None:
                bench.runs.pending.get(uid, {}).pop(run.slot, None)
            bench.ledger.check_in_run(uid, check_in, now=bench.now)

        self.tell(at, f"{kind} of {run.uid} for {run.slot}", deliver)


def report_of(run: Execution, kind: Kind, at: datetime) -> CheckIn:
    """Write a Job's report as the reflector of Jobs does."""
    started = kind is not Kind.VANISHED
    what = "end" if kind.is_outcome else kind.value
    return CheckIn(
        id=f"{run.uid}-{what}",
        kind=kind,
        at=at,
        run_id=run.uid,
        slot_at=run.slot,
        started_at=run.started_at if started else None,
        duration=at - run.started_at if kind.is_outcome else None,
        source=f"Job {run.uid}",
        scheduled=run.slot is not None,
    )


def _wait(bench: Bench, cron_job: Uid, slot: datetime) -> None:
    bench.runs.pending.setdefault(cron_job, {})[slot] = "Its pod is not ready."


def _see_monitor(bench: Bench, name: str, spec: Spec) -> None:
    bench.monitor(name, spec)


def _seconds(span: timedelta) -> timedelta:
    return timedelta(seconds=max(int(span.total_seconds()), 1))
