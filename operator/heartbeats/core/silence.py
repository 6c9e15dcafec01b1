"""What the passing of a deadline leads to: a bad run, or doubt.

A window that was touched by blindness of ours is never bad: its monitor becomes
Unknown until something is heard of it or its next window ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from heartbeats.core.counting import count_bad
from heartbeats.core.model import (
    Blindness,
    Incident,
    Policy,
    Reason,
    Run,
    Source,
    State,
)
from heartbeats.core.runs import doubt
from heartbeats.core.schedule import Deadline, Expiry, next_deadline, open_runs
from heartbeats.core.slots import after_missed, after_unseen
from heartbeats.core.subject import Subject
from heartbeats.core.values import replace
from heartbeats.core.verdict import instant, settle, stable_id

MAX_COUNTED_SLOTS = 10


@dataclass(frozen=True, slots=True)
class Hindrances:
    """What is known of why runs do not appear; an explanation, never a cause."""

    pending: Mapping[datetime, str] = field(default_factory=dict)
    """By slot: what keeps the pod of its Job from being ready."""
    refused: str = ""
    """Why the controller created no Job."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A window that expired without turning the monitor Down (threshold above 1)."""

    id: str
    at: datetime
    reason: Reason
    message: str
    slot_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """What a fact led to: the new state, and expired windows that made no flip."""

    state: State
    missed: tuple[Missed, ...] = ()


def expire(
    state: State,
    subject: Subject,
    hindrances: Hindrances | None = None,
    *,
    now: datetime,
) -> Step:
    """Count every deadline up to `now` as a bad run, oldest first."""
    known = hindrances or Hindrances()
    missed: list[Missed] = []
    while True:
        deadline = next_deadline(state, subject.policy, subject.table)
        if deadline is None or deadline.at > now:
            return Step(state, tuple(missed))
        if is_unseen(state, deadline):
            after = _doubted(state, subject, deadline)
        else:
            cause = _cause(deadline, subject.policy, known)
            after = _expired(state, subject, deadline, cause)
            if after.incident is None:
                missed.append(_missed(subject, cause))
        state = settle(state, after, subject.policy, subject.uid, deadline.at)


def is_unseen(state: State, deadline: Deadline) -> bool:
    """Tell whether what a deadline waits for may have come while we were blind."""
    if deadline.run is not None:
        return deadline.run.unseen
    return deadline.slot_at is not None and deadline.slot_at == state.unseen_slot_at


def _doubted(state: State, subject: Subject, deadline: Deadline) -> State:
    until = state.unseen_until or deadline.at
    after = replace(state, blind_at=deadline.at)
    if deadline.run is not None:
        after = _counted(after, deadline)
    elif subject.policy.source is Source.PING:
        after = replace(after, counted_slots=())  # the next ping is of this window
    if deadline.expiry is Expiry.FIRST_CHECK_IN:
        after = replace(after, armed_at=max(until, deadline.at))
    else:
        after = after_unseen(after, subject.policy, subject.table, deadline, until)
    return replace(after, unseen_slot_at=None, unseen_until=None)


def _expired(
    state: State, subject: Subject, deadline: Deadline, cause: Incident
) -> State:
    run = Run(
        outcome="missed",
        at=deadline.at,
        id=deadline.run.id if deadline.run else None,
        slot_at=deadline.slot_at,
        message=cause.message,
        reason=cause.reason,
    )
    limit = subject.policy.history_limit
    after = replace(state, history=(run, *state.history)[:limit], blind_at=None)
    again = deadline.run is not None and deadline.slot_at in state.counted_slots
    after = _counted(after, deadline)
    if deadline.run is not None and subject.policy.source is Source.PING:
        # A ping names no slot: the next failure is that of a run after this one.
        after = replace(after, counted_slots=())
    after = after_missed(after, subject.policy, subject.table, deadline)
    return count_bad(after, subject.policy, cause, again=again)


def _counted(state: State, deadline: Deadline) -> State:
    """Remember that a run's time is up: its end will count no second time."""
    if deadline.run is None:
        return _with_slot(state, deadline)
    open_ids = {run.id for run in state.active_runs} - {deadline.run.id}
    others = (each for each in state.counted_runs if each in open_ids)
    return replace(state, counted_runs=(deadline.run.id, *others))


def _with_slot(state: State, deadline: Deadline) -> State:
    if deadline.expiry is not Expiry.APPEARANCE or deadline.slot_at is None:
        return state
    slots = sorted({deadline.slot_at, *state.counted_slots})
    return replace(state, counted_slots=tuple(slots[-MAX_COUNTED_SLOTS:]))


def blind(state: State, subject: Subject, blindness: Blindness) -> State:
    """Note a time in which this monitor's pings may have been refused.

    Touched are the window that is open then, and every run that was under way.
    """
    after = state
    deadline = next_deadline(state, subject.policy, subject.table)
    if deadline is not None and _may_hide(state, subject, deadline, blindness):
        until = max(after.unseen_until or blindness.ended_at, blindness.ended_at)
        after = replace(after, unseen_slot_at=deadline.slot_at, unseen_until=until)
    touched = {
        run.id for run in open_runs(after) if run.started_at <= blindness.ended_at
    }
    return doubt(after, touched)


def _may_hide(
    state: State, subject: Subject, deadline: Deadline, blindness: Blindness
) -> bool:
    """Tell whether a report in a time of blindness would have met a deadline.

    The last instant of that time tells: the later a report, the later what it meets.
    """
    if deadline.run is not None or blindness.began_at > deadline.at:
        return False
    if deadline.expiry is Expiry.FIRST_CHECK_IN:
        return state.armed_at is not None and state.armed_at < blindness.ended_at
    served = subject.table.served_by(blindness.ended_at, subject.policy.grace)
    return deadline.slot_at is not None and (
        served is None or served > deadline.slot_at
    )


def _missed(subject: Subject, cause: Incident) -> Missed:
    return Missed(
        id=stable_id(subject.uid, "missed", cause.opened_at.isoformat()),
        at=cause.opened_at,
        reason=cause.reason,
        message=cause.message,
        slot_at=cause.slot_at,
    )


def _cause(deadline: Deadline, policy: Policy, known: Hindrances) -> Incident:
    reason, message = _silence(deadline, policy, known)
    return Incident(
        opened_at=deadline.at, reason=reason, message=message, slot_at=deadline.slot_at
    )


def _silence(
    deadline: Deadline, policy: Policy, known: Hindrances
) -> tuple[Reason, str]:
    until = instant(deadline.at)
    if deadline.expiry is Expiry.FIRST_CHECK_IN:
        return Reason.RUN_MISSED, f"Nothing has reported by {until}."
    if deadline.run is not None:
        began = instant(deadline.run.started_at)
        text = f"The run that started at {began} has not ended by {until}."
        return Reason.RUN_OVERDUE, text
    due_at = deadline.slot_at or deadline.at
    due = instant(due_at)
    if policy.orphaned:
        return Reason.CRON_JOB_NOT_FOUND, f"Due at {due}, but the CronJob is gone."
    if due_at in known.pending:
        text = f"The run due at {due} has no ready pod: {known.pending[due_at]}"
        return Reason.POD_NOT_READY, text
    what = "run has appeared" if policy.source is Source.CRON_JOB else "ping has come"
    why = f" {known.refused}" if known.refused else ""
    return Reason.RUN_MISSED, f"Due at {due}, but no {what} by {until}.{why}"
