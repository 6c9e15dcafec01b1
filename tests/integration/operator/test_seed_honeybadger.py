"""Honeybadger: the check_in event of its page is the shape of our event log.

The schema is written out here from the page's table; every line that a monitor can
cause is held against it. Check-ins are sent as its clients send them.
"""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import requests

from support.kube import MERGE, Kube
from support.operators import RunningOperator
from support.resources import MONITORS
from support.seeds import BASH, NAME, Site, Subject, subject

pytestmark = pytest.mark.integration

SITE = Site(host="api.honeybadger.io", identifier="wNgxJv")
SECONDS = 10

FIELDS = {"event_type": str, "check_in_id": str, "state": str, "payload": dict}
STATES = {"reporting", "missing", "paused"}
PAYLOAD = {
    "status": str,
    "duration": int | float,
    "exit_code": int,
    "stdout": str,
    "stderr": str,
}
"""The payload's common fields; the job can send others, of any type."""

EXAMPLE: dict[str, Any] = {
    "event_type": "check_in",
    "check_in_id": "wNgxJv",
    "state": "reporting",
    "payload": {
        "status": "success",
        "duration": 4523,
        "exit_code": 0,
        "stdout": "Processed 1240 records",
        "stderr": "",
    },
}
FAILURE = {
    "status": "error",
    "duration": 812.5,
    "exit_code": 3,
    "stdout": "Processed 12 records",
    "stderr": "connecting\nno space left on device",
}
OTHERS = {"host": "db-1", "records": 12, "tags": ["nightly", {"shard": 2}]}


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    return subject(kube, operator, namespace, SITE, tmp_path)


def test_the_example_of_the_page_has_the_shape_that_is_asked_for() -> None:
    assert faults(EXAMPLE) == []
    assert faults(EXAMPLE | {"state": "up"}) == ["state"]
    assert faults(EXAMPLE | {"payload": {"exit_code": "0"}}) == ["payload.exit_code"]


@pytest.mark.parametrize("path", ["/v1/check_in/wNgxJv", "/v1/check_in/hbp_key/wNgxJv"])
def test_a_plain_check_in_is_reporting(job: Subject, path: str) -> None:
    ended = job.run(BASH, f"curl -f https://api.honeybadger.io{path}")
    assert ended.exit_code == 0, ended
    assert ended.answers == [(HTTPStatus.OK, "OK")]
    job.recorded("Up")
    assert only_payload(job, "reporting")["status"] == "success"


def test_the_report_of_the_page_is_reporting(job: Subject) -> None:
    """Of a success all is kept but its output, which is only measured."""
    post(job, EXAMPLE["payload"])
    last = job.wait("Up")["lastCheckIn"]
    assert (last["kind"], last["exitCode"]) == ("success", 0)
    assert last["durationMilliseconds"] == 4523
    payload = only_payload(job, "reporting")
    kept = {"status": "success", "duration": 4523, "exit_code": 0}
    assert kept.items() <= payload.items()
    assert payload["output_length"] == len("Processed 1240 records")
    assert "stdout" not in payload


def test_the_report_of_a_failure_is_reporting_with_all_that_was_sent(
    job: Subject,
) -> None:
    post(job, FAILURE | OTHERS)
    found = job.wait("Down")
    assert found["incident"]["reason"] == "RunFailed"
    last = found["lastCheckIn"]
    assert (last["kind"], last["exitCode"]) == ("failure", 3)
    assert last["message"] == "no space left on device"
    payload = only_payload(job, "reporting")
    assert (FAILURE | OTHERS).items() <= payload.items()


@pytest.mark.parametrize("label", ["error", "failed", "timeout", "Success"])
def test_any_other_status_is_a_failure_label(job: Subject, label: str) -> None:
    post(job, {"status": label})
    job.wait("Down")
    assert only_payload(job, "reporting")["status"] == label


def test_an_expired_window_is_missing(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> None:
    job = subject(kube, operator, namespace, SITE, tmp_path, firstCheckInWithin="1s")
    job.wait("Down")
    assert only_payload(job, "missing")["reason"] == "RunMissed"


def test_a_paused_monitor_is_paused(job: Subject) -> None:
    path = MONITORS.path(job.namespace, NAME)
    suspended = {"spec": {"suspend": True}}
    job.kube.send("PATCH", path, suspended, content_type=MERGE)
    job.wait("Paused")
    only_payload(job, "paused")


def post(job: Subject, payload: dict[str, Any]) -> None:
    """Report as its clients do: anything but exactly 200 is a failure to them."""
    url = f"{job.operator.ping}/v1/check_in/{job.token}"
    answer = requests.post(url, json={"check_in": payload}, timeout=SECONDS)
    assert answer.status_code == HTTPStatus.OK


def only_payload(job: Subject, state: str) -> dict[str, Any]:
    """Return the payload of the one line, which has the page's shape."""
    (line,) = job.lines()
    assert faults(line) == []
    assert line["check_in_id"] == f"{job.namespace}/{NAME}"
    assert line["state"] == state
    payload: dict[str, Any] = line["payload"]
    return payload


def faults(event: dict[str, Any]) -> list[str]:
    """Name the fields of an event that are not as in the page's table."""
    wrong = [*(event.keys() ^ FIELDS.keys())]
    wrong += [name for name, kind in FIELDS.items() if not is_a(event.get(name), kind)]
    if event.get("event_type") != "check_in":
        wrong.append("event_type")
    if event.get("state") not in STATES:
        wrong.append("state")
    payload = event.get("payload") or {}
    for name, kind in PAYLOAD.items():
        if name in payload and not is_a(payload[name], kind):
            wrong.append(f"payload.{name}")
    return wrong


def is_a(value: object, kind: Any) -> bool:
    """Tell whether JSON would call it that: true is no number there."""
    return isinstance(value, kind) and not isinstance(value, bool)
