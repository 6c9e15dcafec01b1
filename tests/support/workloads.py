"""CronJobs and monitors as users write them, and what to wait for on them."""

from collections.abc import Callable, Mapping
from typing import Any

from support.kube import Kube
from support.resources import EVENTS, Object


def cron_job(
    namespace: str,
    name: str,
    *,
    schedule: str = "* * * * *",
    pod_annotations: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    job: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """Write a CronJob with one container; `job` goes into its Jobs' spec."""
    container = {"name": "work", "image": "busybox:1.36", "command": ["true"]}
    template = {
        "metadata": {"annotations": dict(pod_annotations or {})},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": dict(annotations or {}),
        },
        "spec": {
            "schedule": schedule,
            "jobTemplate": {
                "spec": {"backoffLimit": 0, "template": template, **(job or {})}
            },
            **spec,
        },
    }


def ping_monitor(namespace: str, name: str, **spec: Any) -> Object:
    """Write a monitor of a job that pings."""
    return {
        "apiVersion": "heartbeats.dev/v1alpha1",
        "kind": "HeartbeatMonitor",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ping": {}, **spec},
    }


def state_is(word: str) -> Callable[[Object | None], bool]:
    """Return a predicate: the monitor says this word."""

    def says(found: Object | None) -> bool:
        return bool(found) and found.get("status", {}).get("state") == word

    return says


def told(kube: Kube, namespace: str, monitor: str, reason: str) -> Object:
    """Return the newest Event about a monitor with that reason."""
    found = [
        each
        for each in kube.items(EVENTS, namespace)
        if each["regarding"].get("name") == monitor and each["reason"] == reason
    ]
    assert found, f"no Event {reason} about {namespace}/{monitor}"
    return max(found, key=lambda each: each["eventTime"])
