"""Overwatch: the examples of its check-in page, and what the page promises.

Each example stands as on the page; the host and the monitor's id are replaced when it
is run (`support.seeds`), and the absolute path of the job in the crontab is moved.
"""

import json
import time
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from support.kube import Kube, wait_until
from support.operators import RunningOperator
from support.resources import MONITORS
from support.seeds import (
    BASH,
    NAME,
    NODE,
    PYTHON,
    SH,
    Ended,
    Site,
    Subject,
    cron_command,
    subject,
)
from support.workloads import ping_monitor

pytestmark = pytest.mark.integration

SITE = Site(host="overwatchapp.dev", identifier="mon_01j...")
WITHIN = 30.0
"""Seconds until the ping service has certainly seen a status."""

JOB = "/usr/local/bin/my-export-job"

SUCCESSFUL = "curl https://overwatchapp.dev/api/v1/monitors/$MONITOR_ID/checkin"
FAILED = "curl https://overwatchapp.dev/api/v1/monitors/$MONITOR_ID/checkin?status=fail"
CRONTAB = r"""0 2 * * * /usr/local/bin/my-export-job && \
  curl -sf https://overwatchapp.dev/api/v1/monitors/$MONITOR_ID/checkin || \
  curl -sf "https://overwatchapp.dev/api/v1/monitors/$MONITOR_ID/checkin?status=fail"
"""
IN_PYTHON = """
import subprocess
import urllib.request

CHECKIN_URL = "https://overwatchapp.dev/api/v1/monitors/mon_01j.../checkin"

try:
    result = subprocess.run(["python", "export_job.py"], check=True)
    urllib.request.urlopen(CHECKIN_URL)
except Exception:
    urllib.request.urlopen(CHECKIN_URL + "?status=fail")
    raise
"""
IN_NODE = """
const CHECKIN_URL = "https://overwatchapp.dev/api/v1/monitors/mon_01j.../checkin";

async function runJob() {
  try {
    await doWork();
    await fetch(CHECKIN_URL);
  } catch (err) {
    await fetch(`${CHECKIN_URL}?status=fail`);
    throw err;
  }
}

runJob();
"""
WORKS = "async function doWork() {}"
BREAKS = "async function doWork() { throw new Error('no disk') }"


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    return subject(kube, operator, namespace, SITE, tmp_path)


@pytest.fixture
def silent_job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    """Make one that is expected within a second."""
    first = {"firstCheckInWithin": "1s"}
    return subject(kube, operator, namespace, SITE, tmp_path, **first)


def test_the_successful_checkin_is_recorded(job: Subject) -> None:
    ended = job.run(BASH, SUCCESSFUL)
    found = assert_recorded(job, ended, "ok", "Up")
    assert found["lastCheckIn"]["source"].startswith("curl/")


def test_the_failed_checkin_marks_the_monitor_as_down_immediately(job: Subject) -> None:
    found = assert_recorded(job, job.run(BASH, FAILED), "failure", "Down")
    assert found["incident"]["reason"] == "RunFailed"


def test_post_behaves_identically(job: Subject) -> None:
    post = SUCCESSFUL.replace("curl", "curl -X POST")
    assert_recorded(job, job.run(BASH, post), "ok", "Up")


def test_the_crontab_entry_reports_a_success_once(job: Subject) -> None:
    job.provide(JOB)
    assert_recorded(job, job.run(SH, cron_command(CRONTAB)), "ok", "Up")


def test_the_crontab_entry_reports_a_failure_once(job: Subject) -> None:
    job.provide(JOB, exit_code=3)
    assert_recorded(job, job.run(SH, cron_command(CRONTAB)), "failure", "Down")


def test_the_python_example_reports_a_success(job: Subject) -> None:
    (job.folder / "export_job.py").write_text("")
    found = assert_recorded(job, job.run(PYTHON, IN_PYTHON), "ok", "Up")
    assert found["lastCheckIn"]["source"].startswith("Python-urllib/")


def test_the_python_example_reports_a_failure_and_raises(job: Subject) -> None:
    (job.folder / "export_job.py").write_text("raise SystemExit(1)")
    ended = job.run(PYTHON, IN_PYTHON)
    assert "CalledProcessError" in ended.errors
    assert ended.exit_code == 1
    assert_answered(job, ended, "failure", "Down")


