"""Checkly: what its page says of methods and user agents.

The requests that are refused are followed by one that is recorded: in the event log
it is then the only one.
"""

from http import HTTPStatus
from pathlib import Path

import pytest
import requests

from support.kube import Kube
from support.operators import RunningOperator
from support.seeds import BASH, Site, Subject, subject

pytestmark = pytest.mark.integration

SITE = Site(host="ping.checklyhq.com", identifier="your-id")

NAMED = 'curl -A "MyApp/1.0" https://ping.checklyhq.com/your-id'
BLOCKED = """Twitterbot, Slackbot, Googlebot, Discordbot, Facebot, TelegramBot, \
WhatsApp, LinkedInBot"""
SECONDS = 10


@pytest.fixture
def job(
    kube: Kube, operator: RunningOperator, namespace: str, tmp_path: Path
) -> Subject:
    return subject(kube, operator, namespace, SITE, tmp_path)


def test_put_patch_and_delete_return_an_error_and_record_nothing(job: Subject) -> None:
    """The page: requests.put(heartbeat_url) will return an error."""
    heartbeat_url = f"{job.operator.ping}/{job.token}"
    for refused in (requests.put, requests.patch, requests.delete):
        answer = refused(heartbeat_url, timeout=SECONDS)
        assert answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "POST"}
    assert_only_the_next_is_recorded(job)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_get_and_post_are_recorded(job: Subject, method: str) -> None:
    heartbeat_url = f"{job.operator.ping}/{job.token}"
    answer = requests.request(method, heartbeat_url, timeout=SECONDS)
    assert (answer.status_code, answer.text) == (HTTPStatus.OK, "OK")
    _, payload = job.recorded("Up")
    assert payload["status"] == "success"


def test_blocked_user_agents_are_refused_and_not_recorded(job: Subject) -> None:
    for agent in BLOCKED.split(", "):
        blocked = NAMED.replace("MyApp", agent)
        ended = job.run(BASH, blocked)
        assert [status for status, _ in ended.answers] == [HTTPStatus.FORBIDDEN], agent
    assert_only_the_next_is_recorded(job)


def assert_only_the_next_is_recorded(job: Subject) -> None:
    """Ping with the user agent of the page; there is no other line."""
    payload = job.pinged(job.run(BASH, NAMED), "MyApp/1.0")
    assert payload["source"] == "MyApp/1.0"
