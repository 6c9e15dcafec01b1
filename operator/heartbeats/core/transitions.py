"""The state machine: a state and a fact give a new state. Nothing else does.

Four kinds of facts exist: a timetable came or changed (`arm`), a check-in arrived
(`apply`), a deadline passed (`silence.expire`), and time went by in which nobody
listened (`silence.blind`). Each is a function of its arguments alone, and applying
a fact that was counted before changes nothing, so a restart may replay whatever it
finds. This package may not know how anything is written, told or stored.
"""

from datetime import datetime, timedelta

from heartbeats.core.counting import mark_applied, was_counted
from heartbeats.core.model import CheckIn, Judged, Kind, Policy, Reason, State, Trouble
from heartbeats.core.outcomes import end, is_older_run, record, retract
from heartbeats.core.runs import (
    begin,
    close,
    excuse,
    find,
    forget_vanished,
    vanish,
)
from heartbeats.core.schedule import is_running
from heartbeats.core.silence import Hindrances, Missed, Step, expire
from heartbeats.core.slots import excuse_until, rearmed, settle_slots
from heartbeats.core.subject import Subject
from heartbeats.core.values import replace
from heartbeats.core.verdict import settle

__all__ = ["JUDGED_AFTER", "Missed", "Step", "Subject", "apply", "arm", "expire"]

JUDGED_AFTER = timedelta(seconds=1)
"""How long after its deadline a monitor is judged, so that a report made in time
can still arrive."""

RETURNS_WITHIN = timedelta(hours=1)
"""A CronJob that is deleted and created again within this time is the same job."""

REPEATED_WITHIN = timedelta(seconds=60)
"""Clients retry what was answered too late: the same words again are one run."""


def arm(
    state: State, subject: Subject, trouble: Trouble | None, *, now: datetime
) -> State:
    """Take over rules: new ones are judged from now on, never backwards."""
    policy = subject.policy
    after = replace(state, trouble=trouble, flaw=policy.flaw, paused=policy.suspended)
    if state.ready_changed_at is None or _is_ready(state) != _is_ready(after):
        after = replace(after, ready_changed_at=now)
    if state.armed_at is None:
        after = replace(after, applied=replace(state.applied, since=now))
    usable = trouble is None or policy.orphaned
    changed = usable and not _same_timetable(state, subject, now=now)
    resumed = state.paused and not policy.suspended
    mended = usable and _was_unusable(state.trouble)
    if state.armed_at is None or changed or resumed or mended:
        after = rearmed(after, policy, subject.table, now=now)
    elif policy.orphaned and state.trouble is None and _was_covered(state):
        # What Forbid skipped before the CronJob was deleted is not missing now.
        after = excuse_until(after, subject.table, now)
    if usable:
        after = replace(after, judged=_remembered(state.judged, subject))
    return settle(state, after, policy, subject.uid, now)


def _is_ready(state: State) -> bool:
    return state.trouble is None and state.flaw is None


def _was_covered(state: State) -> bool:
    """Tell whether an open run explained that no new one appeared."""
    return state.judged.skips_while_running and is_running(state)


def _was_unusable(trouble: Trouble | None) -> bool:
    """Tell whether there was no timetable; a CronJob that is gone leaves its last."""
    return trouble is not None and trouble.reason is not Reason.CRON_JOB_NOT_FOUND


def _same_timetable(state: State, subject: Subject, *, now: datetime) -> bool:
    before, after = state.judged, subject.judged
    if subject.policy.orphaned:
        return True
    if before.timetable != after.timetable:
        return False
    if before.cron_job_uid == after.cron_job_uid:
        return True
    # Created again under its name: the same job if it was not away for long.
    gone_at = state.ready_changed_at
    missing = state.trouble and state.trouble.reason is Reason.CRON_JOB_NOT_FOUND
    if not missing or gone_at is None:
        return before.cron_job_uid is not None
    return now - gone_at <= RETURNS_WITHIN


def _remembered(before: Judged, subject: Subject) -> Judged:
    return before if subject.policy.orphaned else subject.judged


