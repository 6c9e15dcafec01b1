"""A job somewhere else that pings, more or less in time."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from msgspec.structs import replace

from heartbeats.core.model import CheckIn, Kind, Spec, Uid
from support.week.ping_oracle import PingOracle
from support.week.rules import DAY, MINUTE, SECOND, Call, Rules
from support.week.story import MAX_UNFINISHED, Monitor, Story, seconds, see_monitor
from support.week.timetable import Timetable


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
        self.plan(at + seconds(min(wait, DAY)), self._turn)

    def _tell_spec(self, at: datetime) -> None:
        spec, name = self.spec, self.name
        self.tell(at, f"spec {spec}", lambda bench: see_monitor(bench, name, spec))
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
        following = at + seconds(habits.period * rng.uniform(0.9, 1.02))
        if spec.schedule is not None:
            slot = Timetable(self._rules()).next_after(at)
            if slot is None:
                return
            following = slot + self._offset(slot - at)
        elif rng.random() < habits.late:
            following += seconds(self.grace * rng.uniform(0.2, 2))
        self.plan(max(following, at + 2 * SECOND), self._turn)
        if at >= self.silent_until and rng.random() >= habits.skipping:
            self._run(at)

    def _offset(self, gap: timedelta) -> timedelta:
        habits, rng = self.habits, self.rng
        dice = rng.random()
        if dice < habits.early:
            allowed = min(self.grace, gap / 2)
            return -seconds(min(allowed * rng.uniform(0.1, 2), gap - SECOND))
        if dice < habits.early + habits.late:
            return seconds(self.grace * rng.uniform(0.8, 2))
        return seconds(self.grace * rng.uniform(0, 0.5))

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
            length = seconds(habits.period * rng.uniform(0.01, 0.4))
            if habits.ids and rng.random() < habits.overlapping:
                length = seconds(habits.period * rng.uniform(0.5, 2.5))
            if rng.random() < habits.doubling:
                self._later(at + length / 2, Kind.START, run_id)
        kind = Kind.FAILURE if rng.random() < habits.failing else Kind.SUCCESS
        self._later(at + length, kind, run_id)
        if not habits.ids and rng.random() < habits.doubling:
            gap = min(seconds(habits.period / 30), 10 * SECOND)
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
