"""From a CronJob that stops to a message on a team's pager, through real servers.

The control plane, the operator, Prometheus and Alertmanager are real; the rules and the
routing are the project's own, with seconds in place of minutes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.alert_stack import Stack, running_stack
from support.alert_tools import AlertTools
from support.kube import Kube, fresh_namespace, wait_until
from support.own_cluster import Own
from support.quotas import forbid
from support.resources import MONITORS, QUOTAS
from support.restarts import Operator
from support.workloads import cron_job, has_said

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

A_SLOT = 120.0
"""Seconds in which a minutely CronJob was due, and its window is over."""

DECISIONS = {
    "heartbeats.dev/grace-period": "25s",  # on a busy machine a pod takes its time
    "heartbeats.dev/severity": "critical",
    "heartbeats.dev/owner": "payments",
}


@pytest.fixture
def kube(own: Own) -> Kube:
    """Act as the administrator of a cluster whose operator is this test's to kill."""
    return own.kube


@pytest.fixture
def operator(own: Own, tmp_path: Path) -> Iterator[Operator]:
    running = Operator(own.operator, tmp_path)
    running.start()
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture
def stack(
    alert_tools: AlertTools,
    operator: Operator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    with running_stack(alert_tools, tmp_path_factory.mktemp("stack")) as running:
        scrape(running, operator)
        running.wait_for("heartbeat_operator_leader == 1")
        yield running


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    with fresh_namespace(kube) as name:
        yield name


def scrape(stack: Stack, operator: Operator) -> None:
    """Have Prometheus scrape the operator that runs now."""
    assert operator.running is not None
    stack.scrape(operator.running.metrics)


def test_a_cron_job_that_stops_reaches_the_pager_of_its_owner_and_is_taken_back(
    kube: Kube, stack: Stack, namespace: str
) -> None:
    """Its Jobs are refused, so nothing of it is there that could be seen."""
    kube.create(cron_job(namespace, "invoices", annotations=DECISIONS))
    name = "invoices-cronjob"
    wait_until(kube, MONITORS, namespace, name, has_said("Up"), timeout=A_SLOT)
    forbid(kube, namespace, "jobs.batch")
    told = stack.receivers
    came = told.wait_for("HeartbeatMonitorDown", "firing", within=A_SLOT)
    assert came.receiver == "payments-pager"
    assert came.labels == {
        "alertname": "HeartbeatMonitorDown",
        "namespace": namespace,
        "heartbeatmonitor": name,
        "cronjob": "invoices",
        "owner": "payments",
        "severity": "critical",
    }
    said = f"The job {namespace}/invoices failed, hangs or did not run"
    assert came.annotations["summary"] == said
    kube.delete(QUOTAS, namespace, "none")
    gone = told.wait_for("HeartbeatMonitorDown", "resolved", within=A_SLOT)
    assert (gone.receiver, gone.labels) == (came.receiver, came.labels)
    assert {each.alert for each in told.told} == {"HeartbeatMonitorDown"}


def test_an_operator_that_is_killed_is_missed_and_no_job_is_accused(
    kube: Kube, operator: Operator, stack: Stack, namespace: str
) -> None:
    """A slot and the end of its window pass meanwhile, and the job runs."""
    kube.create(cron_job(namespace, "invoices", annotations=DECISIONS))
    name = "invoices-cronjob"
    found = wait_until(kube, MONITORS, namespace, name, has_said("Up"), timeout=A_SLOT)
    before = found["status"]["lastSuccessTime"]
    deadline = "heartbeat_monitor_deadline_timestamp_seconds"
    [watched] = stack.query(deadline)
    assert watched["metric"]["namespace"] == namespace, "honor_labels keeps it"
    operator.kill()
    told = stack.receivers
    came = told.wait_for("HeartbeatOperatorAbsent", "firing", within=A_SLOT)
    assert (came.receiver, came.labels["severity"]) == ("platform-pager", "critical")
    over = float(watched["value"][1])
    stack.wait_for(f"vector(time()) > {over} + 15", within=A_SLOT)
    operator.start()
    scrape(stack, operator)
    told.wait_for("HeartbeatOperatorAbsent", "resolved", within=A_SLOT)
    wait_until(
        kube,
        MONITORS,
        namespace,
        name,
        lambda one: bool(one and one["status"]["lastSuccessTime"] > before),
        timeout=A_SLOT,
    )
    stack.wait_for('heartbeat_monitor_state{state="Up"} == 1')
    assert {each.alert for each in told.told} == {"HeartbeatOperatorAbsent"}
    # Nor was anything only held back: Prometheus itself accused nobody.
    accused = 'alertstate="firing",alertname!="HeartbeatOperatorAbsent"'
    assert stack.query(f"last_over_time(ALERTS{{{accused}}}[10m])") == []
