"""What the end of a run leads to: history, counts, incidents opened and closed."""

from datetime import datetime

from heartbeats.core.counting import count_bad, count_good
from heartbeats.core.model import (
    CheckIn,
    Incident,
    Kind,
    Policy,
    Reason,
    Run,
    State,
)
from heartbeats.core.runs import close, excuse, find, forget_vanished
from heartbeats.core.schedule import finish_deadline, open_runs
from heartbeats.core.slots import excuse_expired, excuse_until, settle_slots
from heartbeats.core.subject import Subject
from heartbeats.core.values import replace


def end(state: State, subject: Subject, check_in: CheckIn) -> State:
    """End a run: the word follows the newest run, not the newest message."""
    policy = subject.policy
    run = find(state, check_in)
    overdue = run is not None and run.id in state.counted_runs and not run.unseen
    missed_at = _missed_slot(state, subject, check_in)
    after = record(close(state, check_in), check_in, policy)
    after = settle_slots(after, policy, subject.table, check_in)
    if check_in.revision is not None and after.counted_slots:
        after = replace(after, counted_slots=())  # later pings are of later windows
    if is_older_run(state, check_in):
        return _paid(after, check_in)
    after = _seen(_with_newest(after, check_in))
    if check_in.kind is Kind.SUCCESS:
        return _succeeded(after, state, subject, check_in)
    after = _without_slot(after, missed_at)
    if check_in.ambiguous:
        return replace(after, ambiguous_at=check_in.at)
    if not check_in.scheduled:
        return after
    again = overdue or missed_at is not None
    return count_bad(after, policy, _failure(check_in), again=again)


def _paid(state: State, check_in: CheckIn) -> State:
    """Let a success make up for runs before it that vanished, if for nothing else."""
    if check_in.kind is not Kind.SUCCESS:
        return state
    return forget_vanished(state, check_in)


def _succeeded(
    state: State, before: State, subject: Subject, check_in: CheckIn
) -> State:
    """Count a success; one that ends an incident ends what it stood for, too."""
    good = forget_vanished(count_good(state, subject.policy), check_in)
    if good.counted_runs:
        # It makes up for what was counted against them: what they do now is news.
        good = replace(excuse(good, good.counted_runs), counted_runs=())
    if state.incident is None or good.incident is not None:
        return good
    expired = {
        run_id: limit
        for each in (good, before)
        for run_id, limit in _expired_runs(each, subject, at=check_in.at).items()
    }
    good = _with_excused(good, subject, expired)
    return excuse_expired(good, subject.policy, subject.table, at=check_in.at)


def _expired_runs(
    state: State, subject: Subject, *, at: datetime
) -> dict[str, datetime]:
    """Return the open runs whose limits, as they were until now, have passed."""
    limits = {
        run.id: finish_deadline(run, state, subject.policy, subject.table)
        for run in open_runs(state)
    }
    return {run_id: limit for run_id, limit in limits.items() if limit <= at}


def _with_excused(
    state: State, subject: Subject, expired: dict[str, datetime]
) -> State:
    """Drop the limits that passed during an incident: it stood for them all."""
    after = excuse(state, expired)
    if not subject.policy.skips_while_running:
        return after
    gone = {run.id for run in state.active_runs if run.vanished}
    limits = [limit for run_id, limit in expired.items() if run_id not in gone]
    return excuse_until(after, subject.table, max(limits)) if limits else after


def _missed_slot(state: State, subject: Subject, check_in: CheckIn) -> datetime | None:
    """Return the slot of a run in whose window silence was counted already."""
    if not state.counted_slots or not check_in.scheduled:
        return None
    if check_in.revision is None:
        slot_at = check_in.slot_at
        return slot_at if slot_at in state.counted_slots else None
    newest, following = state.counted_slots[-1], state.next_expected_at
    table = subject.table
    if table.cron is None:
        is_its = following is not None and check_in.at < following
    else:
        served = table.served_by(check_in.at, subject.policy.grace)
        is_its = served == table.next_after(newest)
    return newest if is_its else None


def _without_slot(state: State, slot_at: datetime | None) -> State:
    """Take a slot out of those that silence was counted for: its run has come."""
    kept = tuple(slot for slot in state.counted_slots if slot != slot_at)
    return replace(state, counted_slots=kept)


def _seen(state: State) -> State:
    """End every doubt: an outcome was seen."""
    return replace(
        state,
        blind_at=None,
        unseen_slot_at=None,
        unseen_until=None,
        ambiguous_at=None,
    )


def is_older_run(state: State, check_in: CheckIn) -> bool:
    """Tell whether a newer run has reported its outcome already."""
    newest, run_at = state.applied.newest_run_at, _run_at(check_in)
    return newest is not None and run_at is not None and run_at < newest


def _with_newest(state: State, check_in: CheckIn) -> State:
    run_at = _run_at(check_in)
    if not check_in.scheduled or run_at is None:
        return state
    return replace(state, applied=replace(state.applied, newest_run_at=run_at))


def _run_at(check_in: CheckIn) -> datetime | None:
    """Return what orders runs; a ping without run id has only its place in line.

    The journal's order is kept even where the clocks of replicas disagree.
    """
    if check_in.revision is not None and check_in.run_id is None:
        return None
    return check_in.slot_at or check_in.started_at or check_in.at


def record(state: State, check_in: CheckIn, policy: Policy) -> State:
    """Write an ended run into the history and the last figures."""
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
        inferred=check_in.inferred,
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


def _failure(check_in: CheckIn) -> Incident:
    code = "" if check_in.exit_code is None else f" with exit code {check_in.exit_code}"
    said = f": {check_in.message}" if check_in.message else "."
    return Incident(
        opened_at=check_in.at,
        reason=Reason.RUN_FAILED,
        message=f"The run failed{code}{said}",
        slot_at=check_in.slot_at,
    )


def retract(state: State, check_in: CheckIn) -> State | None:
    """Take back an incident that a ping disproves; None: it does not.

    The ping was received in time and became known after its window was judged.
    """
    incident = state.incident
    if incident is None or incident.reason is not Reason.RUN_MISSED:
        return None
    if check_in.revision is None or check_in.at > incident.opened_at:
        return None
    history = tuple(
        run
        for run in state.history
        if not (run.outcome == "missed" and run.at == incident.opened_at)
    )
    return replace(
        _without_slot(state, incident.slot_at),
        incident=None,
        history=history,
        consecutive_failures=max(state.consecutive_failures - 1, 0),
    )
