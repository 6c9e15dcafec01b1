"""A state as the `.status` of its monitor, and back.

The status alone restores the state: what is not written here is forgotten by a
restart. `deadline`, `effective`, `state` and the conditions are written for
people and machines and are derived again, never read back, save for the
condition times and the word they carry.
"""

import hashlib
from datetime import datetime
from typing import Any

from heartbeats.core import durations
from heartbeats.core.codec import (
    INSTANT,
    Field,
    Json,
    read,
    word,
    write,
    write_instant,
)
from heartbeats.core.layout import EFFECTIVE, JUDGED, STATE
from heartbeats.core.model import (
    Health,
    Judged,
    Policy,
    Reason,
    Source,
    Spec,
    State,
    Trouble,
)
from heartbeats.core.schedule import Timetable, next_deadline
from heartbeats.core.values import canonical, replace
from heartbeats.core.verdict import verdict

FORMAT_VERSION = 1


def to_status(
    state: State, policy: Policy, table: Timetable, *, generation: int, now: datetime
) -> Json:
    """Write a state as the complete `.status` of its monitor."""
    word_now = verdict(state, policy, now=now)
    written = write(state, STATE)
    if state.last_check_in is not None and state.last_check_in.kind.is_outcome:
        written["lastCheckIn"]["outcome"] = state.last_check_in.kind.value
    deadline = next_deadline(state, policy, table)
    return {
        "conditions": _conditions(state, policy, generation=generation, now=now),
        "observedGeneration": generation,
        "formatVersion": FORMAT_VERSION,
        "state": word_now.health.value,
        "effective": _effective(policy),
        "source": _source(state),
        **written,
        **({"deadline": write_instant(deadline.at)} if deadline else {}),
        **({"ping": {"keyID": state.key_id}} if state.key_id else {}),
    }


def policy_applied(raw: Any, spec: Spec, state: State) -> Policy:
    """Return the policy that a status says was applied: flags are not known here.

    The spec tells only what is not in there: the source, and when a pause ends.
    """
    effective = raw.get("effective") if isinstance(raw, dict) else None
    known = effective if isinstance(effective, dict) else {}
    policy = read(Policy, _APPLIED, {**known, "source": spec.source.value})
    trouble, origins = state.trouble, known.get("origins")
    has_schedule = policy.interval is None and isinstance(known.get("schedule"), str)
    schedule = known["schedule"] if has_schedule else None
    lost = trouble is not None and trouble.reason is Reason.CRON_JOB_NOT_FOUND
    return replace(
        policy,
        schedule=schedule,
        suspended=state.paused,
        resume_at=spec.suspend_until if state.paused else None,
        skips_while_running=state.judged.skips_while_running,
        orphaned=lost and schedule is not None,
        origins=tuple(origins.items()) if isinstance(origins, dict) else (),
        flaw=state.flaw,
    )


_APPLIED = (*EFFECTIVE, Field("source", "source", word(Source)))


def _effective(policy: Policy) -> Json:
    result = write(policy, EFFECTIVE)
    if policy.schedule is not None:
        result["schedule"] = policy.schedule
    elif policy.interval is not None:
        result["schedule"] = f"every {durations.format(policy.interval)}"
    if policy.origins:
        result["origins"] = dict(policy.origins)
    return result


def _source(state: State) -> Json:
    result = write(state.judged, JUDGED)
    result["suspend"] = state.paused
    if state.armed_at is not None:
        result["armedSince"] = write_instant(state.armed_at)
    return result


_FLAWS = frozenset({Reason.TOKEN_CONFLICT, Reason.KEY_LOST})
_HEALTHY = {Health.UP: "True", Health.LATE: "True", Health.DOWN: "False"}


def _conditions(
    state: State, policy: Policy, *, generation: int, now: datetime
) -> list[Json]:
    said = verdict(state, policy, now=now)
    changed_at = state.changed_at or now
    return [
        _condition(
            "Healthy",
            _HEALTHY.get(said.health, "Unknown"),
            (said.reason, said.message),
            generation,
            changed_at,
        ),
        _condition(
            "Ready",
            "False" if state.trouble or state.flaw else "True",
            _acceptance(state.trouble or state.flaw, policy),
            generation,
            state.ready_changed_at or changed_at,
        ),
    ]


def _acceptance(trouble: Trouble | None, policy: Policy) -> tuple[Reason, str]:
    if trouble is not None:
        return trouble.reason, trouble.message
    if policy.notes:
        return Reason.ACCEPTED, "Accepted, but: " + "; ".join(policy.notes)
    return Reason.ACCEPTED, "The spec is understood and its source is there."


def _condition(
    kind: str, status: str, why: tuple[Reason, str], generation: int, at: datetime
) -> Json:
    reason, message = why
    return {
        "type": kind,
        "status": status,
        "reason": reason.value,
        "message": message[:1024],
        "observedGeneration": generation,
        "lastTransitionTime": write_instant(at.replace(microsecond=0)),
    }


def digest(status: Json) -> str:
    """Name the content of a status: equal ones need not be written again."""
    return hashlib.sha256(canonical(status)).hexdigest()


def from_status(raw: Any) -> State:
    """Restore a state from a status; whatever is odd in it counts as absent."""
    if not isinstance(raw, dict) or not raw:
        return State()
    state = read(State, STATE, raw)
    source = raw.get("source")
    source = source if isinstance(source, dict) else {}
    key = raw.get("ping")
    key_id = key.get("keyID") if isinstance(key, dict) else None
    return replace(
        _with_word(state, raw),
        judged=read(Judged, JUDGED, source),
        paused=source.get("suspend") is True,
        armed_at=_instant_or_none(source.get("armedSince")),
        key_id=key_id if isinstance(key_id, str) else None,
    )


def _with_word(state: State, raw: Json) -> State:
    health = raw.get("state")
    if not isinstance(health, str) or health not in set(Health):
        return state
    known = Health.UP if health == Health.LATE else Health(health)
    healthy = _condition_named(raw, "Healthy")
    ready = _condition_named(raw, "Ready")
    problem = _trouble(ready)
    is_flaw = problem is not None and problem.reason in _FLAWS
    return replace(
        state,
        health=known,
        changed_at=_instant_or_none(healthy.get("lastTransitionTime")),
        ready_changed_at=_instant_or_none(ready.get("lastTransitionTime")),
        trouble=None if is_flaw else problem,
        flaw=problem if is_flaw else None,
    )


def _trouble(ready: Json) -> Trouble | None:
    reason = ready.get("reason")
    if ready.get("status") != "False" or not isinstance(reason, str):
        return None
    if reason not in set(Reason):
        return None
    return Trouble(Reason(reason), str(ready.get("message", "")))


def _condition_named(raw: Json, kind: str) -> Json:
    conditions = raw.get("conditions")
    for each in conditions if isinstance(conditions, list) else []:
        if isinstance(each, dict) and each.get("type") == kind:
            return each
    return {}


def _instant_or_none(text: Any) -> datetime | None:
    try:
        at: datetime | None = None if text is None else INSTANT.read(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return at
