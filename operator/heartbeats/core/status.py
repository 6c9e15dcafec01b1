"""A state as the `.status` of its monitor, and back.

The status alone restores the state: what is not written here is forgotten by a
restart. `deadline`, `effective`, `state` and the conditions are written for
people and machines and are derived again, never read back, save for the
condition times and the word they carry.
"""

import hashlib
import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from heartbeats.core import durations
from heartbeats.core.codec import (
    FLAG,
    INSTANT,
    INSTANTS,
    MILLISECONDS,
    NUMBER,
    TEXT,
    TEXTS,
    Field,
    Form,
    Json,
    limited,
    read,
    record,
    records,
    word,
    write,
    write_instant,
)
from heartbeats.core.model import (
    ActiveRun,
    Applied,
    CheckIn,
    Flip,
    Health,
    Incident,
    Judged,
    Kind,
    Policy,
    Reason,
    Run,
    State,
    Trouble,
)
from heartbeats.core.schedule import Timetable, next_deadline
from heartbeats.core.verdict import verdict

FORMAT_VERSION = 1
MESSAGE_LIMIT = 120
_MESSAGE = limited(MESSAGE_LIMIT)
_SENTENCE = limited(1024)

_DURATION = Form(durations.format, durations.parse)

_CHECK_IN = (
    Field("id", "id", limited(128)),
    Field("at", "time", INSTANT),
    Field("kind", "kind", word(Kind)),
    Field("run_id", "runID", limited(128)),
    Field("slot_at", "slotTime", INSTANT),
    Field("started_at", "startTime", INSTANT),
    Field("duration", "durationMilliseconds", MILLISECONDS),
    Field("exit_code", "exitCode", NUMBER),
    Field("source", "source", limited(200)),
    Field("message", "message", _MESSAGE),
    Field("scheduled", "scheduled", FLAG),
    Field("inferred", "inferred", FLAG),
    Field("ambiguous", "ambiguous", FLAG),
)
_ACTIVE_RUN = (
    Field("id", "id", limited(128)),
    Field("started_at", "startTime", INSTANT),
    Field("slot_at", "slotTime", INSTANT),
    Field("vanished", "vanished", FLAG),
    Field("unseen", "unseen", FLAG),
)
_RUN = (
    Field("outcome", "outcome", TEXT),
    Field("at", "time", INSTANT),
    Field("id", "id", limited(128)),
    Field("slot_at", "slotTime", INSTANT),
    Field("started_at", "startTime", INSTANT),
    Field("duration", "durationMilliseconds", MILLISECONDS),
    Field("exit_code", "exitCode", NUMBER),
    Field("message", "message", _MESSAGE),
    Field("scheduled", "scheduled", FLAG),
    Field("inferred", "inferred", FLAG),
    Field("reason", "reason", word(Reason)),
)
_INCIDENT = (
    Field("opened_at", "openedTime", INSTANT),
    Field("reason", "reason", word(Reason)),
    Field("message", "message", _SENTENCE),
    Field("slot_at", "slotTime", INSTANT),
)
_FLIP = (
    Field("id", "id", limited(128)),
    Field("at", "time", INSTANT),
    Field("before", "before", word(Health)),
    Field("after", "after", word(Health)),
    Field("reason", "reason", word(Reason)),
    Field("message", "message", _SENTENCE),
    Field("slot_at", "slotTime", INSTANT),
)
_APPLIED = (
    Field("journal_revision", "journalRevision", NUMBER),
    Field("since", "sinceTime", INSTANT),
    Field("newest_run_at", "newestRunTime", INSTANT),
    Field("finished_at", "finishedTime", INSTANT),
    Field("job_uids", "jobUIDs", TEXTS),
)
_JUDGED = (
    Field("schedule", "schedule", limited(1024)),
    Field("time_zone", "timeZone", limited(64)),
    Field("interval", "interval", _DURATION),
    Field("cron_job_uid", "uid", TEXT),
    Field("generation", "generation", NUMBER),
)
_STATE = (
    Field("mismatch_at", "mismatchTime", INSTANT),
    Field("blind_at", "blindTime", INSTANT),
    Field("unseen_slot_at", "unseenSlotTime", INSTANT),
    Field("unseen_until", "unseenUntilTime", INSTANT),
    Field("ambiguous_at", "ambiguousTime", INSTANT),
    Field("next_expected_at", "nextExpectedTime", INSTANT),
    Field("settled_slots", "settledSlots", INSTANTS),
    Field("last_check_in", "lastCheckIn", record(CheckIn, _CHECK_IN)),
    Field("last_success_at", "lastSuccessTime", INSTANT),
    Field("last_failure_at", "lastFailureTime", INSTANT),
    Field("last_start_at", "lastStartTime", INSTANT),
    Field("last_duration", "lastDurationMilliseconds", MILLISECONDS),
    Field("last_exit_code", "lastExitCode", NUMBER),
    Field("longest_success", "longestSuccessMilliseconds", MILLISECONDS),
    Field("consecutive_failures", "consecutiveFailures", NUMBER),
    Field("consecutive_successes", "consecutiveSuccesses", NUMBER),
    Field("active_runs", "activeRuns", records(ActiveRun, _ACTIVE_RUN)),
    Field("counted_runs", "countedRuns", TEXTS),
    Field("incident", "incident", record(Incident, _INCIDENT)),
    Field("history", "history", records(Run, _RUN)),
    Field("applied", "applied", record(Applied, _APPLIED)),
    Field("pending_flips", "pendingFlips", records(Flip, _FLIP)),
)
_EFFECTIVE = (
    Field("grace", "gracePeriod", _DURATION),
    Field("interval", "interval", _DURATION),
    Field("time_zone", "timeZone", TEXT),
    Field("max_runtime", "maxRuntime", _DURATION),
    Field("active_deadline", "activeDeadline", _DURATION),
    Field("failure_threshold", "failureThreshold", NUMBER),
    Field("recovery_threshold", "recoveryThreshold", NUMBER),
    Field("first_check_in_within", "firstCheckInWithin", _DURATION),
    Field("history_limit", "historyLimit", NUMBER),
    Field("severity", "severity", TEXT),
    Field("owner", "owner", TEXT),
    Field("description", "description", TEXT),
    Field("runbook_url", "runbookURL", TEXT),
)


