"""A few monitors that no operator could have written, among a thousand good ones.

They are put into etcd past the API server, which would refuse them: as an older
definition without today's rules, a hand with an editor or a broken backup leaves them.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.etcd import store_monitor, stored_monitor
from support.keys import until
from support.kube import Kube, wait_until
from support.own_cluster import Own
from support.processes import FREE_PORTS, Process
from support.resources import MONITORS, Object
from support.restarts import OPENED, PATIENCE
from support.scrapes import sample, scrape, total
from support.vigil import assert_well
from support.workloads import condition_of, ping_monitor, state_is

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

CROWD = 1_000
A_WHILE = 240.0
"""Seconds for all of them; half a minute of it is their own."""

LONG_AGO, NEVER = "0000-00-00T25:61:61Z", "99999-12-31T23:59:59Z"
POISON: dict[str, Object] = {
    "spec-is-text": {"spec": "ping me daily"},
    "spec-is-absent": {"spec": None},
    "spec-of-other-types": {
        "spec": {"ping": [], "interval": 5, "failureThreshold": "three", "owner": {}}
    },
    "status-is-text": {"status": "Down"},
    "status-of-other-types": {
        "status": {
            "state": 5,
            "conditions": "none",
            "formatVersion": "two",
            "history": {"first": "failure"},
            "activeRuns": [1, None, "run"],
            "pendingFlips": 7,
            "incident": [],
        }
    },
    "status-of-a-later-format": {"status": {"formatVersion": 99, "state": "Limbo"}},
    "absurd-times": {
        "status": {
            "state": "Up",
            "nextExpectedTime": NEVER,
            "lastSuccessTime": LONG_AGO,
            "applied": {"sinceTime": NEVER},
            "pendingFlips": [{"id": "x", "time": LONG_AGO}],
        }
    },
    "huge": {"spec": {"ping": {}, "interval": "24h", "description": "h" * 1_200_000}},
}

BEYOND_HELP = {"spec-is-text", "spec-of-other-types"}
"""No status of these can be written: the API server wants the whole to be valid."""


@pytest.fixture
def operator(own: Own, kube: Kube, namespace: str) -> Iterator[Process]:
    """Run an operator that may write fast, after the half of the poison was there."""
    for name in list(POISON)[::2]:
        poison(own, kube, namespace, name)
    # With the ping service: where none is any more, nobody can be Down for silence.
    flags = ("--kubeconfig", str(own.operator), *FREE_PORTS)
    fast = ("--no-ping-secrets", "--api-write-budget", "500")
    with Process("run", *flags, *fast) as process:
        process.wait_for(OPENED, within=PATIENCE)
        yield process
        assert process.end() == 0


def test_a_thousand_good_ones_are_judged_whatever_the_others_are(
    own: Own, kube: Kube, namespace: str, operator: Process
) -> None:
    """Each of the others says what is wrong with it, or the log names it."""
    create_crowd(kube, namespace)
    for name in list(POISON)[1::2]:
        poison(own, kube, namespace, name)
    last = f"good-{CROWD - 1}"
    wait_until(kube, MONITORS, namespace, last, state_is("Down"), timeout=A_WHILE)
    until(lambda: len(down(kube, namespace)) >= CROWD)
    good = {name for name in down(kube, namespace) if name.startswith("good-")}
    assert len(good) == CROWD
    assert_well(operator)
    check_mended(kube, namespace)
    check_beyond_help(namespace, operator)


def check_mended(kube: Kube, namespace: str) -> None:
    """Check that what can be written is, and says what is wrong with the spec."""
    for name in set(POISON) - BEYOND_HELP:
        found: Any = wait_until(
            kube, MONITORS, namespace, name, is_sound, timeout=PATIENCE
        )
        ready = condition_of(found, "Ready")
        if name == "spec-is-absent":
            assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
        else:
            assert (ready["status"], word(found)) == ("True", "New"), name
        if name == "huge":
            assert "spec.description: is longer than 1024" in ready["message"]


def check_beyond_help(namespace: str, operator: Process) -> None:
    """Check that the others are named, by the log and by a metric, and cost little."""
    text = scrape(operator)
    for name in BEYOND_HELP:
        said = f"The status of {namespace}/{name} is not stored yet"
        assert operator.said.count(said) == 1
        labels = {"heartbeatmonitor": name, "reason": "InvalidSpec"}
        assert sample(text, "heartbeat_monitor_not_ready", **labels) == 1
    assert total(operator, "api_writes_total", code="422") < 40


def create_crowd(kube: Kube, namespace: str) -> None:
    """Create good monitors, all of which are soon Down."""
    spec = {"interval": "24h", "firstCheckInWithin": "30s"}
    manifests = [
        ping_monitor(namespace, f"good-{each}", **spec) for each in range(CROWD)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(kube.create, manifests))


def poison(own: Own, kube: Kube, namespace: str, name: str) -> None:
    """Make a monitor, then write into it past every check."""
    kube.create(ping_monitor(namespace, name, interval="24h"))
    stored = stored_monitor(own.plane, namespace, name)
    odd = {key: value for key, value in POISON[name].items() if value is not None}
    for key in POISON[name]:
        stored.pop(key, None)
    store_monitor(own.plane, namespace, name, stored | odd)


def down(kube: Kube, namespace: str) -> set[str]:
    """Return the names of the monitors that are Down."""
    found = kube.items(MONITORS, namespace)
    return {each["metadata"]["name"] for each in found if word(each) == "Down"}


def word(found: Any) -> Any:
    """Return what a monitor says, whatever its status is."""
    status = found.get("status")
    return status.get("state") if isinstance(status, dict) else None


def is_sound(found: Any) -> bool:
    """Tell whether a monitor has a status that an operator has written."""
    status = (found or {}).get("status")
    return isinstance(status, dict) and status.get("formatVersion") == 1
