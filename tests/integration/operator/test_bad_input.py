"""Input that no monitor can be judged by: told to its author, felt by nobody else."""

from pathlib import Path
from typing import Any

import pytest

from support.kube import Kube, fresh_namespace, wait_until
from support.operators import (
    RunningOperator,
    ping_url,
    start_operator,
    stop_operator,
)
from support.own_cluster import Own
from support.processes import ask, until_answers
from support.resources import CRON_JOBS, MONITORS, Object
from support.workloads import (
    RARELY,
    annotate,
    change,
    condition_of,
    cron_job,
    cron_job_monitor,
    has_said,
    ping_monitor,
    record_run,
    state_is,
    told,
)

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

BROKEN: dict[str, tuple[Object, str, tuple[str, ...]]] = {
    "four-fields": (
        {"schedule": "0 2 * *"},
        "InvalidSchedule",
        ("0 2 * *", "5 fields", "4"),
    ),
    "minute-61": ({"schedule": "61 2 * * *"}, "InvalidSchedule", ("61", "59")),
    "in-words": (
        {"schedule": "every day at two"},
        "InvalidSchedule",
        ("every day at two",),
    ),
    "february-31": (
        {"schedule": "* * 31 2 *"},
        "InvalidSchedule",
        ("* * 31 2 *", "never"),
    ),
    "nowhere": (
        {"schedule": "0 2 * * *", "timeZone": "Europe/Berlinn"},
        "UnknownTimeZone",
        ("Europe/Berlinn", "time zone"),
    ),
}


