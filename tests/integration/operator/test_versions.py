"""Two releases at once, while pings come: an upgrade, and the way back.

The next release is this one with more to say. It comes as it does for users: its
definition first, then its replicas beside the old ones, then the old ones go.
"""

import json
import random
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import pytest

from support.kube import Kube, fresh_namespace, wait_until
from support.operators import SYSTEM, forget_leader
from support.own_cluster import Own
from support.processes import Process, ask, until_answers
from support.releases import NEXT, definition_of_next, make_next
from support.replicas import FOLLOWS, METRICS
from support.resources import CONFIG_MAPS, EVENTS, MONITORS, Object
from support.restarts import (
    HEALTH,
    OPENED,
    PATIENCE,
    PINGS,
    Apart,
    now,
    path_of,
    run_role,
    send,
    wait_journal_empty,
    watch_past,
)
from support.workloads import has_said, ping_monitor, state_is

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

NAMES = [f"job-{number}" for number in range(8)]
THREADS = 4
ENOUGH = 60
"""So many pings are answered in each stage, of any two releases."""

NEWER = '{"formatVersion":2,"entries":"nobody knows"}'


@pytest.fixture
def kube(own: Own) -> Kube:
    """Act as the administrator."""
    return own.kube


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """Make a namespace of the test's own."""
    with fresh_namespace(kube) as name:
        yield name


@dataclass
class Load:
    """Pings from threads, each with a run id of its own, to whoever is there."""

    paths: dict[str, str]
    bases: list[str]
    acked: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._news = threading.Condition()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ping until the end of the block."""
        threads = [
            threading.Thread(target=self._ping, args=(NAMES[number::THREADS],))
            for number in range(THREADS)
        ]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._ended.set()
            for each in threads:
                each.join()

    def go_on(self) -> None:
        """Return when enough further pings were answered with success."""
        with self._news:
            goal = self._count() + ENOUGH
            assert self._news.wait_for(lambda: self._count() >= goal, PATIENCE)

    def _count(self) -> int:
        return sum(map(len, self.acked.values()))

    def _ping(self, names: list[str]) -> None:
        """Ping monitors of one's own: a run that is told late is no newest run."""
        while not self._ended.is_set():
            name, run_id = random.choice(names), str(uuid4())  # noqa: S311 - no secret
            base = random.choice(self.bases)  # noqa: S311 - no secret
            try:
                code, _ = ask(f"{base}{self.paths[name]}?rid={run_id}")
            except OSError:
                code = 0
            if code != HTTPStatus.OK:
                self._ended.wait(0.05)  # not acknowledged: nothing is promised
                continue
            with self._news:
                self.acked[name].add(run_id)
                self._news.notify_all()


@dataclass
class Rollout:
    """One replica of each role, replaced one by one by another release's."""

    own: Own
    event_log: Path
    roles: dict[str, Process] = field(default_factory=dict)

    def begin(self) -> str:
        """Run this release; return where it answers pings."""
        forget_leader(self.own.kube)
        self.roles["operator"] = self._start("operator", None)
        self.roles["operator"].wait_for(OPENED, within=PATIENCE)
        self.roles["ping"] = self._start("ping", None)
        return self._ready("ping")

    def replace_pings(self, bases: list[str], release: Path | None) -> None:
        """Have both answer, then only the new one."""
        old = self.roles["ping"]
        self.roles["ping"] = self._start("ping", release)
        bases.append(self._ready("ping"))
        bases.pop(0)
        with old:
            old.end(signal.SIGTERM)

    def replace_operator(self, release: Path | None) -> None:
        """Have the new one follow, then lead."""
        old = self.roles["operator"]
        self.roles["operator"] = self._start("operator", release)
        self._ready("operator")
        self.roles["operator"].wait_for(FOLLOWS)
        with old:
            old.end(signal.SIGTERM)
        self.roles["operator"].wait_for(OPENED, within=PATIENCE)

    def _start(self, role: str, release: Path | None) -> Process:
        way = self.own.operator if role == "operator" else self.own.ping
        return run_role(way, role, self.event_log, release)

    def _ready(self, role: str) -> str:
        process = self.roles[role]
        health = process.wait_for(HEALTH, within=PATIENCE)
        until_answers(f"{health}/readyz", within=PATIENCE)
        return process.wait_for(PINGS) if role == "ping" else ""

    def version(self, role: str) -> str:
        """Return the release that a role says it is."""
        url = self.roles[role].wait_for(METRICS)
        text = until_answers(f"{url}/metrics").decode()
        [line] = [each for each in text.splitlines() if "_build_info{" in each]
        return line.split('version="')[1].split('"')[0]

    def close(self) -> None:
        """End both."""
        for each in self.roles.values():
            each.close()


