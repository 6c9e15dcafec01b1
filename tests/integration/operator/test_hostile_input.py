"""Input that might bring an operator down, tried on one that nobody else needs."""

from pathlib import Path

import pytest

from support.kube import Kube, fresh_namespace, wait_until
from support.nonsense import NONSENSE
from support.operators import (
    RunningOperator,
    ping_url,
    start_operator,
    stop_operator,
)
from support.own_cluster import Own
from support.processes import ask, until_answers
from support.quotas import forbid
from support.resources import MONITORS, Object
from support.workloads import (
    RARELY,
    cron_job,
    cron_job_monitor,
    has_said,
    ping_monitor,
    record_run,
    state_is,
)

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]


@pytest.mark.parametrize("seconds", [10**12, 2**63 - 1])
def test_a_number_beyond_all_reason_on_a_cron_job_stops_nobody(
    own: Own, tmp_path: Path, seconds: int
) -> None:
    """The API server takes any activeDeadlineSeconds; a user must not stop us by it."""
    kube = own.kube
    operator = start_operator(own.operator, tmp_path)
    try:
        with fresh_namespace(kube) as namespace:
            job = {"activeDeadlineSeconds": seconds}
            stored = kube.create(cron_job(namespace, "odd", schedule=RARELY, job=job))
            began = "2026-01-01T00:00:00Z"
            record_run(kube, stored, "run", began, startTime=began, active=1, ready=1)
            wait_until(kube, MONITORS, namespace, "odd-cronjob", has_started)
            check_others_work(kube, operator, namespace)
            stop_operator(operator)
            operator = start_operator(own.operator, tmp_path)
            check_others_work(kube, operator, namespace)
    finally:
        stop_operator(operator)


def has_started(found: Object | None) -> bool:
    """Tell whether a monitor knows of a run that has not ended."""
    return bool((found or {}).get("status", {}).get("activeRuns"))


def test_nonsense_found_in_a_status_at_the_start_stops_nobody(
    own: Own, tmp_path: Path
) -> None:
    """A status restores the state, whatever somebody wrote into it meanwhile."""
    kube = own.kube
    with fresh_namespace(kube) as namespace:
        kube.create(cron_job(namespace, "nightly", schedule=RARELY))
        kube.create(cron_job_monitor(namespace, "of-cron-job", "nightly"))
        kube.create(ping_monitor(namespace, "of-ping", interval="24h"))
        kube.create(ping_monitor(namespace, "of-cron", schedule=RARELY))
        for name in ("of-cron-job", "of-ping", "of-cron"):
            stored = kube.get(MONITORS, namespace, name)
            kube.apply(
                {
                    "apiVersion": stored["apiVersion"],
                    "kind": stored["kind"],
                    "metadata": {"name": name, "namespace": namespace},
                    "status": NONSENSE,
                },
                subresource="status",
                manager="heartbeats-status",
            )
        operator = start_operator(own.operator, tmp_path)
        try:
            check_others_work(kube, operator, namespace)
        finally:
            stop_operator(operator)


def test_a_namespace_that_refuses_monitors_delays_no_other(
    own: Own, tmp_path: Path
) -> None:
    """A quota is its namespace's business: the others are monitored at once."""
    kube = own.kube
    operator = start_operator(own.operator, tmp_path)
    try:
        with fresh_namespace(kube) as full, fresh_namespace(kube) as free:
            forbid(kube, full, "heartbeatmonitors.heartbeats.dev")
            for number in range(5):
                kube.create(cron_job(full, f"refused-{number}", schedule=RARELY))
            kube.create(cron_job(free, "welcome", schedule=RARELY))
            wait_until(
                kube, MONITORS, free, "welcome-cronjob", state_is("New"), timeout=30
            )
            assert kube.items(MONITORS, full) == []
    finally:
        stop_operator(operator)


def check_others_work(kube: Kube, operator: RunningOperator, namespace: str) -> None:
    """Check that a ping of a new monitor is recorded and applied."""
    name = f"other-{len(kube.items(MONITORS, namespace))}"
    kube.create(ping_monitor(namespace, name, interval="24h"))
    url = ping_url(kube, namespace, name)
    token = url.rpartition("/")[2]
    assert until_answers(f"{operator.ping}/ping/{token}") == b"OK"
    wait_until(kube, MONITORS, namespace, name, has_said("Up"))
    assert ask(f"{operator.health}/healthz")[0] == 200
    assert operator.is_ready()
