"""Runs that started and have not ended: pairing starts with ends.

At most ten are kept; the oldest is never evicted, because it is the one whose
deadline comes first.
"""

from collections.abc import Callable, Collection, Sequence

from heartbeats.core.model import ActiveRun, CheckIn, State
from heartbeats.core.values import replace

MAX_ACTIVE_RUNS = 10
UNNAMED = "-"
"""The id of a run whose pings carry none: there is at most one at a time."""


def begin(state: State, check_in: CheckIn) -> State:
    """Open a run; starting it again extends nothing."""
    run_id = check_in.run_id or UNNAMED
    if any(run.id == run_id for run in state.active_runs):
        return state
    state = _with_room(state)
    if len(state.active_runs) >= MAX_ACTIVE_RUNS:
        return state
    run = ActiveRun(
        id=run_id,
        started_at=check_in.started_at or check_in.at,
        slot_at=check_in.slot_at,
    )
    return replace(state, active_runs=(*state.active_runs, run))


def _with_room(state: State) -> State:
    """Let the oldest run go that was counted already, if a new one has no room."""
    if len(state.active_runs) < MAX_ACTIVE_RUNS:
        return state
    for gone in state.active_runs:
        if gone.excused or gone.id in state.counted_runs:
            return _keep(state, [run for run in state.active_runs if run is not gone])
    return state


def close(state: State, check_in: CheckIn) -> State:
    """End the run a check-in belongs to, if it is open."""
    run_id = check_in.run_id or UNNAMED
    return _keep(state, [run for run in state.active_runs if run.id != run_id])


def _keep(state: State, runs: Sequence[ActiveRun]) -> State:
    """Keep these runs only, and of what was counted against runs only theirs."""
    ids = {run.id for run in runs}
    counted = tuple(each for each in state.counted_runs if each in ids)
    return replace(state, active_runs=tuple(runs), counted_runs=counted)


def find(state: State, check_in: CheckIn) -> ActiveRun | None:
    """Return the open run that a check-in belongs to."""
    run_id = check_in.run_id or UNNAMED
    return next((run for run in state.active_runs if run.id == run_id), None)


def excuse(state: State, ids: Collection[str]) -> State:
    """Wait no longer for the ends of some runs."""
    return _marked(state, ids, lambda run: replace(run, excused=True))


def vanish(state: State, ids: Collection[str]) -> State:
    """Mark runs whose Jobs were deleted: their ends are still owed by a newer run."""
    return _marked(state, ids, lambda run: replace(run, vanished=True))


def doubt(state: State, ids: Collection[str]) -> State:
    """Mark runs whose ends may have been reported while we could not listen."""
    return _marked(state, ids, lambda run: replace(run, unseen=True))


def _marked(
    state: State, ids: Collection[str], mark: Callable[[ActiveRun], ActiveRun]
) -> State:
    runs = tuple(mark(run) if run.id in ids else run for run in state.active_runs)
    return replace(state, active_runs=runs)


def forget_vanished(state: State, check_in: CheckIn) -> State:
    """Drop vanished runs that a newer run's success has made up for."""
    started_at = check_in.started_at or check_in.at
    kept = [
        run
        for run in state.active_runs
        if not (run.vanished and run.started_at <= started_at)
    ]
    return _keep(state, kept)
