"""The state machine: a state and a fact give a new state. Nothing else does.

Three kinds of facts exist: a timetable came or changed (`arm`), a check-in
arrived (`apply`), a deadline passed (`expire`). Each is a function of its
arguments alone, and applying a fact that was counted before changes nothing, so
a restart may replay whatever it finds. Verdicts and flips are drawn in
`verdict`; this module may not know how anything is written, told or stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from heartbeats.core.counting import count_bad, count_good, mark_applied, was_counted
from heartbeats.core.model import (
    CheckIn,
    CronJobFacts,
    Incident,
    Judged,
    Kind,
    Policy,
    Reason,
    Run,
    Source,
    State,
    Trouble,
    Uid,
)
from heartbeats.core.runs import begin, close, find, forget_vanished, vanish
from heartbeats.core.schedule import (
    Deadline,
    Expiry,
    Timetable,
    next_deadline,
    timetable,
)
from heartbeats.core.slots import (
    after_missed,
    excuse_expired,
    rearmed,
    settle_slots,
)
from heartbeats.core.verdict import instant, settle, stable_id


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


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose state it is and by which rules it is judged."""

    uid: Uid
    policy: Policy
    table: Timetable
    cron_job_uid: Uid | None = None

    @classmethod
    def of(
        cls,
        uid: Uid,
        policy: Policy,
        trouble: Trouble | None,
        cron_job: CronJobFacts | None = None,
    ) -> "Subject":
        """Combine a uid with its rules; a broken timetable has no slots."""
        if trouble is not None and not policy.orphaned:
            return cls(uid, policy, Timetable(None, None))
        if cron_job is None:
            return cls(uid, policy, timetable(policy))
        anchor_at = cron_job.last_schedule_at or cron_job.created_at
        return cls(uid, policy, timetable(policy, anchor_at=anchor_at), cron_job.uid)

    @property
    def judged(self) -> Judged:
        """The timetable as the status remembers it."""
        policy = self.policy
        return Judged(
            schedule=policy.schedule,
            time_zone=policy.time_zone,
            interval=policy.interval,
            cron_job_uid=self.cron_job_uid,
        )


def arm(
    state: State, subject: Subject, trouble: Trouble | None, *, now: datetime
) -> State:
    """Take over rules: new ones are judged from now on, never backwards."""
    policy = subject.policy
    after = replace(state, trouble=trouble, paused=policy.suspended)
    if state.ready_changed_at is None or bool(state.trouble) != bool(trouble):
        after = replace(after, ready_changed_at=now)
    if state.armed_at is None:
        after = replace(after, applied=replace(state.applied, since=now))
    usable = trouble is None or policy.orphaned
    changed = state.armed_at is None or (
        usable and not _same_timetable(state.judged, subject.judged, policy)
    )
    resumed = state.paused and not policy.suspended
    if changed or resumed:
        after = rearmed(after, policy, subject.table, now=now)
    if usable:
        after = replace(after, judged=_remembered(state.judged, subject))
    return settle(state, after, policy, subject.uid, now)


def _same_timetable(before: Judged, after: Judged, policy: Policy) -> bool:
    if policy.orphaned:
        return True
    return before == after


def _remembered(before: Judged, subject: Subject) -> Judged:
    return before if subject.policy.orphaned else subject.judged


def apply(state: State, subject: Subject, check_in: CheckIn) -> State:
    """Record a check-in; one that was counted before changes nothing."""
    if was_counted(state, check_in):
        return state
    check_in = _paired(state, check_in)
    if _is_repeat(state, subject, check_in):
        return mark_applied(_noted(state, check_in), check_in)
    after = mark_applied(_noted(state, check_in), check_in)
    if not (subject.policy.suspended or check_in.kind is Kind.LOG):
        after = _moved(after, subject, check_in)
    elif check_in.kind.is_outcome:
        after = _recorded(close(after, check_in), check_in, subject.policy)
    return settle(state, after, subject.policy, subject.uid, check_in.at)


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


REPEATED_WITHIN = timedelta(seconds=60)
"""Clients retry what was answered too late: the same words again are one run."""


def _is_repeat(state: State, subject: Subject, check_in: CheckIn) -> bool:
    last = state.last_check_in
    if last is None or not check_in.kind.is_outcome or check_in.revision is None:
        return False
    if check_in.run_id is not None or find(state, check_in) is not None:
        return False
    if (last.kind, last.source, last.run_id) != (check_in.kind, check_in.source, None):
        return False
    within = REPEATED_WITHIN
    due_at = subject.table.next_after(check_in.at)
    following = due_at and subject.table.next_after(due_at)
    if due_at and following:
        within = min(within, (following - due_at) / 2)
    return check_in.at - last.at < within


def _noted(state: State, check_in: CheckIn) -> State:
    match check_in.kind:
        case Kind.START:
            return replace(state, last_check_in=check_in, last_start_at=check_in.at)
        case Kind.SUCCESS:
            return replace(state, last_check_in=check_in, last_success_at=check_in.at)
        case Kind.FAILURE:
            return replace(state, last_check_in=check_in, last_failure_at=check_in.at)
        case Kind.LOG:
            return replace(state, last_check_in=check_in)
        case Kind.VANISHED:
            return state


def _moved(state: State, subject: Subject, check_in: CheckIn) -> State:
    match check_in.kind:
        case Kind.START:
            if not check_in.scheduled:
                return state
            return settle_slots(
                begin(state, check_in), subject.policy, subject.table, check_in
            )
        case Kind.VANISHED:
            return vanish(state, check_in)
        case Kind.SUCCESS | Kind.FAILURE:
            return _ended(state, subject, check_in)
        case Kind.LOG:
            return state


