"""Why a monitor says what it says, what would change that, and when it is judged next.

For whoever was woken: one sentence each. Everything here follows from a state, its
policy and the time; nothing is decided, and no word is said that `verdict` does not
say. It may not ask anybody, nor know how it is shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from heartbeats.core.model import Health, Policy, Reason, Source, State, Trouble
from heartbeats.core.schedule import (
    Deadline,
    Expiry,
    Timetable,
    late_at,
    next_deadline,
    open_runs,
)
from heartbeats.core.silence import is_unseen
from heartbeats.core.verdict import Verdict, verdict

UNJUDGED_AFTER: Final = timedelta(minutes=1)
"""A deadline that passed so long ago should have been judged: one second is usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What there is to say of a monitor; texts are sentences without a name in them."""

    health: Health
    reason: Reason
    why: str
    since_at: datetime | None
    """When it became so; for Down the deadline or the failure."""
    cure: str
    """What would make it good again, or what a good one needs to stay so."""
    next_due_at: datetime | None
    """When a run is due next; None: nobody knows."""
    judged: str
    """What decides next."""
    judged_at: datetime | None
    """When silence decides; None: only a report or an edit does."""
    remarks: tuple[str, ...] = ()
    """What else its reader should know."""


def explain(
    state: State, policy: Policy, table: Timetable, *, now: datetime
) -> Explanation:
    """Explain a monitor as it is at an instant."""
    said = verdict(state, policy, now=now)
    deadline = next_deadline(state, policy, table)
    return Explanation(
        health=said.health,
        reason=said.reason,
        why=_sentence(said.message),
        since_at=_since(said, state, policy),
        cure=_cure(said, state, policy),
        next_due_at=_next_due(state, policy, table, now=now),
        judged=_judged(said, state, policy, deadline),
        judged_at=policy.resume_at if state.paused else _at(deadline),
        remarks=tuple(_remarks(state, policy, deadline, now=now)),
    )


def _at(deadline: Deadline | None) -> datetime | None:
    return None if deadline is None else deadline.at


def _sentence(text: str) -> str:
    """Write a text as a sentence: what a job said last may begin and end anyhow."""
    stripped = text[:1].upper() + text[1:].rstrip()
    return stripped if stripped.endswith((".", "?", "!", "…")) else f"{stripped}."


def _since(said: Verdict, state: State, policy: Policy) -> datetime | None:
    return late_at(state, policy) if said.health is Health.LATE else state.changed_at


def _next_due(
    state: State, policy: Policy, table: Timetable, *, now: datetime
) -> datetime | None:
    """Return the next slot from now on; the one that is awaited while its window lasts.

    Nothing is due while paused. An interval has no slots of its own while Down.
    """
    if policy.suspended:
        return None
    awaited = state.next_expected_at
    if awaited is not None and (state.incident is None or awaited > now):
        return awaited
    return table.next_after(now) if table.cron is not None else None


# What would make it good again


def _cure(said: Verdict, state: State, policy: Policy) -> str:
    match said.health:
        case Health.DOWN:
            return _recovery(said.reason, state, policy)
        case Health.UNKNOWN:
            return _CURES[said.reason](state, policy)
        case Health.PAUSED:
            return _resumption(policy)
        case Health.NEW:
            return f"It becomes Up with the first {_good(policy)}."
        case Health.LATE:
            return f"It is Up again as soon as {_appearance(policy)}."
        case Health.UP:
            return _margin(state, policy)


def _good(policy: Policy) -> str:
    return "successful run" if policy.source is Source.CRON_JOB else "success ping"


def _appearance(policy: Policy) -> str:
    if policy.source is Source.PING:
        return "a ping comes"
    return "a pod of its Job is ready or its Job has ended"


def _recovery(reason: Reason, state: State, policy: Policy) -> str:
    """Say what ends an incident: good runs, and what they may need first."""
    missing = max(policy.recovery_threshold - state.consecutive_successes, 1)
    if missing > 1:
        runs = f"{missing} {_good(policy)}s in a row"
    else:
        runs = f"the next {_good(policy)}"
    by_hand = ", scheduled or started by hand"
    how = by_hand if policy.source is Source.CRON_JOB else ""
    return f"It recovers with {runs}{how}{_FIRST.get(reason, '')}."


_FIRST: Final = MappingProxyType(
    {
        Reason.RUN_OVERDUE: "; the run that hangs may still be it",
        Reason.POD_NOT_READY: "; what the pod waits for has to be mended first",
        Reason.CRON_JOB_NOT_FOUND: "; create the CronJob again, or delete the monitor",
    }
)
"""What a recovery needs beside good runs."""


def _resumption(policy: Policy) -> str:
    if policy.resume_at is not None:
        return "It is judged again when the pause ends."
    if policy.source is Source.CRON_JOB:
        return "It is judged again when neither it nor its CronJob is suspended."
    return "It is judged again when spec.suspend is false."


def _margin(state: State, policy: Policy) -> str:
    left = policy.failure_threshold - state.consecutive_failures
    if left > 1:
        return f"It becomes Down with {left} bad runs in a row."
    return "It becomes Down with the next bad run."


def _next_report(_state: State, policy: Policy) -> str:
    return f"The next {_good(policy)} or failure tells how it is."


def _when_heard(_state: State, policy: Policy) -> str:
    return (
        f"The next {_good(policy)} or failure tells how it is, and so does the end of "
        "the next window."
    )


def _timetable(state: State, _policy: Policy) -> str:
    zone = (
        "Set the operator's --cluster-time-zone to the zone of "
        "kube-controller-manager, or timeZone on the CronJob"
    )
    odd_at = state.mismatch_at
    if odd_at is None:
        return f"{zone}."
    return f"{zone}; or a run comes as scheduled, a day or more after the last odd one."


def _mend(what: str) -> Callable[[State, Policy], str]:
    def cure(_state: State, policy: Policy) -> str:
        where = "on the CronJob" if policy.source is Source.CRON_JOB else "in its spec"
        return f"Correct the {what} {where}; it is judged from that moment on."

    return cure


def _create(_state: State, _policy: Policy) -> str:
    return "Create the CronJob, or correct spec.cronJob.name."


def _write(_state: State, _policy: Policy) -> str:
    return "Write spec.schedule or spec.interval; it is judged from that moment on."


_CURES: Final = MappingProxyType(
    {
        Reason.BLIND_WINDOW: _when_heard,
        Reason.AMBIGUOUS: _next_report,
        Reason.SCHEDULE_MISMATCH: _timetable,
        Reason.INVALID_SCHEDULE: _mend("schedule"),
        Reason.UNKNOWN_TIME_ZONE: _mend("time zone"),
        Reason.INVALID_SPEC: _write,
        Reason.CRON_JOB_NOT_FOUND: _create,
    }
)
"""What ends a doubt, by every reason that Unknown is said with."""


# What decides next


def _judged(
    said: Verdict, state: State, policy: Policy, deadline: Deadline | None
) -> str:
    if state.paused:
        return "Nothing is judged while it is paused."
    if said.health is Health.DOWN:
        return "The next report decides; while it is Down, silence adds nothing."
    if deadline is None:
        return "Silence is not judged now; the next report is."
    return f"{_SILENCE[deadline.expiry]}, {_consequence(state, policy, deadline)}."


def _consequence(state: State, policy: Policy, deadline: Deadline) -> str:
    """Say what silence will lead to; `silence.expire` does it."""
    if is_unseen(state, deadline):
        return "it is Unknown: reports may have gone unseen"
    if deadline.run is not None and deadline.slot_at in state.counted_slots:
        return "nothing is added: its window was counted already"
    bad = state.consecutive_failures + 1
    if bad < policy.failure_threshold:
        return (
            f"that is bad run {bad} of the {policy.failure_threshold} that make it Down"
        )
    return "it is Down"


_SILENCE: Final = MappingProxyType(
    {
        Expiry.FIRST_CHECK_IN: "If nothing has reported by then",
        Expiry.APPEARANCE: "If the run that is due has not appeared by then",
        Expiry.FINISH: "If the run under way has not ended by then",
    }
)


# What else


def _remarks(
    state: State, policy: Policy, deadline: Deadline | None, *, now: datetime
) -> list[str]:
    found: list[str] = []
    if deadline is not None and now - deadline.at > UNJUDGED_AFTER:
        found.append(
            "Its deadline has passed, and nobody has judged it: the operator is not "
            "running, does not lead, or cannot see."
        )
    if state.incident is not None and (running := open_runs(state)):
        found.append(f"{len(running)} run(s) under way may end the incident.")
    if state.trouble is not None and state.incident is not None:
        found.append(_sentence(f"Besides: {state.trouble.message}"))
    if state.flaw is not None:
        found.append(_flaw(state.flaw))
    found += [f"Not applied: {note}." for note in policy.notes]
    return found


def _flaw(flaw: Trouble) -> str:
    """Say what is wrong with a URL; how the monitor is judged does not depend on it."""
    return f"Something is wrong with its URL ({flaw.reason}): {_sentence(flaw.message)}"
