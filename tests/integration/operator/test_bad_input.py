"""Input that no monitor can be judged by: told to its author, felt by nobody else."""

from typing import Any

import pytest

from support.kube import Kube, wait_until
from support.nonsense import NONSENSE
from support.operators import (
    RunningOperator,
    ping_url,
)
from support.processes import until_answers
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
    state_is,
    told,
)

pytestmark = pytest.mark.integration

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


# How


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
