"""curl and wget as crontabs call them: all pings, and retries that count once."""

import time
from pathlib import Path
from uuid import uuid4

import pytest

from support.clients import HANG_UP, NOT_NOW, RETRY_AFTER_SECONDS, customer, run, told
from support.kube import Kube
from support.operators import RunningOperator
from support.seeds import Subject

pytestmark = pytest.mark.integration

URL = "http://{host}/ping/{token}"
CURL = ("curl", "-fsS", "-m", "10", "--retry", "5")
WGET = ("wget", "-q", "-T", "10", "-O", "-")
RID = str(uuid4())

WRAPPER = f"""
curl -fsS -m 10 --retry 5 -o /dev/null "{URL}/start?rid={RID}"
output=$(echo "no space left"; exit 3); code=$?
curl -fsS -m 10 --retry 5 -o /dev/null --data-raw "$output" "{URL}/$code?rid={RID}"
"""
PIPE = f'df -P . | curl -fsS -m 10 --retry 5 --data-binary @- "{URL}/log" && {{next}}'
OK = (200, "OK")
REFUSED = (503, "")


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    return customer(kube, operator, namespace, tmp_path)


@pytest.mark.parametrize("client", [CURL, WGET], ids=["curl", "wget"])
@pytest.mark.parametrize(
    ("path", "state", "kind", "code"),
    [
        ("", "Up", "success", None),
        ("/0", "Up", "success", 0),
        ("/fail", "Down", "failure", None),
        ("/137", "Down", "failure", 137),
    ],
)
def test_a_ping_is_the_check_in_that_its_path_says(
    job: Subject,
    client: tuple[str, ...],
    path: str,
    state: str,
    kind: str,
    code: int | None,
) -> None:
    ended = run(job, *client, f"{URL}{path}")
    assert (ended.exit_code, ended.output, ended.answers) == (0, "OK", [OK])
    _, payload = job.recorded(state)
    assert (payload["status"], payload.get("exit_code")) == (kind, code)
    assert payload["source"].lower().startswith(client[0])


def test_a_wrapper_reports_start_exit_code_and_output_of_one_run(job: Subject) -> None:
    ended = run(job, "sh", "-c", WRAPPER)
    assert (ended.exit_code, ended.answers) == (0, [OK, OK])
    status = job.wait("Down")
    begun, over = told(job, 2)
    assert (begun["status"], begun["run_id"]) == ("start", RID)
    assert (over["status"], over["exit_code"], over["run_id"]) == ("failure", 3, RID)
    assert over["message"] == "no space left"
    assert status["lastCheckIn"]["message"] == "no space left"
    assert status["incident"]["reason"] == "RunFailed"


def test_a_log_line_through_a_pipe_changes_no_state(job: Subject) -> None:
    ended = run(job, "sh", "-c", PIPE.replace("{next}", f'curl -fsS "{URL}"'))
    assert (ended.exit_code, ended.answers) == (0, [OK, OK])
    job.wait("Up")
    logged, pinged = told(job, 2)
    assert (logged["status"], pinged["status"]) == ("log", "success")
    assert "Filesystem" in logged["message"]


@pytest.mark.parametrize("data", [(), ("--data-raw", "disk full")])
def test_curl_comes_again_when_it_was_asked_to(
    job: Subject, data: tuple[str, ...]
) -> None:
    began = time.monotonic()
    ended = run(job, *CURL, *data, f"{URL}/fail", refusals=[NOT_NOW, NOT_NOW])
    assert time.monotonic() - began >= 2 * RETRY_AFTER_SECONDS
    assert (ended.exit_code, ended.answers) == (0, [REFUSED, REFUSED, OK])
    _, payload = job.recorded("Down")
    assert payload.get("message", "") == (data[1] if data else "")


def test_curl_without_retries_says_that_it_was_refused(job: Subject) -> None:
    ended = run(job, "curl", "-fsS", URL, refusals=[NOT_NOW])
    assert (ended.exit_code, ended.answers) == (22, [REFUSED])
    assert job.lines() == []


def test_wget_tries_again_when_it_is_hung_up_on(job: Subject) -> None:
    ended = run(job, *WGET, "--tries=3", URL, refusals=[HANG_UP])
    assert (ended.exit_code, ended.answers) == (0, [OK])
    job.recorded("Up")


def test_wget_tries_again_when_it_is_refused(job: Subject) -> None:
    again = ("--tries=3", "--waitretry=1", "--retry-on-http-error=503")
    ended = run(
        job, *WGET, *again, "--post-data=no disk", f"{URL}/1", refusals=[NOT_NOW]
    )
    assert (ended.exit_code, ended.answers) == (0, [REFUSED, OK])
    _, payload = job.recorded("Down")
    assert (payload["exit_code"], payload["message"]) == (1, "no disk")
