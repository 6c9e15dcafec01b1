"""Statuses that lag fill the journal: it is merged, and kills cost nothing.

The operator may write one status a second here, so that what was pinged stays in the
journal until another operator with the usual budget comes.
"""

import base64
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from heartbeats.core.model import MonitorKey
from heartbeats.core.tokens import Key, mint
from heartbeats.edges.kube.checkpoints import FEW
from support.kube import Kube, fresh_namespace
from support.operators import SYSTEM
from support.own_cluster import Own
from support.processes import ask
from support.resources import CONFIG_MAPS, MONITORS, SECRETS
from support.restarts import JOURNAL, outcomes, wait_journal_empty
from support.rigged import Rigged, checkpoint_stored
from support.traps import When
from support.workloads import ping_monitor

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

MANY = 250
SEGMENTS = 2 * MANY
CHECKPOINT = f"{JOURNAL}checkpoint-"
Said = dict[str, tuple[str, str]]
"""By monitor: how its run ended, and the run's id."""


@pytest.fixture
def kube(own: Own) -> Kube:
    """Act as the administrator."""
    return own.kube


@pytest.fixture
def rigged(
    own: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rigged]:
    """Run both roles; the operator hardly writes statuses."""
    monkeypatch.setenv("HEARTBEATS_API_WRITE_BUDGET", "1")
    monkeypatch.setenv("HEARTBEATS_PING_SECRETS", "false")
    with Rigged.running(own, tmp_path) as found:
        yield found


def test_a_journal_that_waits_is_merged_and_survives_kills(
    kube: Kube, rigged: Rigged, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fresh_namespace(kube) as namespace:
        paths = create_monitors(kube, namespace)
        said: Said = {}
        rigged.killed_at(
            checkpoint_stored(),
            When.AFTER,
            lambda: said.update(ping_all(rigged.apart.url, paths)),
        )
        found = journal(kube)
        assert len(found) > SEGMENTS // 2, "a checkpoint, and what it was made of"
        assert any(name.startswith(CHECKPOINT) for name in found)
        merged = wait_for_fewer(kube, FEW)
        assert any(name.startswith(CHECKPOINT) for name in merged)
        monkeypatch.setenv("HEARTBEATS_API_WRITE_BUDGET", "50")
        with rigged.apart.away():
            pass
        wait_journal_empty(kube)
        check_statuses(kube, namespace, said)


def create_monitors(kube: Kube, namespace: str) -> dict[str, str]:
    """Create the monitors; return the paths of their URLs by name."""
    secret = kube.get(SECRETS, SYSTEM, "heartbeats-ping-key")
    key = Key.of(base64.b64decode(secret["data"]["current"]))
    names = [f"job-{number}" for number in range(MANY)]
    for name in names:
        kube.create(ping_monitor(namespace, name, interval="24h"))
    return {
        name: f"/ping/{mint(key, MonitorKey(namespace, name), 1)}" for name in names
    }


def ping_all(base: str, paths: dict[str, str]) -> Said:
    """Tell start and end of a run of each, one after the other: a segment each."""
    said: Said = {}
    for number, (name, path) in enumerate(paths.items()):
        outcome, end = ("failure", "/fail") if number % 3 == 0 else ("success", "")
        run = str(uuid4())
        until_accepted(f"{base}{path}/start?rid={run}")
        until_accepted(f"{base}{path}{end}?rid={run}")
        said[name] = (outcome, run)
    return said


def until_accepted(url: str) -> None:
    """Ping until it is stored; a new monitor is not known for a moment."""
    ends = time.monotonic() + 30
    while ask(url)[0] != HTTPStatus.OK:
        assert time.monotonic() < ends, url


def journal(kube: Kube) -> set[str]:
    """Return the names of the journal's segments and checkpoints."""
    names = (each["metadata"]["name"] for each in kube.items(CONFIG_MAPS, SYSTEM))
    return {name for name in names if name.startswith(JOURNAL)}


def wait_for_fewer(kube: Kube, number: int, *, timeout: float = 90.0) -> set[str]:
    """Return the names as soon as there are fewer."""
    page: Any = kube.send("GET", CONFIG_MAPS.path(SYSTEM)).body
    names = journal(kube)
    since = page["metadata"]["resourceVersion"]
    events = kube.watch(CONFIG_MAPS, SYSTEM, since, timeout)
    while len(names) >= number:
        kind, item = next(events)
        name = item["metadata"]["name"]
        if kind == "DELETED":
            names.discard(name)
        elif name.startswith(JOURNAL):
            names.add(name)
    return names


def check_statuses(kube: Kube, namespace: str, said: Said) -> None:
    """Check that each run counts once, with its start and its end."""
    found = {each["metadata"]["name"]: each for each in kube.items(MONITORS, namespace)}
    assert found.keys() == said.keys()
    for name, (outcome, run) in said.items():
        status = found[name]["status"]
        assert outcomes(found[name]) == [outcome]
        assert status["state"] == ("Up" if outcome == "success" else "Down")
        assert [each["id"] for each in status["history"]] == [run]
        assert "startTime" in status["history"][0]
        assert "activeRuns" not in status
