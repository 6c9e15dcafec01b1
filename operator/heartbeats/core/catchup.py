"""What happened while nobody watched, as far as it can be told afterwards.

Jobs that exist report themselves. Of the others, the CronJob remembers the newest
slot it made a Job for and its newest success: from these a run may be inferred,
and what cannot be inferred is unknown, never bad. It may not conclude that a run
failed or was missed from the absence of a Job that may have been deleted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from heartbeats.core.counting import was_counted
from heartbeats.core.model import (
    ActiveRun,
    CheckIn,
    Flip,
    Kind,
    Policy,
    State,
)
from heartbeats.core.remains import Remains
from heartbeats.core.runs import vanish
from heartbeats.core.schedule import next_deadline
from heartbeats.core.slots import excuse_until, settle_until
from heartbeats.core.subject import Subject
from heartbeats.core.transitions import JUDGED_AFTER, apply
from heartbeats.core.values import replace
from heartbeats.core.verdict import settle


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of blindness: the state when it began, and what is left of it."""

    before: State
    remains: Remains


def with_starts(
    state: State, subject: Subject, reports: Iterable[CheckIn]
) -> list[CheckIn]:
    """Put the starts among the reports of Jobs that only tell how they ended.

    Such a run appeared when it started: its window did not expire until its end.
    """
    known = list(reports)
    ended = (each for each in known if each.kind.is_outcome)
    fresh = (each for each in ended if not _is_known(state, subject.policy, each))
    return sorted([*filter(None, map(_start, fresh)), *known], key=lambda one: one.at)


def _is_known(state: State, policy: Policy, end: CheckIn) -> bool:
    """Tell whether a run was counted, or was seen not to appear in its window."""
    if was_counted(state, end):
        return True
    if end.slot_at is None or end.slot_at not in state.counted_slots:
        return False
    return end.started_at is not None and end.started_at <= end.slot_at + policy.grace


def _start(end: CheckIn) -> CheckIn | None:
    if end.started_at is None:
        return None
    return CheckIn(
        id=f"{end.run_id}-start",
        kind=Kind.START,
        at=end.started_at,
        run_id=end.run_id,
        slot_at=end.slot_at,
        started_at=end.started_at,
        source=end.source,
        scheduled=end.scheduled,
        inferred=True,
    )


def settle_passed(state: State, subject: Subject, remains: Remains) -> State:
    """Settle, before Jobs report, the slots that a newer Job has passed by.

    Theirs may have come, gone and been deleted, or the controller was away as we
    were: nobody knows, and the newer run tells how things are now. A slot whose Job
    is there waits for its report.
    """
    newest = remains.cron_job.last_schedule_at
    if newest is None or subject.policy.suspended or state.mismatch_at is not None:
        return state
    waiting = {*remains.slots, *remains.pending, newest}
    return settle_until(state, subject.table, newest, waiting)


def excuse_held_up(
    state: State, subject: Subject, remains: Remains, reports: Iterable[CheckIn]
) -> State:
    """Excuse, before Jobs report, a slot whose Job began late behind one that is gone.

    Under Forbid the one that is gone was open until it succeeded, nobody knows since
    when. While the newest Job is gone itself, that success is inferred to be its own.
    """
    newest = remains.cron_job.last_schedule_at
    ended_at = remains.cron_job.last_success_at
    heard_at = state.last_success_at or state.armed_at
    if not subject.policy.skips_while_running or newest not in remains.slots:
        return state
    if ended_at is None or heard_at is None or ended_at <= heard_at:
        return state
    if any(each.kind is Kind.SUCCESS and each.at == ended_at for each in reports):
        return state
    return excuse_until(state, subject.table, ended_at)


def catch_up(state: State, subject: Subject, gap: Gap, *, now: datetime) -> State:
    """Conclude what happened to runs and slots whose Jobs are gone."""
    if state.armed_at is None:
        return state
    if subject.policy.suspended:
        return _all_vanished(state, gap.remains)
    state = _lost_runs(state, subject, gap, now=now)
    if state.armed_at != gap.before.armed_at:
        return _rescheduled(state, subject, gap.before, now=now)
    state = _lost_slots(state, subject, gap, now=now)
    return _edited_meanwhile(state, subject, gap, now=now)


def _rescheduled(
    state: State, subject: Subject, before: State, *, now: datetime
) -> State:
    """Doubt what was due by a timetable that was replaced unseen, nobody knows when."""
    due_at = before.next_expected_at
    if due_at is None or before.paused or due_at + subject.policy.grace > now:
        return state
    newest = state.applied.newest_run_at
    if newest is not None and newest >= due_at:
        return state
    return _doubt(state, subject, due_at)


