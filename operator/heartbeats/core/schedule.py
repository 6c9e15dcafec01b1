"""When is a run due, and until when may nothing be heard of it.

The timetable of a policy (cron or interval) and the deadlines that follow from
it and a state. It knows no verdicts: it answers with instants. It may not read a
clock; nothing here depends on the present but by arguments.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from heartbeats.core.cron import Cron, parse
from heartbeats.core.model import ActiveRun, Policy, Source, State
from heartbeats.core.values import Struct

LATE_AFTER = timedelta(seconds=15)
"""How long after its slot a CronJob's run may appear before it counts as late:
the controller needs some seconds to create the Job and the pod to start."""

SHORTEST_RUN_LIMIT = timedelta(minutes=30)
UNKNOWN_RUN_LIMIT = timedelta(hours=6)
"""Limits for a run that nobody gave one: see `finish_deadline`."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The slots of a policy: a cron schedule or an interval."""

    cron: Cron | None
    interval: timedelta | None
    anchor_at: datetime | None = None
    """A slot of an "@every" schedule, which the controller counts from the last."""

    def next_after(self, at: datetime) -> datetime | None:
        """Return the first slot after an instant; None: there is none."""
        if self.cron is not None:
            return self._next_of(self.cron, at)
        return None if self.interval is None else at + self.interval

    def _next_of(self, cron: Cron, at: datetime) -> datetime | None:
        if cron.every is None or self.anchor_at is None:
            return cron.next_after(at)
        beats = (at - self.anchor_at) // cron.every + 1
        return self.anchor_at + beats * cron.every

    def has(self, slot_at: datetime) -> bool:
        """Tell whether an instant is a slot; intervals have no fixed ones."""
        if self.cron is None or self.cron.every is not None:
            return True
        return self.cron.fires(slot_at)

    def served_by(self, at: datetime, grace: timedelta) -> datetime | None:
        """Return the first slot that a report at an instant does not satisfy.

        A report satisfies every slot up to it, and the one after it when it comes
        early by at most the grace period and by at most half the gap between the
        two: in the middle of two slots it belongs to the nearer one.
        """
        if self.cron is None:
            return self.next_after(at)
        slot_at = self.next_after(at - timedelta(microseconds=1))
        if slot_at is None:
            return None
        early = slot_at - at
        nearer = not early or self.next_after(at - early) == slot_at
        return self.next_after(slot_at) if early <= grace and nearer else slot_at


def timetable(policy: Policy, *, anchor_at: datetime | None = None) -> Timetable:
    """Parse a policy's timetable; raises CronError (a ValueError)."""
    if policy.schedule is None:
        return Timetable(None, policy.interval)
    cron = parse(policy.schedule, policy.time_zone or "UTC")
    return Timetable(cron, None, anchor_at)


class Expiry(Enum):
    """What a deadline waits for."""

    FIRST_CHECK_IN = auto()
    APPEARANCE = auto()
    FINISH = auto()


class Deadline(Struct, frozen=True):
    """The instant at which silence about something becomes a bad run."""

    at: datetime
    expiry: Expiry
    slot_at: datetime | None = None
    run: ActiveRun | None = None


def deadlines(state: State, policy: Policy, table: Timetable) -> Iterator[Deadline]:
    """Yield all that silence would break; nothing while paused, Down or troubled."""
    if not is_judged(state, policy) or state.incident or state.mismatch_at:
        return
    within, armed_at = policy.first_check_in_within, state.armed_at
    if within is not None and is_new(state) and armed_at is not None:
        yield Deadline(armed_at + within, Expiry.FIRST_CHECK_IN, slot_at=armed_at)
    due_at = state.next_expected_at
    if due_at is not None and not is_covered(state, policy):
        yield Deadline(due_at + policy.grace, Expiry.APPEARANCE, slot_at=due_at)
    for run in open_runs(state):
        at = finish_deadline(run, state, policy, table)
        yield Deadline(at, Expiry.FINISH, slot_at=run.slot_at, run=run)


def next_deadline(state: State, policy: Policy, table: Timetable) -> Deadline | None:
    """Return the next instant at which silence turns the monitor's run bad."""
    first: Deadline | None = None
    for each in deadlines(state, policy, table):
        if first is None or each.at < first.at:
            first = each
    return first


def is_judged(state: State, policy: Policy) -> bool:
    """Tell whether silence means anything: not while paused or without a schedule."""
    if policy.suspended or state.armed_at is None:
        return False
    return state.trouble is None or policy.orphaned


def is_new(state: State) -> bool:
    """Tell whether no run has ever reported; a log line reports no run."""
    reports = (state.last_start_at, state.last_success_at, state.last_failure_at)
    return all(at is None for at in reports)


def open_runs(state: State) -> tuple[ActiveRun, ...]:
    """Return the started runs whose ends are awaited."""
    if not state.active_runs:
        return ()
    return tuple(
        run
        for run in state.active_runs
        if not run.excused and run.id not in state.counted_runs
    )


def is_covered(state: State, policy: Policy) -> bool:
    """Tell whether an open run explains that no new one appears.

    An overdue run explains nothing any more: otherwise a hung one would silence
    its monitor for ever.
    """
    return policy.skips_while_running and is_running(state)


def is_running(state: State) -> bool:
    """Tell whether a run is open as far as is known, and its end is awaited."""
    return any(not run.vanished for run in open_runs(state))


def finish_deadline(
    run: ActiveRun, state: State, policy: Policy, table: Timetable
) -> datetime:
    """Return until when a started run must have ended.

    maxRuntime, else the Job's activeDeadlineSeconds, else the slot after its own
    plus grace, though never sooner than twice the longest success known.
    A run that was there before the monitor is not judged before the first slot
    that the monitor answers for.
    """
    limit = policy.max_runtime or policy.active_deadline
    at = run.started_at + limit if limit else _natural_end(run, state, policy, table)
    if state.armed_at is not None and run.started_at < state.armed_at:
        first = table.next_after(state.armed_at)
        return max(at, (first or state.armed_at) + policy.grace)
    return at


def _natural_end(
    run: ActiveRun, state: State, policy: Policy, table: Timetable
) -> datetime:
    longest = state.longest_success
    usual = UNKNOWN_RUN_LIMIT if longest is None else 2 * longest
    floor = run.started_at + max(usual, SHORTEST_RUN_LIMIT)
    following = table.next_after(run.slot_at or run.started_at)
    return floor if following is None else max(floor, following + policy.grace)


def late_at(state: State, policy: Policy) -> datetime | None:
    """Return when an awaited run starts to be late; None: nothing is awaited."""
    due_at = state.next_expected_at
    if due_at is None or state.incident or not is_judged(state, policy):
        return None
    if is_covered(state, policy):
        return None
    slack = LATE_AFTER if policy.source is Source.CRON_JOB else timedelta()
    return due_at + min(slack, policy.grace)
