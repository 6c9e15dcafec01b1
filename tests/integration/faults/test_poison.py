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
from support.scrapes import total
from support.vigil import assert_well
from support.workloads import has_said, ping_monitor

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

CROWD = 1_000
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


@pytest.fixture
def operator(own: Own, kube: Kube, namespace: str) -> Iterator[Process]:
    """Run an operator that may write fast, after the half of the poison was there."""
    for name in list(POISON)[::2]:
        poison(own, kube, namespace, name)
    flags = ("--kubeconfig", str(own.operator), "--role", "operator", *FREE_PORTS)
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
    wait_until(kube, MONITORS, namespace, last, has_said("Down"), timeout=PATIENCE)
    until(lambda: len(down(kube, namespace)) >= CROWD)
    good = {name for name in down(kube, namespace) if name.startswith("good-")}
    assert len(good) == CROWD
    assert_well(operator)
    assert total(operator, "odd_objects_total") == 0
    left = set(POISON)
    until(lambda: not (left - set(explained(kube, namespace, operator))))


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


def explained(kube: Kube, namespace: str, operator: Process) -> Iterator[str]:
    """Yield the names of the poison that is explained."""
    for found in kube.items(MONITORS, namespace):
        name = found["metadata"]["name"]
        if name in POISON and (
            f"{namespace}/{name}" in operator.said or word(found) in {"New", "Unknown"}
        ):
            yield name
