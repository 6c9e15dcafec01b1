"""Specs that the API server must accept or refuse, each with a sentence for a name.

Sends nothing; `REFUSED` holds for each spec a part of the server's answer.
"""

from support.resources import MONITORS, Object

SOME_HASH = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"

CRON: Object = {"cronJob": {"name": "nightly"}}
PING: Object = {"ping": {}, "interval": "24h"}
DAILY: Object = {"ping": {}, "schedule": "0 2 * * *"}


def monitor(spec: Object, namespace: str = "default", name: str = "nightly") -> Object:
    return {
        "apiVersion": MONITORS.api_version,
        "kind": MONITORS.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


GO_DURATION = 'write a Go duration such as 24h or 1h30m, not "1d", from '
ONE_SOURCE = "name exactly one source"
SCHEDULE_OR_INTERVAL = "exactly one of schedule (a cron expression) and interval"
READ_FROM_CRON_JOB = "remove schedule, interval and timeZone"

REFUSED: dict[str, tuple[Object, str]] = {
    # sources
    "no source": ({}, ONE_SOURCE),
    "two sources": ({**CRON, **PING}, ONE_SOURCE),
    "a source that is null": ({"cronJob": None}, ONE_SOURCE),
    "a CronJob without a name": ({"cronJob": {}}, "spec.cronJob.name: Required"),
    "a CronJob with an empty name": (
        {"cronJob": {"name": ""}},
        "should be at least 1 chars long",
    ),
    "a CronJob in capitals": (
        {"cronJob": {"name": "Nightly"}},
        "write the name of a CronJob",
    ),
    "a CronJob's name that ends in a dash": (
        {"cronJob": {"name": "nightly-"}},
        "write the name of a CronJob",
    ),
    "a CronJob's name with a slash": (
        {"cronJob": {"name": "other/nightly"}},
        "write the name of a CronJob",
    ),
    "a CronJob's name of 53 characters": (
        {"cronJob": {"name": "n" * 53}},
        "may not be more than 52",
    ),
    # when a run is due
    "a ping with neither schedule nor interval": ({"ping": {}}, SCHEDULE_OR_INTERVAL),
    "a ping with schedule and interval": (
        {**PING, "schedule": "0 2 * * *"},
        SCHEDULE_OR_INTERVAL,
    ),
    "a cronJob with a schedule": ({**CRON, "schedule": "@daily"}, READ_FROM_CRON_JOB),
    "a cronJob with an interval": ({**CRON, "interval": "24h"}, READ_FROM_CRON_JOB),
    "a cronJob with a time zone": ({**CRON, "timeZone": "UTC"}, READ_FROM_CRON_JOB),
    "a cronJob with firstCheckInWithin": (
        {**CRON, "firstCheckInWithin": "24h"},
        "remove firstCheckInWithin, which is for pings only",
    ),
    "a time zone with an interval": (
        {**PING, "timeZone": "Europe/Berlin"},
        "timeZone goes with schedule",
    ),
    "an empty time zone": ({**DAILY, "timeZone": ""}, "at least 1 chars"),
    "a time zone with a blank": (
        {**DAILY, "timeZone": "Europe / Berlin"},
        "write an IANA time zone such as Europe/Berlin",
    ),
    "an empty schedule": ({**DAILY, "schedule": ""}, "at least 1 chars"),
    "a time zone within the schedule": (
        {**DAILY, "schedule": "TZ=UTC 0 2 * * *"},
        "write the time zone in timeZone",
    ),
    "a CRON_TZ within the schedule": (
        {**DAILY, "schedule": "CRON_TZ=UTC 0 2 * * *"},
        "write the time zone in timeZone",
    ),
    "a schedule of 257 characters": (
        {**DAILY, "schedule": "0" * 257},
        "may not be more than 256",
    ),
    # durations
    "days": ({**PING, "interval": "1d"}, 'spec.interval: Invalid value: "1d"'),
    "a bare number in quotes": ({**PING, "interval": "30"}, GO_DURATION),
    "a bare number": ({**PING, "interval": 30}, 'must be of type string: "integer"'),
    "a duration of words": ({**PING, "interval": "1 hour"}, GO_DURATION),
    "a unit without a number": ({**PING, "interval": "h"}, GO_DURATION),
    "a negative duration": ({**PING, "gracePeriod": "-5m"}, GO_DURATION + "0s"),
    "a duration in Arabic digits": ({**PING, "interval": "\u0663\u0660m"}, GO_DURATION),
    "a duration in capitals": ({**PING, "interval": "24H"}, GO_DURATION),
    "a duration with a newline": ({**PING, "interval": "24h\n"}, GO_DURATION),
    "an ISO 8601 duration": ({**PING, "interval": "PT24H"}, GO_DURATION),
    "nanoseconds": ({**PING, "gracePeriod": "5ns"}, GO_DURATION),
    "a duration that overflows Go's": ({**PING, "interval": "9999999h"}, GO_DURATION),
    "a duration of the longest parts": (
        {**PING, "interval": "99999h99999h99999h99999h"},
        GO_DURATION,
    ),
    "an interval just below 10s": ({**PING, "interval": "9999ms"}, GO_DURATION + "10s"),
    "an interval just above 366 days": (
        {**PING, "interval": "8784h1ms"},
        "to 8784h (366 days)",
    ),
    "a maxRuntime just below 1s": (
        {**CRON, "maxRuntime": "999ms"},
        GO_DURATION + "1s",
    ),
    "a maxRuntime just above 366 days": ({**CRON, "maxRuntime": "8785h"}, GO_DURATION),
    "a gracePeriod just above 366 days": (
        {**CRON, "gracePeriod": "527041m"},
        GO_DURATION,
    ),
    "a firstCheckInWithin of nothing": (
        {**PING, "firstCheckInWithin": "0s"},
        GO_DURATION + "1s",
    ),
    "a duration that is too long to read": (
        {**PING, "interval": "1" * 33},
        "may not be more than 32",
    ),
    # counts
    "a failureThreshold of 0": ({**CRON, "failureThreshold": 0}, "equal to 1"),
    "a failureThreshold of 101": ({**CRON, "failureThreshold": 101}, "equal to 100"),
    "a recoveryThreshold of 0": ({**CRON, "recoveryThreshold": 0}, "equal to 1"),
    "a recoveryThreshold of 101": ({**CRON, "recoveryThreshold": 101}, "equal to 100"),
    "a threshold with a fraction": (
        {**CRON, "failureThreshold": 1.5},
        "must be of type integer",
    ),
    "a historyLimit of -1": ({**CRON, "historyLimit": -1}, "equal to 0"),
    "a historyLimit of 21": ({**CRON, "historyLimit": 21}, "equal to 20"),
    # tokens
    "a tokenVersion of 0": ({**PING, "ping": {"tokenVersion": 0}}, "equal to 1"),
    "a tokenVersion beyond 32 bits": (
        {**PING, "ping": {"tokenVersion": 2**31}},
        "format int32",
    ),
    "a minTokenVersion of 0": ({**PING, "ping": {"minTokenVersion": 0}}, "equal to 1"),
    "a minTokenVersion above tokenVersion": (
        {**PING, "ping": {"tokenVersion": 2, "minTokenVersion": 3}},
        "minTokenVersion must not be above tokenVersion",
    ),
    "a minTokenVersion above an unwritten tokenVersion": (
        {**PING, "ping": {"minTokenVersion": 2}},
        "minTokenVersion must not be above tokenVersion",
    ),
    "17 accepted token versions": (
        {**PING, "ping": {"tokenVersion": 17, "minTokenVersion": 1}},
        "at most 16 token versions",
    ),
    "a token that was not hashed": (
        {**PING, "ping": {"tokenHashes": ["5f2b7a1c-4b5f-4c53-9a35-1d0f5d0a1f8e"]}},
        "at least 64 chars",
    ),
    "a hash in capitals": (
        {**PING, "ping": {"tokenHashes": [SOME_HASH.upper()]}},
        "write a SHA-256 hash as 64 lower-case hexadecimal digits",
    ),
    "the same hash twice": (
        {**PING, "ping": {"tokenHashes": [SOME_HASH, SOME_HASH]}},
        "spec.ping.tokenHashes[1]: Duplicate value",
    ),
    "17 hashes": (
        {**PING, "ping": {"tokenHashes": [f"{n:064x}" for n in range(17)]}},
        "must have at most 16 items",
    ),
    # pause
    "a suspendUntil that is a date": (
        {**CRON, "suspendUntil": "2026-12-01"},
        "must be of type date-time",
    ),
    "a suspendUntil in words": (
        {**CRON, "suspendUntil": "tomorrow"},
        "must be of type date-time",
    ),
    "a suspend in quotes": (
        {**CRON, "suspend": "true"},
        'must be of type boolean: "string"',
    ),
    # for whoever is woken
    "an empty severity": ({**CRON, "severity": ""}, "at least 1 chars"),
    "a severity of 64 characters": (
        {**CRON, "severity": "s" * 64},
        "may not be more than 63",
    ),
    "an owner of 129 characters": (
        {**CRON, "owner": "o" * 129},
        "may not be more than 128",
    ),
    "a description of 1025 characters": (
        {**CRON, "description": "d" * 1025},
        "may not be more than 1024",
    ),
    "a runbook that is a path": (
        {**CRON, "runbookURL": "docs/backup.md"},
        "write an http or https URL",
    ),
    "a runbook that is a script": (
        {**CRON, "runbookURL": "javascript:alert(1)"},
        "write an http or https URL",
    ),
    "a runbook without a host": (
        {**CRON, "runbookURL": "https:///backup"},
        "write an http or https URL",
    ),
    "a runbook with a blank": (
        {**CRON, "runbookURL": "https://wiki/a b"},
        "write an http or https URL",
    ),
    "a runbook of 2049 characters": (
        {**CRON, "runbookURL": "https://wiki/" + "a" * 2036},
        "may not be more than 2048",
    ),
}


ACCEPTED: dict[str, Object] = {
    "only a CronJob": CRON,
    "only a ping and an interval": PING,
    "only a ping and a schedule": DAILY,
    "a CronJob's name of 52 characters": {"cronJob": {"name": "n" * 52}},
    "a CronJob's name with dots": {"cronJob": {"name": "nightly.v2-0"}},
    "a schedule with a time zone": {**DAILY, "timeZone": "America/Port-au-Prince"},
    "a time zone with a sign": {**DAILY, "timeZone": "Etc/GMT+5"},
    "a schedule that is wrong, which the operator says": {
        **DAILY,
        "schedule": "61 * *",
    },
    "a macro": {**DAILY, "schedule": "@every 1h30m"},
    "an interval of 10s": {**PING, "interval": "10s"},
    "an interval of 10000ms": {**PING, "interval": "10000ms"},
    "an interval of 366 days": {**PING, "interval": "8784h"},
    "an interval of four parts": {**PING, "interval": "1h30m10s500ms"},
    "an interval with a fraction": {**PING, "interval": "1.5h"},
    "an interval in seconds of 366 days": {**PING, "interval": "31622400s"},
    "no grace": {**CRON, "gracePeriod": "0s"},
    "a grace of 366 days": {**CRON, "gracePeriod": "527040m"},
    "a maxRuntime of 1s": {**CRON, "maxRuntime": "1s"},
    "a firstCheckInWithin of 1s": {**PING, "firstCheckInWithin": "1s"},
    "the lowest counts": {
        **CRON,
        "failureThreshold": 1,
        "recoveryThreshold": 1,
        "historyLimit": 0,
    },
    "the highest counts": {
        **CRON,
        "failureThreshold": 100,
        "recoveryThreshold": 100,
        "historyLimit": 20,
    },
    "two token versions": {**PING, "ping": {"tokenVersion": 2, "minTokenVersion": 1}},
    "one token version": {**PING, "ping": {"tokenVersion": 7, "minTokenVersion": 7}},
    "16 token versions": {**PING, "ping": {"tokenVersion": 16, "minTokenVersion": 1}},
    "the first token version, written": {**PING, "ping": {"minTokenVersion": 1}},
    "16 hashes": {**PING, "ping": {"tokenHashes": [f"{n:064x}" for n in range(16)]}},
    "a pause": {**CRON, "suspend": True},
    "a pause until then": {**CRON, "suspendUntil": "2026-12-01T08:00:00+01:00"},
    "everything a person may write": {
        **CRON,
        "severity": "s" * 63,
        "owner": "o" * 128,
        "description": "\u00e4" * 1024,
        "runbookURL": "https://wiki/" + "a" * 2035,
    },
}
