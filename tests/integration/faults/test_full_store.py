"""etcd has no room left: everything can be read, and nothing written."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from heartbeats.cluster.record import Component, Options
from support.etcd import make_room
from support.expiry import newest_version
from support.kube import Kube, RefusedError, wait_until
from support.own_cluster import Own, furnished_cluster
from support.replicas import LOST
from support.resources import CONFIG_MAPS, MONITORS, Object
from support.restarts import PATIENCE, Apart
from support.scrapes import total
from support.vigil import Vigil
from support.workloads import condition_of, ping_monitor, state_is

pytestmark = pytest.mark.integration

QUOTA = 24 * 1024**2
"""Bytes of the store; a cluster with everything installed has a few million."""

PIECE = 900_000
FULL = "database space exceeded"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Own]:
    """Start a cluster whose store is small."""
    arguments = {Component.ETCD: (f"--quota-backend-bytes={QUOTA}",)}
    with furnished_cluster(tmp_path, Options(arguments=arguments)) as found:
        yield found


@pytest.fixture
def vigil(own: Own, namespace: str, tmp_path: Path) -> Iterator[Vigil]:
    """Keep a vigil on both roles."""
    with (
        Apart.running(own, tmp_path / "events.jsonl") as apart,
        Vigil.kept(own.kube, apart, namespace) as found,
    ):
        yield found


def test_a_full_store_refuses_pings_and_judges_nobody(own: Own, vigil: Vigil) -> None:
    """Who was silent meanwhile may have been refused: that is Unknown, never Down."""
    kube, namespace = own.kube, vigil.namespace
    spec = {"interval": "24h", "firstCheckInWithin": "20s"}
    kube.create(ping_monitor(namespace, "silent", **spec))
    wait_until(kube, MONITORS, namespace, "silent", state_is("New"))
    operator, pings = vigil.apart.operator, vigil.apart.pings
    fill(kube, namespace)
    vigil.wait_answered(HTTPStatus.SERVICE_UNAVAILABLE)
    operator.wait_for(f"{LOST}: .*{FULL}", within=PATIENCE)
    vigil.lasts(12)
    kube.send("DELETE", CONFIG_MAPS.path(namespace))
    make_room(own.plane, newest_version(kube))
    vigil.wait_answered(HTTPStatus.OK)
    vigil.let_run_end_well()
    vigil.check()
    found: Any = wait_until(kube, MONITORS, namespace, "silent", state_is("Unknown"))
    assert condition_of(found, "Healthy")["reason"] == "BlindWindow"
    assert vigil.alarms("silent") == []
    assert f"Pings are refused: etcdserver: mvcc: {FULL}" in pings.said
    for process in (operator, pings):
        assert total(process, "api_writes_total", code="500") > 0


def fill(kube: Kube, namespace: str) -> None:
    """Write until nothing can be written any more."""
    for number in range(QUOTA // PIECE + 1):
        if FULL in refusal_of(kube, piece(namespace, number)):
            return
    raise AssertionError("the store takes more than it has room for")


def refusal_of(kube: Kube, manifest: Object) -> str:
    """Create an object; return why it is refused, empty if it is not."""
    try:
        kube.create(manifest)
    except RefusedError as refusal:
        return refusal.message
    return ""


def piece(namespace: str, number: int) -> Object:
    """Write an object that takes room."""
    metadata = {"name": f"piece-{number}", "namespace": namespace}
    data = {"text": f"{number:05}" * (PIECE // 5)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
