"""The definition of HeartbeatMonitors is deleted under a running operator."""

from http import HTTPStatus

import pytest

from support.ailments import Ailment
from support.control_plane import ROOT, install
from support.keys import until
from support.kube import Kube, fresh_namespace, wait_until
from support.processes import ask, until_answers
from support.resources import CRDS, MONITORS, read_manifests
from support.restarts import HEALTH, PATIENCE, Apart
from support.rigged import Rigged
from support.scrapes import scrape
from support.traps import asks
from support.vigil import Vigil
from support.workloads import (
    RARELY,
    cron_job,
    is_gone,
    ping_monitor,
    state_is,
    wait_for_any,
)

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

REMEDY = "the CRD is not installed: kubectl apply -k crds"


def test_without_its_definition_it_says_so_and_with_it_all_is_monitored_again(
    kube: Kube, apart: Apart, namespace: str
) -> None:
    """All monitors go with their definition; those of CronJobs come back with it."""
    kube.create(cron_job(namespace, "nightly", schedule=RARELY))
    kube.create(ping_monitor(namespace, "pinged", interval="24h"))
    for name in ("nightly-cronjob", "pinged"):
        wait_until(kube, MONITORS, namespace, name, state_is("New"))
    health = apart.operator.wait_for(HEALTH)
    try:
        remove_definition(kube)
        apart.operator.wait_for(
            f"Nothing is monitored any more: {REMEDY}", within=PATIENCE
        )
        code, body = ask(f"{health}/readyz")
        assert code == 503
        assert REMEDY in body.decode()
        assert ask(f"{health}/healthz")[0] == 200
        assert ask(f"{apart.pings.wait_for(HEALTH)}/readyz")[0] == 200
        told = 'watch_synced{resource="heartbeatmonitors"} 0.0'
        until(lambda: told in scrape(apart.operator))
    finally:
        install(kube)
    apart.operator.wait_for("The CRD is there again", within=PATIENCE)
    until_answers(f"{health}/readyz", within=PATIENCE)
    wait_new(kube, namespace, within=PATIENCE)
    with fresh_namespace(kube) as another, Vigil.kept(kube, apart, another) as vigil:
        vigil.let_run_end_well()
        vigil.check()


def test_a_definition_that_is_replaced_in_a_moment_is_noticed_too(
    kube: Kube, apart: Apart, namespace: str
) -> None:
    """As by `kubectl replace --force`: nobody may have looked meanwhile."""
    kube.create(cron_job(namespace, "nightly", schedule=RARELY))
    wait_new(kube, namespace)
    replace_definition(kube)
    wait_new(kube, namespace, within=PATIENCE)
    with fresh_namespace(kube) as another, Vigil.kept(kube, apart, another) as vigil:
        vigil.let_run_end_well()
        vigil.check()


def test_a_definition_that_is_served_late_is_noticed_too(
    kube: Kube, rigged: Rigged, namespace: str
) -> None:
    """An API server lists a definition before it serves what that defines."""
    kube.create(cron_job(namespace, "nightly", schedule=RARELY))
    wait_new(kube, namespace)
    group = asks("GET", f"/apis/{MONITORS.api_version}")
    with rigged.rig.ailing(Ailment(HTTPStatus.NOT_FOUND, rule=group)):
        replace_definition(kube)
        wait_for_any(kube, MONITORS, namespace, lambda _: True, timeout=PATIENCE)
    wait_new(kube, namespace)


def wait_new(kube: Kube, namespace: str, *, within: float = 60.0) -> None:
    """Return when the CronJob `nightly` is monitored (again)."""
    name = "nightly-cronjob"
    wait_until(kube, MONITORS, namespace, name, state_is("New"), timeout=within)


def replace_definition(kube: Kube) -> None:
    """Delete it and create it anew at once."""
    try:
        remove_definition(kube)
    finally:
        install(kube)


def remove_definition(kube: Kube) -> None:
    """Delete it, and all monitors with it; return when they are gone."""
    for each in read_manifests(ROOT / "crds"):
        name = each["metadata"]["name"]
        kube.delete(CRDS, None, name)
        wait_until(kube, CRDS, None, name, is_gone, timeout=PATIENCE)