def _ended(state: State, subject: Subject, check_in: CheckIn) -> State:
    policy = subject.policy
    overdue = check_in.run_id in state.counted_runs
    after = _recorded(close(state, check_in), check_in, policy)
    after = settle_slots(after, policy, subject.table, check_in)
    if _is_older_run(state, check_in):
        return after
    after = _with_newest(after, check_in)
    if check_in.kind is Kind.SUCCESS:
        good = forget_vanished(count_good(after, policy), check_in)
        if after.incident is not None and good.incident is None:
            good = excuse_expired(good, policy, subject.table, at=check_in.at)
        return good
    if not check_in.scheduled:
        return after
    cause = Incident(
        opened_at=check_in.at,
        reason=Reason.RUN_FAILED,
        message=_failure_text(check_in),
        slot_at=check_in.slot_at,
    )
    return count_bad(after, policy, cause, again=overdue)


def _is_older_run(state: State, check_in: CheckIn) -> bool:
    newest = state.applied.newest_run_at
    return newest is not None and _run_at(check_in) < newest


def _with_newest(state: State, check_in: CheckIn) -> State:
    if not check_in.scheduled:
        return state
    applied = replace(state.applied, newest_run_at=_run_at(check_in))
    return replace(state, applied=applied)


def _run_at(check_in: CheckIn) -> datetime:
    return check_in.slot_at or check_in.started_at or check_in.at


def _recorded(state: State, check_in: CheckIn, policy: Policy) -> State:
    failed = check_in.kind is Kind.FAILURE
    run = Run(
        outcome=check_in.kind.value,
        at=check_in.at,
        id=check_in.run_id or check_in.id,
        slot_at=check_in.slot_at,
        started_at=check_in.started_at,
        duration=check_in.duration,
        exit_code=check_in.exit_code,
        message=check_in.message if failed else "",
        scheduled=check_in.scheduled,
        reason=Reason.RUN_FAILED if failed else None,
    )
    longest = state.longest_success
    if not failed and check_in.duration is not None:
        longest = max(longest or check_in.duration, check_in.duration)
    return replace(
        state,
        history=(run, *state.history)[: policy.history_limit],
        last_duration=check_in.duration,
        last_exit_code=check_in.exit_code,
        longest_success=longest,
    )


def _failure_text(check_in: CheckIn) -> str:
    code = "" if check_in.exit_code is None else f" with exit code {check_in.exit_code}"
    said = f": {check_in.message}" if check_in.message else "."
    return f"The run failed{code}{said}"


def expire(
    state: State, subject: Subject, stuck: Mapping[datetime, str], *, now: datetime
) -> Step:
    """Count every deadline up to `now` as a bad run, oldest first.

    `stuck` says, slot by slot, what keeps a Job's pod from being ready.
    """
    missed: list[Missed] = []
    while True:
        deadline = next_deadline(state, subject.policy, subject.table)
        if deadline is None or deadline.at > now:
            return Step(state, tuple(missed))
        after = _expired(state, subject, deadline, stuck)
        if after.incident is None:
            missed.append(_missed(subject.uid, deadline, after))
        state = settle(state, after, subject.policy, subject.uid, deadline.at)


def _expired(
    state: State, subject: Subject, deadline: Deadline, stuck: Mapping[datetime, str]
) -> State:
    policy = subject.policy
    cause = _cause(deadline, policy, stuck)
    run = Run(
        outcome="missed",
        at=deadline.at,
        id=deadline.run.id if deadline.run else None,
        slot_at=deadline.slot_at,
        message=cause.message,
        reason=cause.reason,
    )
    after = replace(state, history=(run, *state.history)[: policy.history_limit])
    if deadline.run is not None:
        counted = (deadline.run.id, *after.counted_runs)
        after = replace(after, counted_runs=counted[:MAX_COUNTED_RUNS])
    after = after_missed(after, subject.table, deadline)
    return count_bad(after, policy, cause)


MAX_COUNTED_RUNS = 10


def _missed(uid: Uid, deadline: Deadline, state: State) -> Missed:
    run = state.history[0] if state.history else None
    return Missed(
        id=stable_id(uid, "missed", deadline.at.isoformat()),
        at=deadline.at,
        reason=run.reason if run and run.reason else Reason.RUN_MISSED,
        message=run.message if run else "",
        slot_at=deadline.slot_at,
    )


def _cause(
    deadline: Deadline, policy: Policy, stuck: Mapping[datetime, str]
) -> Incident:
    reason, message = _silence(deadline, policy, stuck)
    return Incident(
        opened_at=deadline.at, reason=reason, message=message, slot_at=deadline.slot_at
    )


def _silence(
    deadline: Deadline, policy: Policy, stuck: Mapping[datetime, str]
) -> tuple[Reason, str]:
    if deadline.expiry is Expiry.FIRST_CHECK_IN:
        return Reason.RUN_MISSED, f"Nothing has reported by {instant(deadline.at)}."
    if deadline.expiry is Expiry.FINISH and deadline.run is not None:
        began = instant(deadline.run.started_at)
        return (
            Reason.RUN_OVERDUE,
            f"The run that started at {began} has not ended by {instant(deadline.at)}.",
        )
    due = instant(deadline.slot_at or deadline.at)
    if policy.orphaned:
        return Reason.CRON_JOB_NOT_FOUND, f"Due at {due}, but the CronJob is gone."
    hindrance = stuck.get(deadline.slot_at) if deadline.slot_at else None
    if hindrance is not None:
        return (
            Reason.POD_NOT_READY,
            f"The run due at {due} has no ready pod: {hindrance}",
        )
    what = "run has appeared" if policy.source is Source.CRON_JOB else "ping has come"
    return Reason.RUN_MISSED, f"Due at {due}, but no {what} by {instant(deadline.at)}."