def test_what_cannot_be_judged_says_so_in_words_and_disturbs_nobody(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Ready=False with a reason and a sentence, Healthy Unknown: never a frozen Up."""
    kube.create(ping_monitor(namespace, "good", interval="24h"))
    for name, (spec, _, _) in BROKEN.items():
        kube.create(ping_monitor(namespace, name, **spec))
    kube.create(cron_job_monitor(namespace, "without", "no-such-cronjob"))
    for name, (_, reason, words) in BROKEN.items():
        check_not_ready(kube, namespace, name, reason, words)
    words = ("no-such-cronjob", "create it")
    check_not_ready(kube, namespace, "without", "CronJobNotFound", words)
    for name in (*BROKEN, "without"):
        labels = {"namespace": namespace, "heartbeatmonitor": name}
        assert (
            operator.series("heartbeat_monitor_state", state="Unknown", **labels) == 1
        )
    assert until_answers(ping_url(kube, namespace, "good")) == b"OK"
    wait_until(kube, MONITORS, namespace, "good", has_said("Up"))


def test_a_monitor_that_is_corrected_is_judged_from_then_on(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Bad input is not for ever: correcting it is enough."""
    kube.create(ping_monitor(namespace, "typo", schedule="61 * * * *"))
    wait_until(kube, MONITORS, namespace, "typo", state_is("Unknown"))
    change(kube, MONITORS, namespace, "typo", {"spec": {"schedule": "6 * * * *"}})
    found: Any = wait_until(kube, MONITORS, namespace, "typo", state_is("New"))
    assert condition_of(found, "Ready")["status"] == "True"
    # And wrong again: what was known of it is no longer said.
    assert until_answers(ping_url(kube, namespace, "typo")) == b"OK"
    wait_until(kube, MONITORS, namespace, "typo", state_is("Up"))
    change(kube, MONITORS, namespace, "typo", {"spec": {"schedule": "61 * * * *"}})
    found = wait_until(kube, MONITORS, namespace, "typo", has_said("Unknown"))
    assert condition_of(found, "Healthy")["reason"] == "InvalidSchedule"
    assert told(kube, namespace, "typo", "InvalidSchedule")["type"] == "Warning"


def test_a_monitor_whose_every_field_is_at_its_limit_works(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """The longest texts and the biggest numbers are taken at their word."""
    name = "n" * 199 + "-" + "n" * 48  # an Event's name is cut within it
    spec = at_their_limits()
    kube.create(ping_monitor(namespace, name, schedule=longest("0 2 * *"), **spec))
    words = ("fields",)
    check_not_ready(kube, namespace, name, "InvalidSchedule", words)
    schedule = longest("0 0 29 2 *")
    change(kube, MONITORS, namespace, name, {"spec": {"schedule": schedule}})
    found: Any = wait_until(kube, MONITORS, namespace, name, state_is("New"))
    effective = found["status"]["effective"]
    assert effective["schedule"] == schedule
    for field in ("gracePeriod", "maxRuntime", "firstCheckInWithin"):
        assert effective[field] == "8784h", field
    for field in ("severity", "owner", "description", "runbookURL"):
        assert effective[field] == spec[field], field
    url = ping_url(kube, namespace, name)
    assert until_answers(f"{url}?msg={'m' * 5000}") == b"OK"
    wait_until(kube, MONITORS, namespace, name, has_said("Up"))
    change(kube, MONITORS, namespace, name, {"spec": {"failureThreshold": 1}})
    assert until_answers(f"{url}/255?msg={'m' * 5000}") == b"OK"
    wait_until(kube, MONITORS, namespace, name, has_said("Down"))
    assert told(kube, namespace, name, "RunFailed")["type"] == "Warning"


def test_a_pause_at_the_end_of_time_is_a_pause(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """The last instants that can be written overflow nothing."""
    for name, until in {
        "last": "9999-12-31T23:59:59Z",
        "beyond": "9999-12-31T23:59:59.999999999-23:59",
    }.items():
        kube.create(ping_monitor(namespace, name, interval="24h", suspendUntil=until))
    wait_until(kube, MONITORS, namespace, "last", state_is("Paused"))
    found: Any = wait_until(
        kube, MONITORS, namespace, "beyond", lambda one: "status" in (one or {})
    )
    assert found is not None
    if found["status"]["state"] != "Paused":
        # What is not understood is named.
        assert "suspendUntil" in condition_of(found, "Ready")["message"]


def test_a_wrong_annotation_is_named_and_the_next_level_counts(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """A typing error in an annotation costs that annotation only."""
    wrong = {
        "heartbeats.dev/grace-period": "1d",
        "heartbeats.dev/failure-threshold": "three",
        "heartbeats.dev/max-runtime": "2h",
    }
    kube.create(cron_job(namespace, "nightly", schedule=RARELY, annotations=wrong))
    found: Any = wait_until(
        kube, MONITORS, namespace, "nightly-cronjob", state_is("New")
    )
    ready = condition_of(found, "Ready")
    assert ready["status"] == "True"
    for word in ("heartbeats.dev/grace-period", "1d", "failure-threshold", "three"):
        assert word in ready["message"], ready["message"]
    effective = found["status"]["effective"]
    assert (effective["gracePeriod"], effective["maxRuntime"]) == ("5m", "2h")
    annotate(kube, CRON_JOBS, namespace, "nightly", grace_period="24h")

    def follows(one: Object | None) -> bool:
        applied = (one or {}).get("status", {}).get("effective", {})
        return bool(applied.get("gracePeriod") == "24h")

    found = wait_until(kube, MONITORS, namespace, "nightly-cronjob", follows)
    assert "grace-period" not in condition_of(found, "Ready")["message"]


def test_nonsense_written_into_a_status_is_overwritten(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """What is known stands: whoever edits a status changes nothing for long."""
    kube.create(ping_monitor(namespace, "edited", interval="24h"))
    assert until_answers(ping_url(kube, namespace, "edited")) == b"OK"
    before: Any = wait_until(kube, MONITORS, namespace, "edited", has_said("Up"))
    kube.apply(
        {
            "apiVersion": MONITORS.api_version,
            "kind": MONITORS.kind,
            "metadata": {"name": "edited", "namespace": namespace},
            "status": NONSENSE,
        },
        subresource="status",
        manager="somebody",
    )

    def is_as_before(found: Object | None) -> bool:
        return found is not None and found["status"] == before["status"]

    wait_until(kube, MONITORS, namespace, "edited", is_as_before)
    kube.create(ping_monitor(namespace, "other", interval="24h"))
    assert until_answers(ping_url(kube, namespace, "other")) == b"OK"
    wait_until(kube, MONITORS, namespace, "other", has_said("Up"))


# What might bring an operator down is tried on one that nobody else needs.


@pytest.mark.parametrize("seconds", [10**12, 2**63 - 1])
def test_a_number_beyond_all_reason_on_a_cron_job_stops_nobody(
    own: Own, tmp_path: Path, seconds: int
) -> None:
    """The API server takes any activeDeadlineSeconds; a user must not stop us by it."""
    kube = own.kube
    operator = start_operator(own.operator, tmp_path)
    try:
        with fresh_namespace(kube) as namespace:
            job = {"activeDeadlineSeconds": seconds}
            stored = kube.create(cron_job(namespace, "odd", schedule=RARELY, job=job))
            began = "2026-01-01T00:00:00Z"
            record_run(kube, stored, "run", began, startTime=began, active=1, ready=1)
            wait_until(kube, MONITORS, namespace, "odd-cronjob", has_started)
            check_others_work(kube, operator, namespace)
            stop_operator(operator)
            operator = start_operator(own.operator, tmp_path)
            check_others_work(kube, operator, namespace)
    finally:
        stop_operator(operator)


def has_started(found: Object | None) -> bool:
    """Tell whether a monitor knows of a run that has not ended."""
    return bool((found or {}).get("status", {}).get("activeRuns"))


def test_nonsense_found_in_a_status_at_the_start_stops_nobody(
    own: Own, tmp_path: Path
) -> None:
    """A status restores the state, whatever somebody wrote into it meanwhile."""
    kube = own.kube
    with fresh_namespace(kube) as namespace:
        kube.create(cron_job(namespace, "nightly", schedule=RARELY))
        kube.create(cron_job_monitor(namespace, "of-cron-job", "nightly"))
        kube.create(ping_monitor(namespace, "of-ping", interval="24h"))
        kube.create(ping_monitor(namespace, "of-cron", schedule=RARELY))
        for name in ("of-cron-job", "of-ping", "of-cron"):
            stored = kube.get(MONITORS, namespace, name)
            kube.apply(
                {
                    "apiVersion": stored["apiVersion"],
                    "kind": stored["kind"],
                    "metadata": {"name": name, "namespace": namespace},
                    "status": NONSENSE,
                },
                subresource="status",
                manager="heartbeats-status",
            )
        operator = start_operator(own.operator, tmp_path)
        try:
            check_others_work(kube, operator, namespace)
        finally:
            stop_operator(operator)


def test_a_namespace_that_refuses_monitors_delays_no_other(
    own: Own, tmp_path: Path
) -> None:
    """A quota is its namespace's business: the others are monitored at once."""
    kube = own.kube
    operator = start_operator(own.operator, tmp_path)
    try:
        with fresh_namespace(kube) as full, fresh_namespace(kube) as free:
            kube.send(
                "POST",
                f"/api/v1/namespaces/{full}/resourcequotas",
                {
                    "apiVersion": "v1",
                    "kind": "ResourceQuota",
                    "metadata": {"name": "none"},
                    "spec": {"hard": {"count/heartbeatmonitors.heartbeats.dev": "0"}},
                },
            )
            for number in range(5):
                kube.create(cron_job(full, f"refused-{number}", schedule=RARELY))
            kube.create(cron_job(free, "welcome", schedule=RARELY))
            wait_until(
                kube, MONITORS, free, "welcome-cronjob", state_is("New"), timeout=10
            )
            assert kube.items(MONITORS, full) == []
    finally:
        stop_operator(operator)


def check_others_work(kube: Kube, operator: RunningOperator, namespace: str) -> None:
    """Check that a ping of a new monitor is recorded and applied."""
    name = f"other-{len(kube.items(MONITORS, namespace))}"
    kube.create(ping_monitor(namespace, name, interval="24h"))
    url = ping_url(kube, namespace, name)
    token = url.rpartition("/")[2]
    assert until_answers(f"{operator.ping}/ping/{token}") == b"OK"
    wait_until(kube, MONITORS, namespace, name, has_said("Up"))
    assert ask(f"{operator.health}/healthz")[0] == 200
    assert operator.is_ready()


# How

NONSENSE: Object = {
    "state": "Down",
    "formatVersion": 2**31 - 1,
    "nextExpectedTime": "9999-12-31T23:59:59Z",
    "settledSlots": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"],
    "lastSuccessTime": "0001-01-01T00:00:00Z",
    "lastDurationMilliseconds": 2**63 - 1,
    "longestSuccessMilliseconds": 8 * 10**16,
    "consecutiveFailures": 2**31 - 1,
    "activeRuns": [
        {"id": "early", "startTime": "0001-01-01T00:00:00Z"},
        {"id": "late", "startTime": "9999-12-31T23:59:59Z"},
    ],
    "incident": {
        "openedTime": "9999-12-31T23:59:59Z",
        "reason": "Whatever",
        "message": "nonsense",
    },
    "history": [{"outcome": "missed", "time": "9999-12-31T23:59:59Z"}],
    "source": {"armedSince": "9999-12-31T23:59:59Z", "schedule": "nonsense"},
    "applied": {"journalRevision": 0, "sinceTime": "9999-12-31T23:59:59Z"},
    "pendingFlips": [
        {
            "id": "not a name!",
            "time": "9999-12-31T23:59:59Z",
            "before": "Up",
            "after": "Down",
            "reason": "Whatever",
            "message": "nonsense",
        }
    ],
}
"""Everything here is allowed by the schema."""


def at_their_limits() -> Object:
    """Write every field of a ping monitor but its schedule as long as it may be."""
    return {
        "ping": {
            "tokenVersion": 2**31 - 1,
            "minTokenVersion": 2**31 - 16,
            "tokenHashes": [f"{number:064x}" for number in range(16)],
        },
        "timeZone": "America/Argentina/ComodRivadavia",
        "gracePeriod": "8784h",
        "maxRuntime": "8784h",
        "firstCheckInWithin": "8784h",
        "failureThreshold": 100,
        "recoveryThreshold": 100,
        "historyLimit": 20,
        "severity": "s" * 63,
        "owner": "o" * 128,
        "description": "\u00e4" * 1024,
        "runbookURL": "https://wiki/" + "a" * 2035,
    }


def longest(schedule: str) -> str:
    """Lengthen the first field of a schedule until it has 256 characters."""
    first, _, rest = schedule.partition(" ")
    room = 256 - len(rest) - 1
    field = ",".join([first] * (room // (len(first) + 1)))
    return f"{field}{',' + first if room - len(field) > 1 else ''} {rest}".rjust(256)


def check_not_ready(
    kube: Kube, namespace: str, name: str, reason: str, words: tuple[str, ...]
) -> None:
    """Wait until a monitor says what is wrong with it, and check how."""

    def says(one: Object | None) -> bool:
        return one is not None and bool(one.get("status"))

    found: Any = wait_until(kube, MONITORS, namespace, name, says)
    ready = condition_of(found, "Ready")
    assert (ready["status"], ready["reason"]) == ("False", reason), ready
    for word in words:
        assert word in ready["message"], ready["message"]
    healthy = condition_of(found, "Healthy")
    assert (healthy["status"], healthy["reason"]) == ("Unknown", reason)
    assert found["status"]["state"] == "Unknown"