def apply(
    state: State,
    subject: Subject,
    check_in: CheckIn,
    hindrances: Hindrances | None = None,
) -> Step:
    """Record a check-in; one that was counted before changes nothing.

    What expired before it happened is counted first: the verdict must not depend
    on whether the watchdog or the report was quicker.
    """
    if was_counted(state, check_in):
        return Step(state)
    step = expire(state, subject, hindrances, now=check_in.at - JUDGED_AFTER)
    before = step.state
    check_in = _paired(before, check_in)
    after = mark_applied(_noted(before, check_in), check_in)
    if _is_repeat(before, subject, check_in):
        # It counts no second time, but it was heard: nothing is due sooner for it.
        table = subject.table
        return Step(settle_slots(after, subject.policy, table, check_in), step.missed)
    disproved = retract(after, check_in)
    after = _moved(disproved or after, subject, check_in)
    why = Reason.RETRACTED if disproved else None
    settled = settle(before, after, subject.policy, subject.uid, check_in.at, why)
    return Step(settled, step.missed)


def _moved(state: State, subject: Subject, check_in: CheckIn) -> State:
    if check_in.kind is Kind.LOG:
        return state
    if subject.policy.suspended:
        return _recorded_only(state, subject.policy, check_in)
    match check_in.kind:
        case Kind.START:
            return _started(state, subject, check_in)
        case Kind.VANISHED:
            return _vanished(state, subject, check_in)
        case Kind.SUCCESS | Kind.FAILURE:
            return end(state, subject, check_in)


def _vanished(state: State, subject: Subject, check_in: CheckIn) -> State:
    after = vanish(state, {check_in.run_id or ""})
    if not subject.policy.skips_while_running or find(state, check_in) is None:
        return after
    return excuse_until(after, subject.table, check_in.at)


def _started(state: State, subject: Subject, check_in: CheckIn) -> State:
    if not check_in.scheduled:
        return state
    begun = begin(state, check_in)
    run = find(begun, check_in)
    if run is not None and is_older_run(state, check_in):
        # A newer run has said how it is: this one's end will change nothing.
        begun = excuse(begun, {run.id})
    return settle_slots(begun, subject.policy, subject.table, check_in)


def _recorded_only(state: State, policy: Policy, check_in: CheckIn) -> State:
    """Keep what is reported during a pause; it moves no verdict."""
    if check_in.kind is Kind.START and check_in.scheduled:
        return begin(state, check_in)
    if check_in.kind is Kind.VANISHED:
        return vanish(state, {check_in.run_id or ""})
    if not check_in.kind.is_outcome:
        return state
    after = record(close(state, check_in), check_in, policy)
    if check_in.kind is Kind.SUCCESS:
        return forget_vanished(after, check_in)
    return after


def _paired(state: State, check_in: CheckIn) -> CheckIn:
    """Give an end the start of its run, and the time between if it tells none."""
    run = find(state, check_in) if check_in.kind.is_outcome else None
    if run is None:
        return check_in
    started_at = check_in.started_at or run.started_at
    return replace(
        check_in,
        started_at=started_at,
        slot_at=check_in.slot_at or run.slot_at,
        duration=check_in.duration or max(check_in.at - started_at, timedelta()),
    )


def _is_repeat(state: State, subject: Subject, check_in: CheckIn) -> bool:
    last = state.applied.last_report
    if last is None or not check_in.kind.is_outcome or check_in.revision is None:
        return False
    if find(state, check_in) is not None:
        return False
    if (last.kind, last.run_id) != (check_in.kind, check_in.run_id):
        return False
    if check_in.run_id is None and last.source != check_in.source:
        return False
    within = REPEATED_WITHIN
    due_at = subject.table.next_after(check_in.at)
    following = due_at and subject.table.next_after(due_at)
    if due_at and following:
        within = min(within, (following - due_at) / 2)
    return timedelta() <= check_in.at - last.at < within


def _noted(state: State, check_in: CheckIn) -> State:
    at = check_in.at
    match check_in.kind:
        case Kind.VANISHED:
            return state
        case Kind.START:
            newest = max(state.last_start_at or at, at)
            return replace(state, last_check_in=check_in, last_start_at=newest)
        case Kind.SUCCESS:
            newest = max(state.last_success_at or at, at)
            return replace(state, last_check_in=check_in, last_success_at=newest)
        case Kind.FAILURE:
            newest = max(state.last_failure_at or at, at)
            return replace(state, last_check_in=check_in, last_failure_at=newest)
        case Kind.LOG:
            return replace(state, last_check_in=check_in)
