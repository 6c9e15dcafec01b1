"""URLs that get another token, and tokens that another system made."""

from collections.abc import Iterator
from hashlib import sha256
from uuid import uuid4

import pytest

from support.keys import delivered, is_ready_because, until
from support.kube import Kube, fresh_namespace, wait_until
from support.own_cluster import Own
from support.processes import ask, until_answers
from support.resources import MONITORS
from support.restarts import Apart, path_of
from support.workloads import has_said, ping_monitor

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


def edit_ping(kube: Kube, namespace: str, name: str, **ping: object) -> None:
    """Change spec.ping as its owner does."""
    patch = {
        "apiVersion": "heartbeats.dev/v1alpha1",
        "kind": "HeartbeatMonitor",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ping": ping},
    }
    kube.apply(patch, manager="owner")


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

    def counts() -> bool:
        """Ping until it counts: that `old` is gone the ping service hears by itself."""
        assert until_answers(f"{apart.url}/ping/{uuid}") == b"OK"
        return has_said("Up")(kube.get(MONITORS, namespace, "young"))

    until(counts)


def wait_for_another_second(kube: Kube, namespace: str, second: str) -> None:
    """Return when what is created is younger: creation times have no fractions."""
    for number in range(1_000):
        probe = ping_monitor(namespace, f"probe-{number}", interval="24h")
        stored = kube.create(probe, dryRun="All")
        if stored["metadata"]["creationTimestamp"] > second:
            return
