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
from datetime import datetime, timedelta
from itertools import count

from heartbeats.core.model import (
    CheckIn,
    CronJobFacts,
    Health,
    Kind,
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

MAX_UNFINISHED = 8
"""A status holds ten open runs: the start of the eleventh is not remembered."""

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
        self._ended_at: datetime | None = None
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
        return Timetable(Rules(schedule=self.schedule, zone=zone, anchor_at=anchor_at))

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
        before = list(Timetable(self._plain()).between(at - DAY, created_at))
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
        self._table = self._true_table(facts.last_schedule_at or facts.created_at or at)
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

    @property
    def may_be_recreated(self) -> bool:
        """Tell whether its slots stay the same when it is created again."""
        hidden = self.character.hidden_zone is not None
        return not hidden and not self.schedule.startswith("@every")

    def refuse(self, at: datetime, until: datetime) -> None:
        """Have a quota refuse every Job for some hours."""
        self.refused_until = min(until, at + 5 * HOUR)

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
            for run in self.runs[-400:]
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
        if rng.random() < character.stuck and not self._is_crowded():
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
        limit = self.character.active_deadline
        if limit is not None and at >= run.started_at + limit:
            self._end(run, at, failed=True)
            return
        if self._is_tie(run, at):
            self.plan(at + SECOND, lambda now: self._get_ready(run, now, length))
            return
        run.ready_at = at
        self._report(run, Kind.START, run.started_at, at)
        if length is None:
            self._give_up_later(run, at)
        else:
            self.plan(at + length, lambda now: self._end(run, now))
            if self.rng.random() < self.character.vanishing:
                half = _seconds(length / 2)
                self.plan(at + half, lambda now: self._delete_job(run, now))

    def _length(self) -> timedelta | None:
        """Draw how long a run takes; None: it hangs."""
        character, rng = self.character, self.rng
        dice = 1.0 if self._is_crowded() else rng.random()
        if dice < character.hanging:
            return None
        if dice >= character.hanging + character.slow:
            return _seconds(min(character.period, DAY) * rng.uniform(0.002, 0.2))
        length = _seconds(character.period * rng.uniform(0.7, 2.5))
        limit = character.active_deadline
        return None if limit is not None and length > limit - MINUTE else length

    def _is_crowded(self) -> bool:
        """Tell whether more open runs would be more than a status remembers."""
        return len(self._active()) > MAX_UNFINISHED

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
        if at == self._ended_at or self._is_tie(run, at):
            self.plan(at + SECOND, lambda now: self._end(run, now, failed=failed))
            return
        run.ended_at = self._ended_at = at
        run.succeeded = not failed and self.rng.random() >= self.character.failing
        self._report(run, Kind.SUCCESS if run.succeeded else Kind.FAILURE, at, at)
        self.sync(at)

    def _is_tie(self, run: Execution, at: datetime) -> bool:
        """Tell whether a run appears just when its window is judged.

        Nobody can say which came first: it would be a matter of luck.
        """
        if run.slot is None or run.appeared_at is not None:
            return False
        return at == run.slot + self.grace + SECOND

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


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What a simulated client of a ping URL is like."""

    period: timedelta
    starts: bool = False
    ids: bool = False
    """Its pings carry run ids, and its runs may overlap."""
    failing: float = 0.04
    skipping: float = 0.03
    early: float = 0.05
    late: float = 0.05
    unfinished: float = 0.02
    logging: float = 0.02
    doubling: float = 0.03
    overlapping: float = 0.1


class PingStory(Story):
    """A job somewhere else that pings, more or less in time."""

    def __init__(
        self,
        name: str,
        habits: Habits,
        spec: Spec,
        span: tuple[datetime, datetime],
        rng: random.Random,
    ) -> None:
        super().__init__(name, *span)
        self.habits, self.spec, self.rng = habits, spec, rng
        self.grace = spec.grace or 5 * MINUTE
        self.calls: list[Call] = []
        self.silent_until = span[0]
        self.paused = False
        self._runs = count(1)
        self._unfinished = 0

    def monitor(self) -> Monitor:
        """Play it to its end."""
        self.happen()
        oracle = PingOracle(self.eras, self.calls, end=self.end)
        return Monitor(self.name, oracle, sorted(self.deliveries))

    def begin_at(self, at: datetime) -> None:
        """Create the monitor, and have its client begin some time later."""
        self._tell_spec(at)
        wait = self.habits.period * self.rng.choice((0.01, 0.5, 3))
        self.plan(at + _seconds(min(wait, DAY)), self._turn)

    def _tell_spec(self, at: datetime) -> None:
        spec, name = self.spec, self.name
        self.tell(at, f"spec {spec}", lambda bench: _see_monitor(bench, name, spec))
        self.rule(at, self._rules())

    def _rules(self) -> Rules:
        spec = self.spec
        return Rules(
            schedule=spec.schedule,
            zone=spec.time_zone or "UTC",
            interval=spec.interval,
            grace=self.grace,
            max_runtime=spec.max_runtime,
            failure_threshold=spec.failure_threshold or 1,
            recovery_threshold=spec.recovery_threshold or 1,
            first_check_in_within=spec.first_check_in_within,
            suspended=self.paused,
        )

    def pause(self, at: datetime, until: datetime | None, wanted: bool) -> None:
        """Suspend the monitor, perhaps until an instant, or let it go on."""
        if wanted == self.paused:
            return
        self.paused = wanted
        self.spec = replace(
            self.spec,
            suspend=wanted and until is None,
            suspend_until=until if wanted else None,
        )
        self._tell_spec(at)
        if until is not None:
            self.plan(until, self._resume_by_itself)

    def _resume_by_itself(self, at: datetime) -> None:
        if self.paused:
            self.paused = False
            self.rule(at, self._rules())

    def edit(self, at: datetime, **changes: object) -> None:
        """Change the spec."""
        self.spec = replace(self.spec, **changes)  # type: ignore[arg-type]
        self.grace = self.spec.grace or 5 * MINUTE
        self._tell_spec(at)

    # The client

    def _turn(self, at: datetime) -> None:
        """Run once, and plan the next time."""
        habits, rng, spec = self.habits, self.rng, self.spec
        following = at + _seconds(habits.period * rng.uniform(0.9, 1.02))
        if spec.schedule is not None:
            slot = Timetable(self._rules()).next_after(at)
            if slot is None:
                return
            following = slot + self._offset(slot - at)
        elif rng.random() < habits.late:
            following += _seconds(self.grace * rng.uniform(0.2, 2))
        self.plan(max(following, at + 2 * SECOND), self._turn)
        if at >= self.silent_until and rng.random() >= habits.skipping:
            self._run(at)

    def _offset(self, gap: timedelta) -> timedelta:
        habits, rng = self.habits, self.rng
        dice = rng.random()
        if dice < habits.early:
            allowed = min(self.grace, gap / 2)
            return -_seconds(min(allowed * rng.uniform(0.1, 2), gap - SECOND))
        if dice < habits.early + habits.late:
            return _seconds(self.grace * rng.uniform(0.8, 2))
        return _seconds(self.grace * rng.uniform(0, 0.5))

    def _run(self, at: datetime) -> None:
        habits, rng = self.habits, self.rng
        run_id = f"run-{next(self._runs)}" if habits.ids else None
        if rng.random() < habits.logging:
            self._call(at, Kind.LOG, run_id)
            return
        length = timedelta()
        if habits.starts:
            self._call(at, Kind.START, run_id)
            if rng.random() < habits.unfinished and self._unfinished < MAX_UNFINISHED:
                self._unfinished += 1
                return
            length = _seconds(habits.period * rng.uniform(0.01, 0.4))
            if habits.ids and rng.random() < habits.overlapping:
                length = _seconds(habits.period * rng.uniform(0.5, 2.5))
            if rng.random() < habits.doubling:
                self._later(at + length / 2, Kind.START, run_id)
        kind = Kind.FAILURE if rng.random() < habits.failing else Kind.SUCCESS
        self._later(at + length, kind, run_id)
        if not habits.ids and rng.random() < habits.doubling:
            gap = min(_seconds(habits.period / 30), 10 * SECOND)
            self._later(at + length + gap, kind, run_id)

    def _later(self, at: datetime, kind: Kind, run_id: str | None) -> None:
        whole = at.replace(microsecond=0)
        self.plan(whole, lambda now: self._call(now, kind, run_id))

    def _call(self, at: datetime, kind: Kind, run_id: str | None) -> None:
        call = Call(at=at, kind=kind, run_id=run_id, source="host")
        self.calls.append(call)
        check_in = ping_of(call, len(self.calls))
        uid = Uid(f"hbm-{self.name}")
        self.tell(
            at,
            f"ping {kind} {run_id or ''}",
            lambda bench: bench.ledger.check_in(uid, check_in, now=bench.now),
        )


def ping_of(call: Call, revision: int) -> CheckIn:
    """Write a ping as the journal holds it."""
    return CheckIn(
        id=f"ping-{revision}",
        kind=call.kind,
        at=call.at,
        run_id=call.run_id,
        source=call.source,
        revision=revision,
    )


# Comparing


@dataclass
class Difference:
    """Where the ledger and the oracle disagree, and what led to it."""

    monitor: str
    at: datetime
    expected: str
    got: str
    before: list[str]

    def __str__(self) -> str:
        lines = "\n    ".join(self.before)
        return (
            f"{self.monitor} at {self.at}\n  expected {self.expected}\n"
            f"  got      {self.got}\n    {lines}"
        )


def compare(entry: Entry, oracle: Oracle, at: datetime) -> tuple[str, str] | None:
    """Return what must be said at an instant and what is said; None: the same."""
    expected, got = expected_of(oracle, at), got_of(entry, at)
    same = all(
        value is None or value == got.get(name) for name, value in expected.items()
    )
    return None if same else (str(_plain(expected)), str(_plain(got)))


def _plain(said: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in said.items() if value is not None}


def expected_of(oracle: Oracle, at: datetime) -> dict[str, object]:
    """Return what must be said at an instant; None: the rules do not say."""
    picture = oracle.picture(at)
    if oracle.is_doubtful(at):
        return {"word": picture.word}
    if oracle.was_doubtful(at):
        return {}
    said: dict[str, object] = {
        "word": picture.word,
        "bad": picture.failures,
        "good": picture.successes,
        "down": picture.incident is not None,
    }
    if picture.incident is not None:
        incident = picture.incident
        said |= {"since": incident.opened_at, "reason": incident.reason}
        said |= {"slot": incident.slot}
    elif picture.word in {Health.UP, Health.LATE}:
        said |= {"next": oracle.next_expected(at)}
    return said


def got_of(entry: Entry, at: datetime) -> dict[str, object]:
    """Return what the ledger says, under the same names."""
    state = entry.state
    incident = state.incident
    said: dict[str, object] = {
        "word": verdict(state, entry.policy, now=at).health,
        "bad": state.consecutive_failures,
        "good": state.consecutive_successes,
        "down": incident is not None,
        "next": state.next_expected_at,
    }
    if incident is not None:
        said |= {"since": incident.opened_at, "reason": incident.reason}
        said |= {"slot": incident.slot_at}
    return said


class Week:
    """Plays many monitors through one ledger and compares at every step."""

    def __init__(
        self, monitors: list[Monitor], span: tuple[datetime, datetime], seed: int
    ) -> None:
        self.monitors = {monitor.uid: monitor for monitor in monitors}
        self.begin, self.end = span
        self.bench = Bench(self.begin)
        self.rng = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self.differences: list[Difference] = []
        self.compared = 0
        self._agenda: dict[datetime, list[Delivery]] = {}
        self._looks: set[datetime] = set()
        self._told: dict[Uid, list[str]] = {uid: [] for uid in self.monitors}
        self._wrong: set[Uid] = set()

    def run(self, looks: int = 100) -> None:
        """Play it all; `looks` is how often everything is compared besides."""
        for delivery in sorted(
            delivery
            for monitor in self.monitors.values()
            for delivery in monitor.deliveries
        ):
            self._agenda.setdefault(delivery.at, []).append(delivery)
        seconds = int((self.end - self.begin).total_seconds())
        for _ in range(looks):
            at = self.begin + timedelta(seconds=self.rng.randrange(seconds))
            self._looks.add(at)
            self._agenda.setdefault(at, [])
        for at in sorted(self._agenda):
            self._wake(before=at)
            self._step(at)
        self._wake(before=self.end)

    def _step(self, at: datetime) -> None:
        """Have everything happen that happens at an instant, then compare."""
        touched: set[Uid] = set()
        if self.rng.random() < 0.5:  # both come in either order
            touched |= self._judge(at)
        self.bench.now = at
        for delivery in self._agenda[at]:
            uid = Uid(f"hbm-{delivery.monitor}")
            self._told[uid].append(f"{at} {delivery.text}")
            delivery.deliver(self.bench)
            touched.add(uid)
        touched |= self._judge(at)
        for uid in self.monitors if at in self._looks else sorted(touched):
            self._compare(uid, at)

    def _wake(self, *, before: datetime) -> None:
        """Judge at every wake-up before an instant and compare what was judged."""
        while (at := self.bench.ledger.wakes.next_at()) is not None and at < before:
            for uid in self._judge(at):
                self._compare(uid, at)

    def _judge(self, at: datetime) -> set[Uid]:
        judged = set(self.bench.turn(at))
        for uid in judged:
            self._told[uid].append(f"{at} judged")
        return judged

    def _compare(self, uid: Uid, at: datetime) -> None:
        entry = self.bench.ledger.get(uid)
        if entry is None or uid in self._wrong:
            return
        oracle = self.monitors[uid].oracle
        self.compared += 1
        found = compare(entry, oracle, at)
        if found is not None:
            self._wrong.add(uid)
            self.differences.append(
                Difference(self.monitors[uid].name, at, *found, self._told[uid][-25:])
            )


# Who is monitored

SCHEDULES = (
    # how many in a hundred, schedule, period
    (1, "* * * * *", MINUTE),
    (3, "*/5 * * * *", 5 * MINUTE),
    (6, "*/15 * * * *", 15 * MINUTE),
    (15, "0 * * * *", HOUR),
    (3, "@hourly", HOUR),
    (5, "@every 90m", 90 * MINUTE),
    (4, "@every 7h", 7 * HOUR),
    (6, "30 */2 * * *", 2 * HOUR),
    (8, "0 9,17 * * *", 8 * HOUR),
    (10, "30 2 * * *", DAY),
    (5, "0 0 * * *", DAY),
    (5, "15 1,2,3 * * *", HOUR),
    (6, "0 9 * * 1-5", DAY),
    (6, "0 8-18 * * 1-5", HOUR),
    (4, "0 0 1 * MON", 7 * DAY),
    (4, "0 0 */2 * 1", DAY),
    (3, "0 12 25 * 0", 7 * DAY),
    (3, "@weekly", 7 * DAY),
    (3, "@daily", DAY),
)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "Australia/Lord_Howe",
)
GRACES = (None, 30 * SECOND, MINUTE, 10 * MINUTE, 20 * MINUTE, HOUR)


class Population:
    """Draws monitors of all kinds."""

    def __init__(self, seed: int, span: tuple[datetime, datetime]) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self.span = span

    def monitors(self, number: int) -> Iterator[Monitor]:
        """Draw and play monitors, somewhat more CronJobs than pings."""
        for each in range(number):
            if each % 5 < 3:
                yield self._cron_job(f"job-{each}")
            else:
                yield self._pinged(f"ping-{each}")

    def _schedule(self) -> tuple[str, timedelta]:
        weights = [weight for weight, _, _ in SCHEDULES]
        [found] = self.rng.choices(SCHEDULES, weights)
        return found[1], found[2]

    def _first(self) -> datetime:
        """Draw when a monitor comes: never at the instant of a slot."""
        minute = self.rng.randrange(600)
        return self.span[0] + minute * MINUTE + self.rng.randint(21, 49) * SECOND

    def _some_time(self) -> datetime:
        minutes = int((self.span[1] - self.span[0]) / MINUTE)
        minute = self.rng.randrange(700, minutes)
        return self.span[0] + minute * MINUTE + self.rng.randint(21, 49) * SECOND

    def _spec(self, source: Source, period: timedelta, **more: object) -> Spec:
        rng = self.rng
        limit = None
        if rng.random() < 0.4:
            limit = _seconds(min(period, DAY) * rng.uniform(0.3, 1.5)) + MINUTE
        fields: dict[str, object] = {
            "grace": rng.choice(GRACES),
            "max_runtime": limit,
            "failure_threshold": rng.choice((None, None, 1, 2, 3)),
            "recovery_threshold": rng.choice((None, None, 1, 2)),
            "history_limit": rng.choice((None, 0, 3)),
            **more,
        }
        return Spec(source=source, **fields)  # type: ignore[arg-type]

    def _character(self) -> Character:
        rng = self.rng
        schedule, period = self._schedule()
        zone = rng.choice((*ZONES, None))
        hidden = None
        if zone is None and rng.random() < 0.3:
            hidden = rng.choice(("Europe/Berlin", "America/New_York"))
        some = rng.choice
        return Character(
            schedule=schedule,
            period=period,
            zone=zone,
            hidden_zone=hidden,
            policy=some(("Allow", "Allow", "Forbid", "Forbid", "Replace")),
            starting_deadline=some((None, None, 10 * SECOND, 2 * MINUTE)),
            active_deadline=some((None, None, _seconds(min(period, DAY) * 0.6))),
            tells_last_schedule=schedule.startswith("@every") or rng.random() < 0.2,
            slow=some((0, 0, 0.05, 0.3)),
            failing=some((0, 0.02, 0.2)),
            hanging=some((0, 0, 0.02, 0.1)),
            stuck=some((0, 0, 0.02, 0.1)),
            lazy=some((0, 0.02, 0.1)),
            vanishing=some((0, 0, 0.03)),
        )

    def _cron_job(self, name: str) -> Monitor:
        rng = self.rng
        character = self._character()
        spec = self._spec(Source.CRON_JOB, character.period, cron_job_name=name)
        story = CronJobStory(name, character, spec, self.span, rng)
        story.plan(self._first(), story.begin_at)
        for _ in range(rng.randint(0, 4)):
            story.plan(self._some_time(), story.run_by_hand)
        for _ in range(rng.choice((0, 0, 1, 2))):
            self._disturb(story)
        return story.monitor()

    def _disturb(self, story: CronJobStory) -> None:
        at, later = sorted((self._some_time(), self._some_time()))
        schedule, _ = self._schedule()
        zone = self.rng.choice(ZONES)
        match self.rng.choice(("suspend", "pause", "nap", "edit", "gone", "quota")):
            case "suspend":
                story.plan(at, lambda now: story.suspend(now, True))
                story.plan(later, lambda now: story.suspend(now, False))
            case "pause":
                story.plan(at, lambda now: story.pause(now, None, True))
                story.plan(later, lambda now: story.pause(now, None, False))
            case "nap":
                story.plan(at, lambda now: story.pause(now, later, True))
            case "edit" if story.character.hidden_zone is None:
                story.plan(at, lambda now: story.edit(now, schedule, zone))
            case "gone" if story.may_be_recreated:
                away = self.rng.choice((MINUTE, 20 * MINUTE, 3 * HOUR, 2 * DAY))
                away += self.rng.randint(1, 9) * SECOND
                story.plan(at, story.delete)
                story.plan(at + away, story.recreate)
            case _:
                story.plan(at, lambda now: story.refuse(now, later))

    def _pinged(self, name: str) -> Monitor:
        rng = self.rng
        more: dict[str, object] = {}
        if rng.random() < 0.5:
            schedule, period = self._schedule()
            more = {"schedule": schedule, "time_zone": rng.choice(ZONES)}
            if schedule.startswith("@every"):
                more["schedule"] = "0 */3 * * *"
        else:
            period = rng.choice((5 * MINUTE, HOUR, HOUR, 6 * HOUR, DAY, DAY, 3 * DAY))
            more = {"interval": period}
        more["first_check_in_within"] = rng.choice((None, 2 * HOUR, DAY))
        spec = self._spec(Source.PING, period, **more)
        starts = rng.random() < 0.6
        habits = Habits(
            period=period,
            starts=starts,
            ids=starts and rng.random() < 0.5,
            failing=rng.choice((0, 0.03, 0.2)),
            skipping=rng.choice((0, 0.03, 0.2)),
            unfinished=rng.choice((0, 0.02, 0.1)),
        )
        story = PingStory(name, habits, spec, self.span, rng)
        story.plan(self._first(), story.begin_at)
        if rng.random() < 0.3:
            at, later = sorted((self._some_time(), self._some_time()))
            until = rng.choice((None, later))
            story.plan(at, lambda now: story.pause(now, until, True))
            if until is None:
                story.plan(later, lambda now: story.pause(now, None, False))
        return story.monitor()
