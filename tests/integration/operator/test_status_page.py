"""The status page of a real operator: it tells what the cluster does as it does it."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest

from support.kube import Kube, wait_until
from support.operators import RunningOperator, ping_url
from support.own_cluster import Own
from support.processes import FREE_PORTS, Process, ask, until_answers
from support.resources import MONITORS
from support.restarts import HEALTH
from support.workloads import ping_monitor, state_is

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

_PATIENCE = 90.0


@contextmanager
def stream(page: str) -> Iterator[HTTPResponse]:
    """Have a page open."""
    place = urlsplit(page)
    connection = HTTPConnection(place.hostname or "", place.port, timeout=_PATIENCE)
    with closing(connection):
        connection.request("GET", "/events?since=0")
        answer = connection.getresponse()
        assert answer.status == 200
        yield answer


def until_told(answer: HTTPResponse, page: str, key: str, state: str) -> None:
    """Read events until one tells this of a monitor; "" means that it is gone.

    Told to load all of it again, as after a change of leaders, it does.
    """
    ends = time.monotonic() + _PATIENCE
    name = b""
    while time.monotonic() < ends and (line := answer.readline()):
        if line.startswith(b"event: "):
            name = line.removeprefix(b"event: ").strip()
        if not line.startswith(b"data: "):
            continue
        told = json.loads(line.removeprefix(b"data: "))
        rows = {row["key"]: row["state"] for row in told.get("rows", ())}
        gone = dict.fromkeys(told.get("gone", ()), "")
        again = {key: state_in_json(page, key)} if name == b"reload" else {}
        if (rows | gone | again).get(key) == state:
            return
    raise AssertionError(f"the open page was not told that {key} is {state or 'gone'}")


def state_in_json(page: str, key: str) -> str | None:
    """Return the state of a monitor; "" if it is gone, None if nobody knows."""
    code, body = ask(f"{page}/api/v1/monitors/{key}")
    return {200: json.loads(body).get("state"), 404: ""}.get(code)


def test_an_open_page_is_told_what_happens_without_asking_again(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    key = f"{namespace}/job"
    with stream(operator.page) as answer:
        kube.create(ping_monitor(namespace, "job", interval="24h", owner="team-a"))
        until_told(answer, operator.page, key, "New")
        url = ping_url(kube, namespace, "job")
        until_answers(url)
        until_told(answer, operator.page, key, "Up")
        until_answers(f"{url}/fail")
        until_told(answer, operator.page, key, "Down")
        token = url.rpartition("/")[2]
        pages = [
            ask(operator.page + path)[1].decode()
            for path in (
                f"/?namespace={namespace}",
                f"/incidents?namespace={namespace}",
                f"/monitors/{key}",
                f"/api/v1/monitors?namespace={namespace}&state=Down",
                f"/api/v1/monitors/{key}",
                f"/badge/{key}.svg",
            )
        ]
        for page in pages:
            assert "Down" in page
            assert token not in page
        [listed] = json.loads(pages[3])["monitors"]
        assert (listed["name"], listed["reason"]) == ("job", "RunFailed")
        kube.delete(MONITORS, namespace, "job")
        until_told(answer, operator.page, key, "")
    assert ask(f"{operator.page}/monitors/{key}")[0] == 404


def test_what_the_page_tells_is_what_the_status_tells(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    kube.create(ping_monitor(namespace, "job", interval="24h", severity="warning"))
    wait_until(kube, MONITORS, namespace, "job", state_is("New"))
    until_answers(ping_url(kube, namespace, "job"))
    stored = wait_until(kube, MONITORS, namespace, "job", state_is("Up"))["status"]
    url = f"{operator.page}/api/v1/monitors/{namespace}/job"
    told = json.loads(until_answers(url))
    for name in ("state", "effective", "nextExpectedTime", "deadline", "history"):
        assert told.get(name) == stored.get(name), name
    assert told["severity"] == "warning"


def test_the_operator_ends_in_order_while_pages_are_open(own: Own) -> None:
    """Left alone, the streams would be torn off when the listener's patience ends."""
    with (
        Process(
            *("run", "--role", "operator", "--kubeconfig", str(own.operator)),
            *FREE_PORTS,
        ) as process,
        ExitStack() as stack,
    ):
        until_answers(f"{process.wait_for(HEALTH)}/readyz", within=_PATIENCE)
        page = process.wait_for(r"The page listener is at (\S+)")
        open_pages = [stack.enter_context(stream(page)) for _ in range(20)]
        for each in open_pages:
            assert each.readline().startswith(b"retry: ")
        assert process.end() == 0
        for each in open_pages:
            each.read()  # raises IncompleteRead for one that was torn off
        assert "Error handling request" not in process.said
