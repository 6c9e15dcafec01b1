"""Python's clients of Healthchecks, and requests: only the host is another."""

from pathlib import Path
from uuid import uuid4

import pytest

from support.clients import NOT_NOW, customer, run, told
from support.kube import Kube
from support.operators import RunningOperator
from support.resources import Object
from support.seeds import PYTHON, Subject

pytestmark = pytest.mark.integration

RID = str(uuid4())
OK = (200, "OK")
REFUSED = (503, "")

REQUESTS = f"""
import requests

url = "http://{{host}}/ping/{{token}}"
run = {{"rid": "{RID}"}}
requests.get(url + "/start", params=run, timeout=10).raise_for_status()
requests.post(url + "/3", params=run, data="größer", timeout=10).raise_for_status()
"""
RETRYING = """
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

session = requests.Session()
again = Retry(total=3, status_forcelist=[429, 503], allowed_methods=None)
session.mount("http://", HTTPAdapter(max_retries=again))
answer = session.post("http://{host}/ping/{token}/fail", data="no disk", timeout=10)
assert answer.text == "OK", answer
"""
HEALTHCHECKS_IO = """
from healthchecks_io import Client

with Client(ping_url="http://{host}/ping/") as client:
    assert client.start_ping(uuid="{token}") == (True, "OK")
    assert client.success_ping(uuid="{token}", data="done") == (True, "OK")
    assert client.fail_ping(uuid="{token}", data="no disk") == (True, "OK")
    assert client.exit_code_ping(9, uuid="{token}", data="killed") == (True, "OK")
"""
BY_SLUG = """
from healthchecks_io import Client

with Client(ping_url="http://{host}/ping", ping_key="my-project") as client:
    assert client.exit_code_ping(0, slug="{token}") == (True, "OK")
"""
UNKNOWN = """
from healthchecks_io import CheckNotFoundError, Client

with Client(ping_url="http://{host}/ping/") as client:
    try:
        client.success_ping(uuid="3f2c6b1e-5d0a-4c1b-9a57-0a6a8f5d7e21")
    except CheckNotFoundError:
        print("not found")
"""
TRAP = """
import asyncio
from healthchecks_io import AsyncClient, CheckTrap

async def main():
    client = AsyncClient(ping_url="http://{host}/ping/")
    async with CheckTrap(client, uuid="{token}", suppress_exceptions=True) as trap:
        trap.add_log("began")
        raise OSError("no disk")

asyncio.run(main())
"""
WRAPPER = """
from healthchecks_wrapper import HealthCheck

with HealthCheck("http://{host}/ping/{token}", suppress_exceptions=True):
    raise OSError("no disk")
"""
DECORATOR = """
from healthchecks_decorator import healthcheck

@healthcheck(url="http://{host}/ping/{token}", send_start=True, send_diagnostics=True)
def job():
    return "wrote 12 rows"

job()
"""
FAILING_DECORATOR = DECORATOR.replace("    return", "    raise OSError('no disk') #")
PINGER = """
from HealthCheck_Pinger import core

pinger = core.PingHC("{token}", server="http://{host}/ping")
try:
    raise OSError("no disk")
except OSError:
    pinger.failure
"""


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    return customer(kube, operator, namespace, tmp_path)


def pinged(job: Subject, program: str, count: int, state: str) -> list[Object]:
    """Run a program that must ping so often; returns what the event log says."""
    ended = run(job, *PYTHON, program)
    assert (ended.exit_code, ended.answers) == (0, [OK] * count), ended
    job.wait(state)
    return told(job, count)


def kinds(payloads: list[Object]) -> list[str]:
    return [each["status"] for each in payloads]


def test_requests_report_start_and_exit_code_of_one_run(job: Subject) -> None:
    begun, over = pinged(job, REQUESTS, 2, "Down")
    assert (begun["status"], begun["run_id"]) == ("start", RID)
    assert (over["status"], over["exit_code"], over["run_id"]) == ("failure", 3, RID)
    assert over["message"] == "größer"
    assert over["source"].startswith("python-requests/")


def test_requests_come_again_when_they_were_asked_to(job: Subject) -> None:
    ended = run(job, *PYTHON, RETRYING, refusals=[NOT_NOW])
    assert (ended.exit_code, ended.answers) == (0, [REFUSED, OK]), ended
    _, payload = job.recorded("Down")
    assert payload["message"] == "no disk"


def test_healthchecks_io_reports_everything_it_can(job: Subject) -> None:
    payloads = pinged(job, HEALTHCHECKS_IO, 4, "Down")
    assert kinds(payloads) == ["start", "success", "failure", "failure"]
    assert [each.get("message", "") for each in payloads[2:]] == ["no disk", "killed"]
    # What a success writes is nobody's to read.
    assert payloads[1]["output_length"] == len("done")
    assert payloads[3]["exit_code"] == 9


def test_healthchecks_io_pings_by_key_and_slug(job: Subject) -> None:
    (payload,) = pinged(job, BY_SLUG, 1, "Up")
    assert (payload["status"], payload["exit_code"]) == ("success", 0)


def test_healthchecks_io_knows_what_is_not_found(job: Subject) -> None:
    ended = run(job, *PYTHON, UNKNOWN)
    assert (ended.exit_code, ended.output) == (0, "not found\n"), ended
    assert job.lines() == []


def test_its_asynchronous_trap_reports_a_failure(job: Subject) -> None:
    begun, over = pinged(job, TRAP, 2, "Down")
    assert kinds([begun, over]) == ["start", "failure"]
    assert over["message"].startswith("began\nno disk")


def test_healthchecks_wrapper_reports_a_failure_with_its_traceback(
    job: Subject,
) -> None:
    begun, over = pinged(job, WRAPPER, 2, "Down")
    assert kinds([begun, over]) == ["start", "failure"]
    assert "OSError: no disk" in over["message"]


def test_healthchecks_decorator_reports_a_run(job: Subject) -> None:
    assert kinds(pinged(job, DECORATOR, 2, "Up")) == ["start", "success"]


def test_healthchecks_decorator_reports_a_failure(job: Subject) -> None:
    ended = run(job, *PYTHON, FAILING_DECORATOR)
    assert (ended.exit_code, ended.answers) == (1, [OK, OK]), ended
    job.wait("Down")
    assert kinds(told(job, 2)) == ["start", "failure"]


def test_healthcheck_pinger_reports_a_start_and_a_failure(job: Subject) -> None:
    begun, over = pinged(job, PINGER, 2, "Down")
    assert kinds([begun, over]) == ["start", "failure"]
    assert "OSError: no disk" in over["message"]
