"""Runs that hang: pods that never become ready, and pods that never end."""

from typing import Any

import pytest

from heartbeats.cluster import annotations
from support.kube import Kube, wait_until
from support.operators import RunningOperator
from support.resources import MONITORS, PODS, Object
from support.workloads import (
    change,
    condition_of,
    cron_job,
    has_said,
    told,
    wait_for_any,
)

pytestmark = pytest.mark.integration

A_MINUTE = 150.0
"""Seconds in which a minutely CronJob has certainly run or been missed."""

POLICIES = ("Allow", "Forbid", "Replace")
SHORT_GRACE = {"heartbeats.dev/grace-period": "30s"}
SHORT_RUNS = {
    "heartbeats.dev/grace-period": "45s",  # on a busy machine pods take their time
    "heartbeats.dev/max-runtime": "10s",
}
STUCK = {annotations.STUCK: "ImagePullBackOff"}
ENDLESS = {annotations.RUN_FOR: annotations.FOREVER}


def test_a_pod_that_never_becomes_ready_is_down_whatever_the_concurrency(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """A Job without a ready pod is no run; why its pod waits is told."""
    for policy in POLICIES:
        kube.create(hung(namespace, policy, STUCK, SHORT_GRACE))
    for policy in POLICIES:
        found = wait_down(kube, namespace, policy.lower(), "PodNotReady")
        message = condition_of(found, "Healthy")["message"]
        assert "ImagePullBackOff" in message, policy
        assert_alerted(kube, operator, found, "PodNotReady")


def test_a_pod_that_never_ends_is_down_whatever_the_concurrency(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Skips by Forbid, replacements and newer starts do not extend maxRuntime."""
    for policy in POLICIES:
        kube.create(hung(namespace, policy, ENDLESS, SHORT_RUNS))
    for policy in POLICIES:
        found = wait_down(kube, namespace, policy.lower(), "RunOverdue")
        assert found["status"]["incident"]["slotTime"].endswith(":00Z")
        assert_alerted(kube, operator, found, "RunOverdue")


def test_a_hung_run_that_ends_well_after_all_recovers_its_monitor(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """The late success is a success: overdue is over."""
    kube.create(hung(namespace, "Forbid", ENDLESS, SHORT_RUNS))
    wait_down(kube, namespace, "forbid", "RunOverdue")
    pod = wait_for_any(kube, PODS, namespace, lambda _: True)
    change(
        kube,
        PODS,
        namespace,
        pod["metadata"]["name"],
        {"metadata": {"annotations": {annotations.RUN_FOR: "0s"}}},
    )
    found: Any = wait_until(kube, MONITORS, namespace, "forbid-cronjob", has_said("Up"))
    assert "incident" not in found["status"]
    assert told(kube, namespace, "forbid-cronjob", "Recovered")["type"] == "Normal"


def test_a_pod_that_no_node_takes_is_down_and_says_so(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """The scheduler's words reach whoever is woken."""
    job = cron_job(namespace, "placeless", annotations=SHORT_GRACE)
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod["nodeSelector"] = {"disk": "of-no-node"}
    kube.create(job)
    found = wait_down(kube, namespace, "placeless", "PodNotReady")
    message = condition_of(found, "Healthy")["message"]
    assert "Unschedulable" in message
    assert "node affinity/selector" in message
    assert_alerted(kube, operator, found, "PodNotReady")


def test_a_replaced_pod_that_was_never_ready_still_says_why(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Replace deletes the Job before its window ends: the reason outlives it."""
    grace = {"heartbeats.dev/grace-period": "65s"}
    kube.create(hung(namespace, "Replace", STUCK, grace))
    found = wait_down(kube, namespace, "replace", "PodNotReady", 70.0)
    assert "ImagePullBackOff" in condition_of(found, "Healthy")["message"]


def hung(
    namespace: str, policy: str, pod: dict[str, str], settings: dict[str, str]
) -> Object:
    """Write a minutely CronJob, named after its concurrency policy."""
    return cron_job(
        namespace,
        policy.lower(),
        pod_annotations=pod,
        annotations=settings,
        concurrencyPolicy=policy,
    )


def wait_down(
    kube: Kube, namespace: str, name: str, reason: str, longer: float = 0.0
) -> Any:
    """Wait until a CronJob's monitor is Down and all is told; check why."""
    found: Any = wait_until(
        kube,
        MONITORS,
        namespace,
        f"{name}-cronjob",
        has_said("Down"),
        timeout=A_MINUTE + longer,
    )
    healthy = condition_of(found, "Healthy")
    assert (healthy["status"], healthy["reason"]) == ("False", reason), healthy
    return found


def assert_alerted(
    kube: Kube, operator: RunningOperator, found: Object, reason: str
) -> None:
    """Check the Event and the gauge that an alert is built on."""
    namespace, name = found["metadata"]["namespace"], found["metadata"]["name"]
    event = told(kube, namespace, name, reason)
    assert event["type"] == "Warning"
    assert event["regarding"]["uid"] == found["metadata"]["uid"]
    labels = {"namespace": namespace, "heartbeatmonitor": name}
    assert operator.series("heartbeat_monitor_state", state="Down", **labels) == 1
    assert operator.series("heartbeat_monitor_state", state="Up", **labels) == 0