def to_status(
    state: State, policy: Policy, table: Timetable, *, generation: int, now: datetime
) -> Json:
    """Write a state as the complete `.status` of its monitor."""
    word_now = verdict(state, policy, now=now)
    written = write(state, _STATE)
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


def _effective(policy: Policy) -> Json:
    result = write(policy, _EFFECTIVE)
    if policy.schedule is not None:
        result["schedule"] = policy.schedule
    elif policy.interval is not None:
        result["schedule"] = f"every {durations.format(policy.interval)}"
    if policy.origins:
        result["origins"] = dict(policy.origins)
    return result


def _source(state: State) -> Json:
    result = write(state.judged, _JUDGED)
    result["suspend"] = state.paused
    if state.armed_at is not None:
        result["armedSince"] = write_instant(state.armed_at)
    return result


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
            "False" if state.trouble else "True",
            _acceptance(state.trouble, policy),
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
    text = json.dumps(status, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def from_status(raw: Any) -> State:
    """Restore a state from a status; whatever is odd in it counts as absent."""
    if not isinstance(raw, dict) or not raw:
        return State()
    state = read(State, _STATE, raw)
    source = raw.get("source")
    source = source if isinstance(source, dict) else {}
    key = raw.get("ping")
    key_id = key.get("keyID") if isinstance(key, dict) else None
    return replace(
        _with_word(state, raw),
        judged=read(Judged, _JUDGED, source),
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
    return replace(
        state,
        health=known,
        changed_at=_instant_or_none(healthy.get("lastTransitionTime")),
        ready_changed_at=_instant_or_none(ready.get("lastTransitionTime")),
        trouble=_trouble(ready),
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
