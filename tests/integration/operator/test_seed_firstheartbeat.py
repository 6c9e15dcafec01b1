"""First heartbeat: the examples of its page, in crontab, systemd, Node.js and Python.

Each example stands as on the page; the host and the heartbeat's id are replaced when
it is run (`support.seeds`), and the job's absolute path is moved.
"""

import configparser
import json
import shlex
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from heartbeats.core import cron
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
from support.workloads import state_is

pytestmark = pytest.mark.integration

SITE = Site(host="api.example.com", identifier="YOUR_HEARTBEAT_ID")

CURL = "curl -sS -X POST https://api.example.com/api/v1/hb/YOUR_HEARTBEAT_ID"
CRONTAB = (
    "*/60 * * * * /path/to/backup.sh && curl -sS -X POST"
    " https://api.example.com/api/v1/hb/YOUR_HEARTBEAT_ID || true"
)
SYSTEMD = """
[Service]
ExecStart=/path/to/worker.sh
ExecStartPost=curl -sS -X POST https://api.example.com/api/v1/hb/YOUR_HEARTBEAT_ID
"""
IN_NODE = """
// At the end of your scheduled job
await fetch('https://api.example.com/api/v1/hb/YOUR_HEARTBEAT_ID', { method: 'POST' })
  .catch(() => console.warn('Heartbeat ping failed'));
"""
IN_PYTHON = """
import requests

def run_job():
    # ... your job logic ...
    requests.post('https://api.example.com/api/v1/hb/YOUR_HEARTBEAT_ID', timeout=5)

if __name__ == '__main__':
    run_job()
"""


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    return subject(kube, operator, namespace, SITE, tmp_path)


def test_the_curl_ping_makes_a_new_monitor_up(job: Subject) -> None:
    """The page: New, no pings received yet; Up, the last ping was received."""
    wait_until(job.kube, MONITORS, job.namespace, NAME, state_is("New"))
    found = assert_up(job, job.run(BASH, CURL))
    assert found["lastCheckIn"]["source"].startswith("curl/")


def test_the_crontab_line_pings_after_a_success(job: Subject) -> None:
    job.provide("/path/to/backup.sh")
    assert_up(job, job.run(SH, cron_command(CRONTAB)))


def test_the_crontab_line_pings_not_after_a_failure_and_ends_well(
    job: Subject,
) -> None:
    """The page: if the job errors, skip the ping; cron itself does not fail."""
    job.provide("/path/to/backup.sh", exit_code=1)
    ended = job.run(SH, cron_command(CRONTAB))
    assert ended.exit_code == 0, ended
    assert ended.answers == []
    assert job.lines() == []


def test_the_crontab_line_means_hourly() -> None:
    every_hour = cron.parse("0 * * * *", "UTC")
    fields = " ".join(CRONTAB.split()[:5])
    noon = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
    assert cron.parse(fields, "UTC").next_after(noon) == every_hour.next_after(noon)


def test_the_commands_of_the_systemd_unit_ping(job: Subject) -> None:
    """The manager starts them in this order, without a shell."""
    job.provide("/path/to/worker.sh")
    unit = configparser.ConfigParser()
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(SYSTEMD)
    service = unit["Service"]
    assert service["ExecStart"] in job.moved
    *command, url = shlex.split(service["ExecStartPost"])
    assert_up(job, job.run(command, url))


def test_the_node_example_pings(job: Subject) -> None:
    found = assert_up(job, job.run(NODE, IN_NODE))
    assert found["lastCheckIn"]["source"] == "node"


def test_the_python_example_pings(job: Subject) -> None:
    found = assert_up(job, job.run(PYTHON, IN_PYTHON))
    assert found["lastCheckIn"]["source"].startswith("python-requests/")


def assert_up(job: Subject, ended: Ended) -> dict[str, Any]:
    """Check the one answer, the status and the one line; returns the status."""
    assert ended.exit_code == 0, ended
    ((status, body),) = ended.answers
    assert status == HTTPStatus.OK
    found, payload = job.recorded("Up")
    assert payload["status"] == "success"
    told = json.loads(body)
    assert told["status"] == found["state"]
    due_at, told_at = found["nextExpectedTime"], told["nextExpected"]
    early = datetime.fromisoformat(due_at) - datetime.fromisoformat(told_at)
    # The status rounds up to a whole second, the answer down.
    assert timedelta() <= early <= timedelta(seconds=1)
    return found
