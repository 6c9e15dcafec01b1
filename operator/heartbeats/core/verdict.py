"""The one word a monitor says, derived from what its state holds.

A verdict is never stored apart from its causes: incident, trouble, pause and the
last outcomes decide it. `settle` compares it with the word said before, and a
change becomes a flip. It may not change anything else about a state.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from heartbeats.core import durations
from heartbeats.core.model import Flip, Health, Policy, Reason, State, Uid
from heartbeats.core.schedule import late_at
from heartbeats.core.values import replace

MAX_PENDING_FLIPS = 16

URGENCY = tuple(map(Health, ("Down", "Unknown", "Late", "New", "Paused", "Up")))
"""The order in which people want to look at monitors: the worst first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word, its reason and a sentence for whoever is woken."""

    health: Health
    reason: Reason
    message: str


def verdict(state: State, policy: Policy, *, now: datetime) -> Verdict:
    """Say how a monitor is; Late only exists relative to `now`."""
    return _held_up(state, policy) or _judged(state, policy, now=now)


def _held_up(state: State, policy: Policy) -> Verdict | None:
    """Say what stands, whatever the time is."""
    if state.paused:
        return Verdict(Health.PAUSED, Reason.PAUSED, _paused(policy))
    if state.incident is not None:
        incident = state.incident
        return Verdict(Health.DOWN, incident.reason, incident.message)
    if state.trouble is not None and not policy.orphaned:
        return Verdict(Health.UNKNOWN, state.trouble.reason, state.trouble.message)
    return _doubtful(state, policy)


def _doubtful(state: State, policy: Policy) -> Verdict | None:
    """Say what cannot be known, until an outcome is seen."""
    if state.mismatch_at is not None:
        return Verdict(Health.UNKNOWN, Reason.SCHEDULE_MISMATCH, _mismatch(policy))
    if state.ambiguous_at is not None:
        return Verdict(Health.UNKNOWN, Reason.AMBIGUOUS, _ambiguous(state.ambiguous_at))
    if state.blind_at is not None:
        return Verdict(Health.UNKNOWN, Reason.BLIND_WINDOW, _blind(state.blind_at))
    return None


def _judged(state: State, policy: Policy, *, now: datetime) -> Verdict:
    if state.last_success_at is None and state.last_failure_at is None:
        return Verdict(Health.NEW, Reason.NEVER_REPORTED, _new(policy))
    start = late_at(state, policy)
    if start is not None and now >= start:
        return Verdict(Health.LATE, Reason.LATE, _late(state, policy))
    return Verdict(Health.UP, Reason.ON_SCHEDULE, _up(state))


def settle(
    before: State,
    after: State,
    policy: Policy,
    uid: Uid,
    at: datetime,
    why: Reason | None = None,
) -> State:
    """Record the verdict of a new state; a changed word becomes a pending flip.

    `why` names the flip where the new word's own reason would not say it.
    """
    word = verdict(after, policy, now=at)
    health = Health.UP if word.health is Health.LATE else word.health
    if word.health is Health.LATE:
        word = Verdict(Health.UP, Reason.ON_SCHEDULE, _up(after))
    after = replace(after, health=health, reason=word.reason, message=word.message)
    if before.changed_at is None:
        return replace(after, changed_at=at)  # the first word is no change
    if health is before.health:
        return after
    flip = _flip(before, after, uid, at, why)
    kept = (*before.pending_flips, flip)[-MAX_PENDING_FLIPS:]
    return replace(after, changed_at=at, pending_flips=kept)


def _flip(
    before: State, after: State, uid: Uid, at: datetime, why: Reason | None
) -> Flip:
    recovered = before.health is Health.DOWN and after.health is Health.UP
    return Flip(
        id=stable_id(uid, at.isoformat(), before.health, after.health),
        at=at,
        before=before.health,
        after=after.health,
        reason=why or (Reason.RECOVERED if recovered else after.reason),
        message=after.message,
        slot_at=after.incident.slot_at if after.incident else None,
    )


def stable_id(*parts: str) -> str:
    """Name a fact so that the same fact has the same name after a restart."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


@lru_cache(maxsize=1024)
def instant(at: datetime) -> str:
    """Write an instant as Kubernetes does."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _paused(policy: Policy) -> str:
    until = policy.resume_at
    return f"Paused until {instant(until)}." if until else "Nothing is judged."


def _mismatch(policy: Policy) -> str:
    return (
        "A run appeared for a time that the schedule does not have; is "
        f'--cluster-time-zone="{policy.time_zone}" the zone of kube-controller-manager?'
    )


def _ambiguous(at: datetime) -> str:
    return (
        f"A failure was reported at {instant(at)}, within a minute of a success that "
        "could not be stored: a command like `job && ping || ping fail` does that."
    )


def _blind(at: datetime) -> str:
    return (
        f"The window that ended at {instant(at)} cannot be judged: reports may have "
        "been refused or gone unseen in it."
    )


def _new(policy: Policy) -> str:
    within = policy.first_check_in_within
    if within is None:
        return "Nothing has reported yet."
    return f"Nothing has reported yet; awaited within {durations.format(within)}."


def _late(state: State, policy: Policy) -> str:
    due_at = state.next_expected_at
    due = instant(due_at) if due_at else "now"
    return f"Due at {due}, grace {durations.format(policy.grace)}."


def _up(state: State) -> str:
    if state.consecutive_failures:
        return f"{state.consecutive_failures} bad run(s) in a row, below the threshold."
    if state.last_success_at is None:
        return "Reporting."
    return f"Last success at {instant(state.last_success_at)}."