def test_the_node_example_reports_a_success(job: Subject) -> None:
    found = assert_recorded(job, job.run(NODE, IN_NODE + WORKS), "ok", "Up")
    assert found["lastCheckIn"]["source"] == "node"


def test_the_node_example_reports_a_failure_and_throws(job: Subject) -> None:
    ended = job.run(NODE, IN_NODE + BREAKS)
    assert "no disk" in ended.errors
    assert ended.exit_code == 1
    assert_answered(job, ended, "failure", "Down")


def test_a_monitor_is_looked_up_and_its_checkin_url_is_called(job: Subject) -> None:
    """The page gives `data.id`, `type` and `checkinUrl`, which a job calls as it is."""
    data = look_up(job)
    url = f"{job.operator.ping}/api/v1/monitors/{job.token}/checkin"
    assert (data["id"], data["type"]) == (job.token, "SCHEDULED")
    assert (data["status"], data["checkinUrl"]) == ("pending", url)
    with urlopen(data["checkinUrl"], timeout=10) as answer:  # noqa: S310 - our own
        assert answer.status == HTTPStatus.OK
    job.wait("Up")
    become(job, "up")


def test_a_failed_run_is_looked_up_as_down(job: Subject) -> None:
    job.run(BASH, FAILED)
    become(job, "down")


def test_a_silent_job_is_looked_up_as_havent_heard(silent_job: Subject) -> None:
    silent_job.wait("Down")
    become(silent_job, "havent_heard")
    assert [line["state"] for line in silent_job.lines()] == ["missing"]


def test_a_silent_job_that_then_fails_is_looked_up_as_down(silent_job: Subject) -> None:
    """The page: with ?status=fail, it is immediately marked as down."""
    silent_job.wait("Down")
    silent_job.run(BASH, FAILED)
    become(silent_job, "down")


def test_a_monitor_of_another_type_is_not_found(job: Subject) -> None:
    """A monitor made anew under its name keeps its token; this one is a CronJob's."""
    job.kube.delete(MONITORS, job.namespace, NAME)
    wait_until(job.kube, MONITORS, job.namespace, NAME, lambda found: found is None)
    another = {"cronJob": {"name": "nightly"}}
    job.kube.create(ping_monitor(job.namespace, NAME) | {"spec": another})
    become(job, None)
    ended = job.run(BASH, SUCCESSFUL)
    assert [status for status, _ in ended.answers] == [HTTPStatus.NOT_FOUND]
    assert job.lines() == []


def become(job: Subject, word: str | None) -> None:
    """Look it up until it has that status (None: it is not found); records nothing."""
    ends = time.monotonic() + WITHIN
    while (said := status_of(job)) != word:
        assert time.monotonic() < ends, f"it says {said}, not {word}"


def status_of(job: Subject) -> str | None:
    """Return the status that is looked up, None when there is no such monitor."""
    try:
        return str(look_up(job)["status"])
    except HTTPError as error:
        error.close()
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return None


def look_up(job: Subject) -> dict[str, Any]:
    """GET /api/v1/monitors/:id."""
    url = f"{job.operator.ping}/api/v1/monitors/{job.token}"
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own service
        assert answer.status == HTTPStatus.OK
        data: dict[str, Any] = json.load(answer)["data"]
    return data


def assert_recorded(
    job: Subject, ended: Ended, recorded: str, state: str
) -> dict[str, Any]:
    """Check that it ended well and with one check-in; returns the status."""
    assert ended.exit_code == 0, ended
    return assert_answered(job, ended, recorded, state)


def assert_answered(
    job: Subject, ended: Ended, recorded: str, state: str
) -> dict[str, Any]:
    """Check the one answer, the status and the one line; returns the status."""
    ((status, body),) = ended.answers
    assert status == HTTPStatus.OK
    assert json.loads(body) == {"recorded": recorded, "monitor": job.token}
    found, payload = job.recorded(state)
    assert payload["status"] == {"ok": "success", "failure": "failure"}[recorded]
    return found