def _lost_runs(state: State, subject: Subject, gap: Gap, *, now: datetime) -> State:
    """Conclude how the runs ended that were open and whose Jobs are gone."""
    remains = gap.remains
    for run in state.active_runs:
        if run.id in remains.jobs or run.vanished:
            continue
        if subject.cron_job_uid != gap.before.judged.cron_job_uid:
            state = vanish(state, {run.id})  # it went with its CronJob
            continue
        succeeded_at = remains.cron_job.last_success_at
        if succeeded_at is not None and succeeded_at >= run.started_at:
            inferred = _success(run, succeeded_at)
            state = apply(state, subject, inferred).state
        else:
            at = run.started_at
            state = _lost_run(_without(state, run), subject, at, now=now)
    return state


def _lost_run(state: State, subject: Subject, at: datetime, *, now: datetime) -> State:
    """Doubt a run of which nothing is left, and under Forbid what was due since."""
    after = _doubt(state, subject, at)
    if not subject.policy.skips_while_running:
        return after
    return excuse_until(after, subject.table, now)


def _all_vanished(state: State, remains: Remains) -> State:
    """Owe every run whose Job is gone: during a pause nothing else is concluded."""
    return vanish(state, {run.id for run in state.active_runs} - set(remains.jobs))


def _without(state: State, run: ActiveRun) -> State:
    kept = tuple(each for each in state.active_runs if each.id != run.id)
    return replace(state, active_runs=kept)


def _success(run: ActiveRun, at: datetime) -> CheckIn:
    return CheckIn(
        id=f"{run.id}-inferred",
        kind=Kind.SUCCESS,
        at=at,
        run_id=run.id,
        slot_at=run.slot_at,
        started_at=run.started_at,
        source="CronJob status",
        inferred=True,
    )


def _lost_slots(state: State, subject: Subject, gap: Gap, *, now: datetime) -> State:
    """Settle the slots that the controller made Jobs for, or passed by."""
    remains = gap.remains
    created_until = remains.cron_job.last_schedule_at
    due_at = state.next_expected_at
    if created_until is None or due_at is None:
        return state
    newest = state.applied.newest_run_at or state.armed_at
    known = created_until in remains.slots or (newest and newest >= created_until)
    is_open = created_until in _open_slots(state)
    if created_until < due_at:
        # Settled already, but its run may have been open since, and skipped others.
        heard_at = gap.before.last_start_at
        is_known = known or is_open or (heard_at and heard_at >= created_until)
        if is_known or not subject.policy.skips_while_running:
            return state
        return excuse_until(state, subject.table, now)
    state = settle_until(state, subject.table, created_until, remains.pending)
    if known or is_open:
        return state
    return _lost_newest(state, subject, gap, created_until, now=now)


def _lost_newest(
    state: State, subject: Subject, gap: Gap, slot_at: datetime, *, now: datetime
) -> State:
    """Conclude how the newest run ended, of which only the CronJob tells."""
    succeeded_at = gap.remains.cron_job.last_success_at
    if succeeded_at is None or succeeded_at < slot_at:
        return _lost_run(state, subject, slot_at, now=now)
    run = ActiveRun(
        id=f"slot-{slot_at:%Y%m%dT%H%M%S}", started_at=slot_at, slot_at=slot_at
    )
    skips = subject.policy.skips_while_running
    if skips:  # it was open until then
        state = excuse_until(state, subject.table, succeeded_at)
    state = apply(state, subject, _success(run, succeeded_at)).state
    due_at, before = state.next_expected_at, gap.before.next_expected_at
    is_certain = not skips or before is None or before >= slot_at
    if is_certain or due_at is None or due_at + subject.policy.grace > now:
        return state
    # Perhaps an older run succeeded, and the newest one was open and skipped others.
    return _lost_run(state, subject, due_at, now=now)


def _open_slots(state: State) -> set[datetime]:
    return {run.slot_at for run in state.active_runs if run.slot_at is not None}


def _doubt(state: State, subject: Subject, at: datetime) -> State:
    after = replace(state, blind_at=at)
    return settle(state, after, subject.policy, subject.uid, at)


def _edited_meanwhile(
    state: State, subject: Subject, gap: Gap, *, now: datetime
) -> State:
    """Excuse what an edit may explain: a CronJob suspended and resumed unseen.

    Only an edit makes a difference: without one the controller was to create every
    Job that is lacking.
    """
    if gap.before.judged.generation == gap.remains.cron_job.generation:
        return state
    deadline = next_deadline(state, subject.policy, subject.table)
    if deadline is None or deadline.at + JUDGED_AFTER > now or deadline.run:
        return state
    after = settle_until(state, subject.table, now - subject.policy.grace, ())
    return _doubt(after, subject, deadline.at)


def told_once(before: State, after: State) -> State:
    """Keep, of the flips that a catch-up made, only what is still news.

    What opened and closed before anybody was told is history.
    """
    known = {flip.id for flip in before.pending_flips}
    fresh = [flip for flip in after.pending_flips if flip.id not in known]
    if len(fresh) <= 1:
        return after
    last = replace(fresh[-1], before=before.health)
    news: tuple[Flip, ...] = () if last.before is last.after else (last,)
    return replace(after, pending_flips=before.pending_flips + news)
