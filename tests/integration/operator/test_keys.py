"""URLs outlive what becomes of the keys that sign them; what is lost is said."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.keys import (
    KEY_SECRET,
    SOON,
    delivered,
    fresh_key,
    is_ready_because,
    names_key,
    put_keys,
    series,
    until,
    without_key,
)
from support.kube import Kube, fresh_namespace, wait_until
from support.operators import SYSTEM
from support.own_cluster import Own
from support.processes import Process, ask, until_answers
from support.resources import MONITORS, SECRETS
from support.restarts import HEALTH, PINGS, Apart, path_of, run_role
from support.workloads import condition_of, has_said, ping_monitor

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]


@pytest.fixture
def kube(own: Own) -> Kube:
    """Act as the administrator of a cluster whose keys are this test's to lose."""
    return own.kube


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """Make a namespace of the test's own."""
    with fresh_namespace(kube) as name:
        yield name


def test_a_new_key_takes_over_while_every_url_goes_on_working(
    kube: Kube, apart: Apart, namespace: str
) -> None:
    kube.create(ping_monitor(namespace, "job", interval="24h"))
    old = path_of(kube, namespace, "job")
    assert until_answers(apart.url + old) == b"OK"
    before = kube.get(SECRETS, SYSTEM, KEY_SECRET)["data"]["current"]
    after = fresh_key()
    put_keys(kube, current=after, previous=before)
    new = delivered(kube, namespace, "job", other_than=old)
    # Never 404, not even at first: every ping service has read the new key.
    assert ask(apart.url + new) == (200, b"OK")
    assert ask(apart.url + old) == (200, b"OK")
    wait_until(kube, MONITORS, namespace, "job", names_key(after))
    until(lambda: series(apart.operator, 'ping_urls{key="previous"} 0.0'))
    put_keys(kube, current=after)
    until_answers(apart.url + old, 404)
    assert ask(apart.url + new) == (200, b"OK")
    assert "refused" not in apart.operator.said


def test_a_key_that_is_replaced_at_once_is_told(
    kube: Kube, apart: Apart, namespace: str
) -> None:
    kube.create(ping_monitor(namespace, "job", interval="24h"))
    old = path_of(kube, namespace, "job")
    wait_until(kube, MONITORS, namespace, "job", is_ready_because("Accepted"))
    until(lambda: series(apart.operator, 'ping_urls{key="missing"} 0.0'))
    before = kube.get(SECRETS, SYSTEM, KEY_SECRET)["data"]["current"]
    put_keys(kube, current=fresh_key())
    apart.operator.wait_for(r"ping URLs in use are refused", within=SOON)
    assert not series(apart.operator, "ping_urls_refused_total 0.0")
    new = delivered(kube, namespace, "job", other_than=old)
    assert ask(apart.url + new) == (200, b"OK")
    current = kube.get(SECRETS, SYSTEM, KEY_SECRET)["data"]["current"]
    put_keys(kube, current=current, previous=before)
    assert until_answers(apart.url + old) == b"OK"


def test_a_lost_key_kills_no_url_and_comes_back_without_a_restart(
    own: Own, apart: Apart, namespace: str, tmp_path: Path
) -> None:
    kube = own.kube
    kube.create(ping_monitor(namespace, "job", interval="24h"))
    path = path_of(kube, namespace, "job")
    assert until_answers(apart.url + path) == b"OK"
    wait_until(kube, MONITORS, namespace, "job", has_said("Up"))
    with ExitStack() as stack:
        with without_key(kube):
            check_that_it_is_said(kube, apart, namespace)
            # Who has the key goes on; who starts without it refuses nothing for good.
            assert ask(apart.url + path) == (200, b"OK")
            late = run_role(own.ping, "ping", tmp_path / "late.jsonl")
            stack.enter_context(late)
            check_that_it_waits(late, path)
            check_that_a_restart_changes_nothing(kube, apart, namespace)
        until_answers(late.wait_for(PINGS) + path)
        until_answers(late.wait_for(HEALTH) + "/readyz")
    good = is_ready_because("Accepted")
    wait_until(kube, MONITORS, namespace, "job", good, timeout=SOON)
    assert ask(apart.url + path) == (200, b"OK")
    until(lambda: series(apart.operator, "ping_key_lost 0.0"))


def check_that_it_is_said(kube: Kube, apart: Apart, namespace: str) -> None:
    """Check that both roles, the metrics and the monitor say that the key is lost."""
    lost = is_ready_because("KeyLost")
    found = wait_until(kube, MONITORS, namespace, "job", lost, timeout=SOON)
    assert found is not None
    ready = condition_of(found, "Ready")
    assert ready["status"] == "False"
    assert "restore it from a backup" in ready["message"]
    assert found["status"]["state"] == "Up"
    apart.operator.wait_for("KeyLost")
    apart.pings.wait_for("those in memory are used on")
    for role in (apart.operator, apart.pings):
        assert series(role, "ping_key_lost 1.0")


def check_that_it_waits(late: Process, path: str) -> None:
    """Check that a ping role without a key is not ready, and says why."""
    health, pings = late.wait_for(HEALTH), late.wait_for(PINGS)
    late.wait_for("Pings are answered with 503 for now")
    until(lambda: KEY_SECRET in ask(f"{health}/readyz")[1].decode())
    assert ask(f"{health}/readyz")[0] == 503
    assert ask(pings + path)[0] == 503


def check_that_a_restart_changes_nothing(
    kube: Kube, apart: Apart, namespace: str
) -> None:
    """Check that a new operator makes no key and says the same."""
    before = kube.get(MONITORS, namespace, "job")
    with apart.away():
        pass
    apart.operator.wait_for("KeyLost")
    after = kube.get(MONITORS, namespace, "job")
    assert condition_of(after, "Ready") == condition_of(before, "Ready")
    assert KEY_SECRET not in {
        each["metadata"]["name"] for each in kube.items(SECRETS, SYSTEM)
    }
