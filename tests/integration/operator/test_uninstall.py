"""Leaving is easy: what we made is in nobody's way once we are gone."""

from pathlib import Path
from uuid import uuid4

import pytest

from heartbeats.cluster import annotations
from support.control_plane import install
from support.kube import Kube, wait_until
from support.operators import ping_url, start_operator, stop_operator
from support.own_cluster import Own
from support.resources import (
    CRDS,
    CRON_JOBS,
    JOBS,
    MONITORS,
    NAMESPACES,
    SECRETS,
    Object,
)
from support.workloads import (
    RARELY,
    cron_job,
    cron_job_monitor,
    is_gone,
    ping_monitor,
    run_of,
    state_is,
)

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]


@pytest.fixture
def shop(own: Own, tmp_path: Path) -> str:
    """Let an operator make all it makes in a namespace, then stop it for good."""
    name = f"shop-{uuid4().hex[:10]}"
    own.kube.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )
    operator = start_operator(own.operator, tmp_path)
    try:
        populate(own.kube, name)
    finally:
        stop_operator(operator)
    return name


def is_running(job: Object | None) -> bool:
    """Tell whether a Job has a ready pod."""
    return bool((job or {}).get("status", {}).get("ready") == 1)


def populate(kube: Kube, shop: str) -> None:
    """Create monitors of every kind, a ping Secret and a run under way."""
    nightly = kube.create(cron_job(shop, "nightly", schedule=RARELY))
    kube.create(cron_job(shop, "other", schedule=RARELY))
    kube.create(cron_job_monitor(shop, "mine", "other"))
    kube.create(ping_monitor(shop, "backup", interval="24h"))
    ping_url(kube, shop, "backup")
    run = run_of(nightly, "running", "2026-01-01T00:00:00Z")
    pod = run["spec"]["template"]["metadata"]
    pod["annotations"] = {annotations.RUN_FOR: annotations.FOREVER}
    kube.create(run)
    wait_until(
        kube,
        JOBS,
        shop,
        "running",
        is_running,
    )
    for name in ("nightly-cronjob", "mine", "backup"):
        wait_until(kube, MONITORS, shop, name, state_is("New"))


def test_a_namespace_goes_after_the_operator_went(own: Own, shop: str) -> None:
    """No finalizer waits for somebody who will not come."""
    for resource in (MONITORS, SECRETS, CRON_JOBS):
        for each in own.kube.items(resource, shop):
            assert not each["metadata"].get("finalizers"), each["metadata"]["name"]
    own.kube.delete(NAMESPACES, None, shop)
    wait_until(own.kube, NAMESPACES, None, shop, is_gone, timeout=60)


def test_the_definition_goes_after_the_operator_went(own: Own, shop: str) -> None:
    """Deleting the CRD deletes all monitors; what the users wrote stays as it was."""
    (definition,) = [
        each["metadata"]["name"]
        for each in own.kube.items(CRDS)
        if each["spec"]["names"]["kind"] == MONITORS.kind
    ]
    own.kube.delete(CRDS, None, definition)
    try:
        wait_until(own.kube, CRDS, None, definition, is_gone, timeout=60)
    finally:
        install(own.kube)  # others use this cluster, too
    assert len(own.kube.items(CRON_JOBS, shop)) == 2
    assert own.kube.get(JOBS, shop, "running")["status"]["ready"] == 1
    own.kube.delete(NAMESPACES, None, shop)
