"""Which slots of a state are settled: they ran, were missed, or are excused.

`next_expected_at` is the earliest slot that is not settled; everything before it
is. Slots may be settled out of order while an earlier run's pod is pending.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from heartbeats.core.model import CheckIn, Kind, Policy, Reason, Source, State
from heartbeats.core.schedule import Deadline, Expiry, Timetable, is_new
from heartbeats.core.values import replace

MAX_SETTLED_AHEAD = 32


def rearmed(state: State, policy: Policy, table: Timetable, *, now: datetime) -> State:
    """Start judging at `now`: no earlier slot is ever missed."""
    clean = replace(
        state,
        armed_at=now,
        next_expected_at=None,
        settled_slots=(),
        mismatch_at=None,
    )
    if policy.source is Source.CRON_JOB:
        due_at = None if policy.suspended else table.next_after(now)
        return replace(clean, next_expected_at=due_at)
    clean = replace(clean, counted_slots=())  # later pings are of later windows
    if policy.suspended or is_new(state):
        return clean
    return replace(clean, next_expected_at=_first_due(state, policy, table, now))


def _first_due(
    state: State, policy: Policy, table: Timetable, now: datetime
) -> datetime | None:
    """Return when a ping is due first from now on.

    The last one still counts: an interval runs from the last outcome, and a ping
    that came early for a slot after `now` stands for it.
    """
    outcomes = (state.last_success_at, state.last_failure_at)
    if table.cron is not None:
        last = _latest(*outcomes, state.last_start_at)
        served = table.served_by(last, policy.grace) if last else None
        return _latest(table.next_after(now), served)
    last = _latest(*outcomes)
    due_at = table.next_after(last) if last else None
    if due_at is None or due_at < now:
        due_at = table.next_after(now)
    return due_at and _whole_second(due_at)


def _latest(*instants: datetime | None) -> datetime | None:
    return max((at for at in instants if at is not None), default=None)


def settle_slots(
    state: State, policy: Policy, table: Timetable, check_in: CheckIn
) -> State:
    """Settle what a started or ended run stands for."""
    if not check_in.scheduled:
        return state
    if policy.source is Source.CRON_JOB:
        return _settle_for_job(state, policy, table, check_in)
    return _settle_for_ping(state, policy, table, check_in)


def _settle_for_job(
    state: State, policy: Policy, table: Timetable, check_in: CheckIn
) -> State:
    slot_at = check_in.slot_at
    if state.incident is not None:
        state = excuse_expired(state, policy, table, at=check_in.at)
    if slot_at is not None and state.armed_at is not None and slot_at > state.armed_at:
        # Around clock changes a schedule's answer depends on where one asks from.
        if slot_at != state.next_expected_at and not table.has(slot_at):
            return _mismatched(state, slot_at)
        state = _settle_one(_matched(state, table, slot_at), table, slot_at)
    if check_in.kind.is_outcome and policy.skips_while_running:
        return excuse_until(state, table, check_in.at)
    return state


def _mismatched(state: State, slot_at: datetime) -> State:
    """Doubt the timetable: what was missed by it was not missed for certain."""
    incident = state.incident
    if incident is not None and incident.reason is Reason.RUN_MISSED:
        incident = None
    return replace(state, mismatch_at=slot_at, next_expected_at=None, incident=incident)


def _matched(state: State, table: Timetable, slot_at: datetime) -> State:
    if state.mismatch_at is None or slot_at - state.mismatch_at < DAY:
        return state  # two timetables may coincide for a part of a day
    following = table.next_after(slot_at)
    return replace(state, mismatch_at=None, next_expected_at=following)


def _settle_one(state: State, table: Timetable, slot_at: datetime) -> State:
    due_at = state.next_expected_at
    if due_at is None or slot_at < due_at or slot_at in state.settled_slots:
        return state
    if slot_at > due_at:
        ahead = tuple(sorted((*state.settled_slots, slot_at)))
        if len(ahead) <= MAX_SETTLED_AHEAD:
            return replace(state, settled_slots=ahead)
    return _advance(state, table, slot_at)


def _advance(state: State, table: Timetable, past: datetime) -> State:
    """Move the earliest unsettled slot beyond an instant and all settled ones."""
    ahead = tuple(slot for slot in state.settled_slots if slot > past)
    due_at = table.next_after(past)
    while ahead and due_at is not None and ahead[0] <= due_at:
        due_at, ahead = table.next_after(ahead[0]), ahead[1:]
    return replace(state, next_expected_at=due_at, settled_slots=ahead)


def excuse_until(state: State, table: Timetable, ended_at: datetime) -> State:
    """Excuse the slots that the controller skipped while a run was open."""
    due_at = state.next_expected_at
    if due_at is None or due_at > ended_at:
        return state
    return _advance(state, table, ended_at)


def _settle_for_ping(
    state: State, policy: Policy, table: Timetable, check_in: CheckIn
) -> State:
    if table.cron is None and check_in.kind is Kind.START:
        return state
    slot_at = table.served_by(check_in.at, policy.grace)
    if table.cron is None:
        return replace(state, next_expected_at=slot_at and _whole_second(slot_at))
    due_at = state.next_expected_at
    if due_at is not None and slot_at is not None and slot_at < due_at:
        return state
    return replace(state, next_expected_at=slot_at)


def _whole_second(at: datetime) -> datetime:
    """Round up: people read these instants, and half a second alarms nobody."""
    return at if not at.microsecond else at.replace(microsecond=0) + SECOND


SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def after_missed(
    state: State, policy: Policy, table: Timetable, deadline: Deadline
) -> State:
    """Arm the window after one that expired."""
    match deadline.expiry:
        case Expiry.FIRST_CHECK_IN:
            return replace(state, armed_at=deadline.at)
        case Expiry.FINISH:
            return _after_overdue(state, policy, table, deadline, deadline.at)
        case Expiry.APPEARANCE:
            return _advance(state, table, deadline.slot_at or deadline.at)


def _after_overdue(
    state: State, policy: Policy, table: Timetable, deadline: Deadline, at: datetime
) -> State:
    """Expect runs again that a hung one excused: what it excused stays excused."""
    vanished = deadline.run is not None and deadline.run.vanished
    if vanished or not policy.skips_while_running:
        return state
    if state.next_expected_at is None and policy.source is Source.PING:
        return replace(state, next_expected_at=table.next_after(at))
    return excuse_until(state, table, at)


def after_unseen(
    state: State, policy: Policy, table: Timetable, deadline: Deadline, until: datetime
) -> State:
    """Arm the first window that blindness up to `until` has not touched."""
    if deadline.run is not None:
        at = max(until, deadline.at)
        return _after_overdue(state, policy, table, deadline, at)
    if deadline.slot_at is None:
        return state
    following = table.next_after(deadline.slot_at)
    clear = table.served_by(max(until, deadline.slot_at), policy.grace)
    due_at = max(following, clear) if following and clear else clear
    return replace(state, next_expected_at=due_at, settled_slots=())


def settle_until(
    state: State, table: Timetable, until: datetime, pending: Collection[datetime]
) -> State:
    """Settle every slot up to an instant but those whose Jobs are still pending."""
    due_at = state.next_expected_at
    if due_at is None or due_at > until:
        return state
    waiting = [slot for slot in pending if due_at <= slot <= until]
    if not waiting:
        return _advance(state, table, until)
    first = min(waiting)
    ahead: list[datetime] = []
    slot_at = table.next_after(first)
    while slot_at is not None and slot_at <= until:
        if slot_at not in waiting:
            ahead.append(slot_at)
        slot_at = table.next_after(slot_at)
    return replace(
        state, next_expected_at=first, settled_slots=tuple(ahead[-MAX_SETTLED_AHEAD:])
    )


def excuse_expired(
    state: State, policy: Policy, table: Timetable, *, at: datetime
) -> State:
    """Drop the windows that expired during an incident: it stood for them all."""
    while (due_at := state.next_expected_at) and due_at + policy.grace <= at:
        state = _advance(state, table, at - policy.grace)
    return state
