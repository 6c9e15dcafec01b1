"""Who watches the watcher: a heartbeat outwards, and readiness that can fail.

The API server of a cluster of the test's own is taken away and brought back.
"""

import http.server
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from heartbeats.cluster.record import Component
from support.keys import until
from support.own_cluster import Own
from support.processes import FREE_PORTS, Process, ask, until_answers
from support.restarts import HEALTH, run_role

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

TOKEN = "6f0c1f0e-1234-8000-8000-00000000beef"
METRICS = r"The metrics listener is at (\S+)"
PAGE = r"The page listener is at (\S+)"
EVALUATED = r"^heartbeat_operator_last_evaluation_timestamp_seconds (\S+)$"
A_MINUTE = 60.0
OUTAGE_SECONDS = 160.0


class Watcher(http.server.ThreadingHTTPServer):
    """Whoever is to be told, with all that came and when."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came: list[str] = []
        self.news = threading.Condition()

    @property
    def url(self) -> str:
        """Return where a heartbeat goes."""
        return f"http://127.0.0.1:{self.server_port}/ping/{TOKEN}"

    def wait_for(self, count: int, *, within: float) -> None:
        """Return as soon as so many heartbeats came; within so many seconds."""
        with self.news:
            arrived = self.news.wait_for(lambda: len(self.came) >= count, within)
            assert arrived, self.came


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Watcher

    def do_GET(self) -> None:
        with self.server.news:
            self.server.came.append(self.path)
            self.server.news.notify_all()
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    """Listen for heartbeats; every process of the test is told where."""
    with Watcher() as found:
        monkeypatch.setenv("HEARTBEATS_SELF_PING_URL", found.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            found.shutdown()
            thread.join()


def run_operator(own: Own) -> Process:
    """Run the operator role, at its most talkative."""
    flags = ("--role", "operator", "--log-level", "DEBUG")
    return Process("run", "--kubeconfig", str(own.operator), *FREE_PORTS, *flags)


def metrics(process: Process) -> str:
    return ask(f"{process.wait_for(METRICS)}/metrics")[1].decode()


def evaluated(process: Process) -> float:
    """Return up to when deadlines were judged; 0: nobody can say."""
    found = re.search(EVALUATED, metrics(process), re.MULTILINE)
    return float(found[1]) if found else 0.0


def until_evaluated_after(process: Process, at: float) -> float:
    """Wait for the next round; return when it was."""
    ends = time.monotonic() + A_MINUTE
    while (found := evaluated(process)) <= at:
        assert time.monotonic() < ends
        time.sleep(0.2)  # a process offers nothing to watch
    return found


def test_a_heartbeat_goes_out_as_soon_as_deadlines_are_judged_and_not_before(
    own: Own, watcher: Watcher
) -> None:
    own.plane.kill(Component.APISERVER)
    with run_operator(own) as operator:
        try:
            operator.wait_for("The watch was interrupted", within=A_MINUTE)
            assert ask(f"{operator.wait_for(HEALTH)}/readyz")[0] == 503
            assert watcher.came == []
        finally:
            own.plane.start(Component.APISERVER)
        watcher.wait_for(1, within=A_MINUTE)
        assert watcher.came == [f"/ping/{TOKEN}"]
        # It is counted when its answer has been read.
        until(lambda: 'self_pings_total{outcome="sent"} 1.0' in metrics(operator))
        # Nothing is due in an empty cluster, and the rounds go on.
        first = until_evaluated_after(operator, 0)
        until_evaluated_after(operator, first)
        page = ask(operator.wait_for(PAGE))[1].decode()
        assert TOKEN not in operator.said + metrics(operator) + page
        assert operator.end() == 0


@pytest.mark.slow
def test_an_outage_withholds_it_and_ends_the_operator_s_readiness_but_no_ping_s(
    own: Own, watcher: Watcher, tmp_path: Path
) -> None:
    with (
        run_operator(own) as operator,
        run_role(own.ping, "ping", tmp_path / "events") as pings,
    ):
        health = [f"{each.wait_for(HEALTH)}/readyz" for each in (operator, pings)]
        for url in health:
            until_answers(url, within=A_MINUTE)
        watcher.wait_for(2, within=2 * A_MINUTE)
        own.plane.kill(Component.APISERVER)
        began, at = time.monotonic(), evaluated(operator)
        try:
            check_the_outage(operator, pings, watcher, began)
            assert evaluated(operator) <= at + 90
        finally:
            own.plane.start(Component.APISERVER)
        count = len(watcher.came)
        for url in health:
            until_answers(url, within=A_MINUTE)
        watcher.wait_for(count + 1, within=2 * A_MINUTE)
        assert TOKEN not in operator.said


def check_the_outage(
    operator: Process, pings: Process, watcher: Watcher, began: float
) -> None:
    """Look at both roles all the time, until the outage has lasted."""
    ready, came = "", 0
    while (lasts := time.monotonic() - began) < OUTAGE_SECONDS:
        assert ask(f"{pings.wait_for(HEALTH)}/readyz")[0] == 200
        ready = ask(f"{operator.wait_for(HEALTH)}/readyz")[1].decode()
        if lasts < OUTAGE_SECONDS / 2:
            came = len(watcher.came)
        time.sleep(1)  # nothing is awaited but the end of the outage
    assert '"status": "failing"' in ready
    assert len(watcher.came) == came
