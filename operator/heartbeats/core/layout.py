"""Where each field of a state stands in the JSON of a status.

Tables for `codec`, and nothing else: the names are the users' interface, so a
change here is a change of the API. Additions only.
"""

from heartbeats.core import durations
from heartbeats.core.codec import (
    FLAG,
    INSTANT,
    INSTANTS,
    MILLISECONDS,
    NAMES,
    NUMBER,
    TEXT,
    WORD,
    Field,
    Form,
    limited,
    name,
    record,
    records,
    word,
)
from heartbeats.core.model import (
    ActiveRun,
    Applied,
    CheckIn,
    Flip,
    Health,
    Incident,
    Kind,
    Reason,
    Report,
    Run,
)

MESSAGE_LIMIT = 120
_MESSAGE = limited(MESSAGE_LIMIT)
_SENTENCE = limited(1024)

_DURATION = Form(durations.format, durations.parse)

_CHECK_IN = (
    Field("id", "id", name(128)),
    Field("at", "time", INSTANT),
    Field("kind", "kind", word(Kind)),
    Field("run_id", "runID", name(128)),
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
    Field("id", "id", name(128)),
    Field("started_at", "startTime", INSTANT),
    Field("slot_at", "slotTime", INSTANT),
    Field("vanished", "vanished", FLAG),
    Field("unseen", "unseen", FLAG),
    Field("excused", "excused", FLAG),
)
_RUN = (
    Field("outcome", "outcome", WORD),
    Field("at", "time", INSTANT),
    Field("id", "id", name(128)),
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
    Field("id", "id", name(128)),
    Field("at", "time", INSTANT),
    Field("before", "before", word(Health)),
    Field("after", "after", word(Health)),
    Field("reason", "reason", word(Reason)),
    Field("message", "message", _SENTENCE),
    Field("slot_at", "slotTime", INSTANT),
)
_REPORT = (
    Field("kind", "kind", word(Kind)),
    Field("run_id", "runID", name(128)),
    Field("source", "source", limited(200)),
    Field("at", "time", INSTANT),
)
_APPLIED = (
    Field("journal_revision", "journalRevision", NUMBER),
    Field("since", "sinceTime", INSTANT),
    Field("newest_run_at", "newestRunTime", INSTANT),
    Field("finished_at", "finishedTime", INSTANT),
    Field("job_uids", "jobUIDs", NAMES),
    Field("last_report", "lastReport", record(Report, _REPORT)),
)
JUDGED = (
    Field("schedule", "schedule", name(1024)),
    Field("time_zone", "timeZone", name(64)),
    Field("interval", "interval", _DURATION),
    Field("cron_job_uid", "uid", WORD),
    Field("generation", "generation", NUMBER),
    Field("skips_while_running", "skipsWhileRunning", FLAG),
)
STATE = (
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
    Field("counted_runs", "countedRuns", NAMES),
    Field("counted_slots", "countedSlots", INSTANTS),
    Field("incident", "incident", record(Incident, _INCIDENT)),
    Field("history", "history", records(Run, _RUN)),
    Field("applied", "applied", record(Applied, _APPLIED)),
    Field("pending_flips", "pendingFlips", records(Flip, _FLIP)),
)
EFFECTIVE = (
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
