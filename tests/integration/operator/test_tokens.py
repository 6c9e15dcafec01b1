"""URLs outlive what becomes of their tokens and keys, and what ends them is said."""

import base64
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from heartbeats.core.tokens import Key
from support.kube import Kube, fresh_namespace, wait_until
from support.operators import SYSTEM, ping_url
from support.own_cluster import Own
from support.processes import Process, ask, until_answers
from support.resources import MONITORS, SECRETS, Object
from support.restarts import HEALTH, PINGS, Apart, path_of, run_role
from support.workloads import condition_of, has_said, ping_monitor

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

KEY_SECRET = "heartbeats-ping-key"
METRICS = r"The metrics listener is at (\S+)"
SOON = 60.0


@pytest.fixture
def kube(own: Own) -> Kube:
    """Act as the administrator of a cluster whose keys are this test's to lose."""
    return own.kube


@pytest.fixture
def apart(own: Own, tmp_path: Path) -> Iterator[Apart]:
    """Run both roles of the test's own."""
    with Apart.running(own, tmp_path / "events.jsonl") as running:
        yield running


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """Make a namespace of the test's own."""
    with fresh_namespace(kube) as name:
        yield name


def edit_ping(kube: Kube, namespace: str, name: str, **ping: object) -> None:
    """Change spec.ping as its owner does."""
    patch = {
        "apiVersion": "heartbeats.dev/v1alpha1",
        "kind": "HeartbeatMonitor",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ping": ping},
    }
    kube.apply(patch, manager="owner")


def delivered(kube: Kube, namespace: str, name: str, *, other_than: str) -> str:
    """Return the path of the URL that takes the place of another."""

    def is_another(found: Object | None) -> bool:
        if found is None:
            return False
        url = base64.b64decode(found["data"]["url"]).decode()
        return urlsplit(url).path != other_than

    wait_until(kube, SECRETS, namespace, f"{name}-ping", is_another, timeout=SOON)
    return urlsplit(ping_url(kube, namespace, name)).path


def series(process: Process, text: str) -> bool:
    """Tell whether a role's metrics have a line."""
    _, body = ask(f"{process.wait_for(METRICS)}/metrics")
    return f"\nheartbeat_operator_{text}\n" in body.decode()


def until(condition: Callable[[], bool]) -> None:
    """Wait for what offers nothing to watch."""
    ends = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.2)


def names_key(key: str) -> Callable[[Object | None], bool]:
    """Return a predicate: the status names the key that signed its URL."""
    key_id = Key.of(base64.b64decode(key)).id

    def holds(found: Object | None) -> bool:
        ping: Object = (found or {}).get("status", {}).get("ping", {})
        return bool(ping.get("keyID") == key_id)

    return holds


def is_ready_because(reason: str) -> Callable[[Object | None], bool]:
    """Return a predicate: the condition Ready has this reason."""

    def holds(found: Object | None) -> bool:
        if not (found or {}).get("status"):
            return False
        return bool(condition_of(found or {}, "Ready")["reason"] == reason)

    return holds


def test_raising_the_version_gives_a_new_url_without_a_gap(
    kube: Kube, apart: Apart, namespace: str
) -> None:
    kube.create(ping_monitor(namespace, "job", interval="24h"))
    old = path_of(kube, namespace, "job")
    assert until_answers(apart.url + old) == b"OK"
    edit_ping(kube, namespace, "job", tokenVersion=2, minTokenVersion=1)
    new = delivered(kube, namespace, "job", other_than=old)
    for path in (old, new):
        assert until_answers(apart.url + path) == b"OK"
    edit_ping(kube, namespace, "job", tokenVersion=2, minTokenVersion=2)
    until_answers(apart.url + old, 404)
    assert ask(apart.url + new) == (200, b"OK")
    wait_until(kube, MONITORS, namespace, "job", has_said("Up"))


def test_urls_of_another_system_go_on_working(
    kube: Kube, apart: Apart, namespace: str
) -> None:
    uuid, slug = str(uuid4()), f"{uuid4().hex[:20]}/nightly-backup"
    hashes = [sha256(each.encode()).hexdigest() for each in (uuid, slug)]
    assert ask(f"{apart.url}/ping/{uuid}")[0] == 404
    monitor = ping_monitor(namespace, "old", interval="24h")
    monitor["spec"]["ping"] = {"tokenHashes": hashes}
    first = kube.create(monitor)
    for path in (f"/ping/{uuid}", f"/{uuid}", f"/ping/{slug}", f"/ping/{slug}/0"):
        assert until_answers(apart.url + path)
    wait_until(kube, MONITORS, namespace, "old", has_said("Up"))
    wait_for_another_second(kube, namespace, first["metadata"]["creationTimestamp"])
    monitor["metadata"]["name"] = "young"
    kube.create(monitor)
    in_vain = is_ready_because("TokenConflict")
    wait_until(kube, MONITORS, namespace, "young", in_vain)
    kube.delete(MONITORS, namespace, "old")
    wait_until(kube, MONITORS, namespace, "young", is_ready_because("Accepted"))
    assert ask(f"{apart.url}/ping/{uuid}") == (200, b"OK")
    wait_until(kube, MONITORS, namespace, "young", has_said("Up"))


def wait_for_another_second(kube: Kube, namespace: str, second: str) -> None:
    """Return when what is created is younger: creation times have no fractions."""
    for number in range(1_000):
        probe = ping_monitor(namespace, f"probe-{number}", interval="24h")
        stored = kube.create(probe, dryRun="All")
        if stored["metadata"]["creationTimestamp"] > second:
            return


def fresh_key() -> str:
    """Make a key as the documentation says, as it stands in the Secret."""
    return base64.b64encode(os.urandom(32)).decode()


def put_keys(kube: Kube, **data: str) -> None:
    """Write the key Secret over the one that is there, or as a new one."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": KEY_SECRET, "namespace": SYSTEM},
        "type": "Opaque",
        "data": data,
    }
    there = {each["metadata"]["name"] for each in kube.items(SECRETS, SYSTEM)}
    (kube.replace if KEY_SECRET in there else kube.create)(secret)


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


@contextmanager
def without_key(kube: Kube) -> Iterator[None]:
    """Lose the key Secret, and restore it from a backup."""
    backup = kube.get(SECRETS, SYSTEM, KEY_SECRET)["data"]
    kube.delete(SECRETS, SYSTEM, KEY_SECRET)
    try:
        yield
    finally:
        put_keys(kube, **backup)


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
    late.wait_for("Ping URLs are in danger")
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