def test_an_upgrade_and_a_rollback_under_load_lose_and_double_nothing(
    own: Own, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """In each stage one release stores pings that the other may have to apply."""
    coming = make_next(tmp_path / "next")
    rollout = Rollout(own, tmp_path / "events.jsonl")
    try:
        bases = [rollout.begin()]
        for name in NAMES:
            kube.create(ping_monitor(namespace, name, interval="24h"))
            wait_until(kube, MONITORS, namespace, name, state_is("New"))
        expect_soon = {"interval": "24h", "firstCheckInWithin": "10s"}
        kube.create(ping_monitor(namespace, "silent", **expect_soon))
        load = Load({name: path_of(kube, namespace, name) for name in NAMES}, bases)
        with load.running():
            load.go_on()
            with definition_of_next(kube):
                rollout.replace_pings(bases, coming)
                load.go_on()
                rollout.replace_operator(coming)
                assert rollout.version("operator") == rollout.version("ping") == NEXT
                load.go_on()
                rollout.replace_operator(None)
                load.go_on()
                rollout.replace_pings(bases, None)
                load.go_on()
        wait_until(kube, MONITORS, namespace, "silent", has_said("Down"))
        wait_journal_empty(kube)
        check_counted(kube, namespace, rollout.event_log, load.acked)
        check_told_once(kube, namespace, rollout.event_log)
    finally:
        rollout.close()


def test_what_the_next_release_added_to_a_status_costs_this_one_nothing(
    own: Own, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """The rest of that status is the state, and goes on."""
    coming = make_next(tmp_path / "next")
    rollout = Rollout(own, tmp_path / "events.jsonl")
    try:
        with definition_of_next(kube):
            bases = [rollout.begin()]
            rollout.replace_operator(coming)
            kube.create(ping_monitor(namespace, "job", interval="24h"))
            wait_until(kube, MONITORS, namespace, "job", state_is("New"))
            send(kube, bases[0], namespace, "job", f"/fail?rid={uuid4()}")
            before = wait_until(kube, MONITORS, namespace, "job", has_said("Down"))
            assert before["status"]["formatVersion"] == 2
            assert before["status"]["outlook"] == {"word": "Down"}
            rollout.replace_operator(None)
            send(kube, bases[0], namespace, "job", f"?rid={uuid4()}")
            found = wait_until(kube, MONITORS, namespace, "job", has_said("Up"))
        status = found["status"]
        assert "outlook" not in status, "nobody keeps it up to date"
        assert status["formatVersion"] == 1
        assert [run["outcome"] for run in status["history"]] == ["success", "failure"]
        assert status["lastFailureTime"] == before["status"]["lastFailureTime"]
    finally:
        rollout.close()


def test_pings_that_only_a_newer_release_can_read_make_nobody_down(
    apart: Apart, kube: Kube, namespace: str
) -> None:
    """They are kept, and told of; whose window they touch cannot be known."""
    kube.create(ping_monitor(namespace, "job", interval="15s", gracePeriod="20s"))
    wait_until(kube, MONITORS, namespace, "job", state_is("New"))
    send(kube, apart.url, namespace, "job", f"?rid={uuid4()}")
    up = wait_until(kube, MONITORS, namespace, "job", has_said("Up"))
    watch_past(kube, namespace, up["status"]["nextExpectedTime"])
    kube.create(segment_of_a_newer_release())
    try:
        found = wait_until(kube, MONITORS, namespace, "job", has_said("Unknown"))
        [healthy, _] = found["status"]["conditions"]
        assert healthy["reason"] == "BlindWindow"
        apart.operator.wait_for(r"is kept, but not applied: .*formatVersion 2.*update")
        url = apart.operator.wait_for(METRICS)
        wait_for_metric(url, "heartbeat_operator_journal_unread_segments 1.0")
    finally:
        kube.delete(CONFIG_MAPS, SYSTEM, "heartbeats-journal-newer")
    wait_for_metric(url, "heartbeat_operator_journal_unread_segments 0.0")


# How


def check_counted(
    kube: Kube, namespace: str, event_log: Path, acked: dict[str, set[str]]
) -> None:
    """Check each monitor's count against the log, and the log against the answers."""
    logged: dict[str, set[str]] = defaultdict(set)
    for line in map(json.loads, event_log.read_text().splitlines()):
        if run_id := line["payload"].get("run_id"):
            logged[line["check_in_id"].rpartition("/")[2]].add(run_id)
    for name in NAMES:
        found: Object = kube.get(MONITORS, namespace, name)
        assert acked[name] <= logged[name], "an acknowledged ping is lost"
        assert found["status"]["consecutiveSuccesses"] == len(logged[name])


def check_told_once(kube: Kube, namespace: str, event_log: Path) -> None:
    """Check that the one that was never heard of is Down by one Event and one line."""
    told = kube.items(EVENTS, namespace)
    assert [each["reason"] for each in told] == ["RunMissed"], told
    lines = map(json.loads, event_log.read_text().splitlines())
    about = (each for each in lines if each["check_in_id"] == f"{namespace}/silent")
    assert len({each["payload"]["id"] for each in about}) == 1


def segment_of_a_newer_release() -> Object:
    """Write a segment as a release far ahead does."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "heartbeats-journal-newer",
            "namespace": SYSTEM,
            "labels": {"heartbeats.dev/journal": "v1"},
        },
        "immutable": True,
        "data": {"entries": NEWER},
    }


def wait_for_metric(url: str, line: str) -> None:
    """Return when the operator exports it; AssertionError."""
    ends = now() + timedelta(seconds=PATIENCE)
    while line not in until_answers(f"{url}/metrics").decode():
        assert now() < ends, f"no {line!r}"
