"""Counting runs once: good ones, bad ones, and what has been counted already."""

from datetime import UTC, datetime, timedelta

from heartbeats.core.model import (
    Applied,
    CheckIn,
    Incident,
    Kind,
    Policy,
    Report,
    State,
)
from heartbeats.core.values import replace

REMEMBERED = timedelta(minutes=1)
"""Jobs that finish within this span may be seen in any order."""

MAX_REMEMBERED_JOBS = 32


_NEVER = datetime.min.replace(tzinfo=UTC)


def was_counted(state: State, check_in: CheckIn) -> bool:
    """Tell whether a check-in is in this state already."""
    if check_in.revision is not None:
        return check_in.revision <= state.applied.journal_revision
    if check_in.kind is Kind.START:
        if not check_in.scheduled:
            # A run by hand is not kept open: only a newer start is news.
            return check_in.at <= (state.last_start_at or _NEVER)
        seen = state.applied.job_uids + tuple(run.id for run in state.active_runs)
        return check_in.run_id in seen
    if not check_in.kind.is_outcome:
        return False
    return _job_was_counted(state, check_in)


def _job_was_counted(state: State, check_in: CheckIn) -> bool:
    applied = state.applied
    if check_in.run_id in applied.job_uids:
        return True
    if any(run.id == check_in.run_id for run in state.active_runs):
        return False
    if applied.since is not None and check_in.at < _whole_second(applied.since):
        return True
    latest = applied.finished_at
    return latest is not None and check_in.at < latest - REMEMBERED


def _whole_second(at: datetime) -> datetime:
    """Cut an instant as Kubernetes cuts the times of Jobs."""
    return at.replace(microsecond=0)


def mark_applied(state: State, check_in: CheckIn) -> State:
    """Remember that a check-in has been counted."""
    if check_in.revision is not None:
        applied = replace(state.applied, journal_revision=check_in.revision)
        return replace(state, applied=_with_report(applied, check_in))
    if not check_in.kind.is_outcome or check_in.run_id is None:
        return state
    return replace(state, applied=_with_job(state.applied, check_in, check_in.run_id))


def _with_report(applied: Applied, check_in: CheckIn) -> Applied:
    """Remember the newest outcome: the same again within a minute is one run."""
    if not check_in.kind.is_outcome:
        return applied
    report = Report(
        kind=check_in.kind,
        run_id=check_in.run_id,
        source=check_in.source,
        at=check_in.at,
    )
    return replace(applied, last_report=report)


def _with_job(applied: Applied, check_in: CheckIn, uid: str) -> Applied:
    latest = max(applied.finished_at or check_in.at, check_in.at)
    uids = (uid, *applied.job_uids)[:MAX_REMEMBERED_JOBS]
    return replace(applied, finished_at=latest, job_uids=uids)


def count_good(state: State, policy: Policy) -> State:
    """Count a success; enough of them in a row end an incident."""
    good = state.consecutive_successes + 1
    after = replace(
        state,
        consecutive_successes=good,
        consecutive_failures=0,
        counted_slots=(),
    )
    if good < policy.recovery_threshold:
        return after
    return replace(after, incident=None)


def count_bad(
    state: State, policy: Policy, cause: Incident, *, again: bool = False
) -> State:
    """Count a bad run; enough of them in a row open an incident.

    `again`: this run was counted when its deadline passed. Its failure adds
    nothing but says better why the monitor is Down.
    """
    if again:
        return replace(state, incident=_explained(state.incident, cause))
    bad = state.consecutive_failures + 1
    after = replace(state, consecutive_failures=bad, consecutive_successes=0)
    if state.incident is not None:
        return replace(after, incident=_explained(state.incident, cause))
    if bad < policy.failure_threshold:
        return after
    return replace(after, incident=cause)


def _explained(incident: Incident | None, cause: Incident) -> Incident | None:
    """Let a reported failure say better why a monitor is Down; since when stays."""
    if incident is None:
        return None
    return replace(incident, reason=cause.reason, message=cause.message)
