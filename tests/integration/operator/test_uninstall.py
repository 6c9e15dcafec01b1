"""Leaving is easy: what we made is in nobody's way once we are gone."""

from typing import Any

import pytest

from heartbeats.cluster import annotations
from support.kube import Kube, wait_until
from support.operators import (
    account_kubeconfig,
    ping_url,
    start_operator,
    stop_operator,
)
from support.own_cluster import own_installation
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

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("own-adoption")]

SHOP = "shop"


@pytest.fixture
def abandoned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Let an operator make all it makes in a namespace, then stop it for good."""
    folder = tmp_path_factory.mktemp("uninstall")
    with own_installation() as (plane, kube):
        account = account_kubeconfig(
            kube, plane.kubeconfig, folder / "kubeconfig", "heartbeats-operator"
        )
        operator = start_operator(account, folder)
        try:
            populate(kube)
        finally:
            stop_operator(operator)
        yield kube


def is_running(job: Object | None) -> bool:
    """Tell whether a Job has a ready pod."""
    return bool((job or {}).get("status", {}).get("ready") == 1)


def populate(kube: Kube) -> None:
    """Create monitors of every kind, a ping Secret and a run under way."""
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}})
    nightly = kube.create(cron_job(SHOP, "nightly", schedule=RARELY))
    kube.create(cron_job(SHOP, "other", schedule=RARELY))
    kube.create(cron_job_monitor(SHOP, "mine", "other"))
    kube.create(ping_monitor(SHOP, "backup", interval="24h"))
    ping_url(kube, SHOP, "backup")
    run = run_of(nightly, "running", "2026-01-01T00:00:00Z")
    pod = run["spec"]["template"]["metadata"]
    pod["annotations"] = {annotations.RUN_FOR: annotations.FOREVER}
    kube.create(run)
    wait_until(
        kube,
        JOBS,
        SHOP,
        "running",
        lambda one: (one or {}).get("status", {}).get("ready") == 1,
    )
    for name in ("nightly-cronjob", "mine", "backup"):
        wait_until(kube, MONITORS, SHOP, name, state_is("New"))


def test_a_namespace_goes_after_the_operator_went(abandoned: Kube) -> None:
    """No finalizer waits for somebody who will not come."""
    for resource in (MONITORS, SECRETS, CRON_JOBS):
        for each in abandoned.items(resource, SHOP):
            assert not each["metadata"].get("finalizers"), each["metadata"]["name"]
    abandoned.delete(NAMESPACES, None, SHOP)
    wait_until(abandoned, NAMESPACES, None, SHOP, is_gone, timeout=60)


def test_the_definition_goes_after_the_operator_went(abandoned: Kube) -> None:
    """Deleting the CRD deletes all monitors; what the users wrote stays as it was."""
    (definition,) = [
        each["metadata"]["name"]
        for each in abandoned.items(CRDS)
        if each["spec"]["names"]["kind"] == MONITORS.kind
    ]
    abandoned.delete(CRDS, None, definition)
    wait_until(abandoned, CRDS, None, definition, is_gone, timeout=60)
    assert len(abandoned.items(CRON_JOBS, SHOP)) == 2
    assert abandoned.get(JOBS, SHOP, "running")["status"]["ready"] == 1
