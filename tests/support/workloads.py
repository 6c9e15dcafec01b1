"""CronJobs and monitors as users write them, and what to wait for on them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from support.kube import A_WATCH, MERGE, Kube
from support.resources import CRON_JOBS, EVENTS, JOBS, Object, Resource, resource_of

RARELY = "0 0 29 2 *"
"""A schedule that does not fire while a test runs: its slots lie years apart."""

SLOT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""The annotation that names the slot a Job was created for."""


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


def cron_job_monitor(
    namespace: str, name: str, cron_job_name: str, **spec: Any
) -> Object:
    """Write a monitor of a CronJob, as a user who wants other rules."""
    return {
        "apiVersion": "heartbeats.dev/v1alpha1",
        "kind": "HeartbeatMonitor",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"cronJob": {"name": cron_job_name}, **spec},
    }


def run_of(cron_job_: Object, name: str, slot: str, **spec: Any) -> Object:
    """Write the Job that the controller makes of a stored CronJob for a slot.

    With managedBy="..." in `spec` no controller touches it: its status is the test's.
    """
    metadata = cron_job_["metadata"]
    template = cron_job_["spec"]["jobTemplate"]["spec"]
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "annotations": {SLOT: slot} if slot else {},
            "ownerReferences": [
                {
                    "apiVersion": CRON_JOBS.api_version,
                    "kind": CRON_JOBS.kind,
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {**template, **spec},
    }


def record_run(
    kube: Kube, cron_job_: Object, name: str, slot: str, **status: Any
) -> Object:
    """Create a Job that no controller touches, with this status; return it."""
    job = run_of(cron_job_, name, slot, managedBy="example.com/nobody")
    return write_status(kube, kube.create(job), status)


def complete(started: str, ended: str) -> Object:
    """Write the status of a Job that succeeded."""
    conditions = [ended_by(kind, ended) for kind in ("SuccessCriteriaMet", "Complete")]
    return {
        "startTime": started,
        "completionTime": ended,
        "succeeded": 1,
        "conditions": conditions,
    }


def failed(started: str, ended: str) -> Object:
    """Write the status of a Job that failed."""
    conditions = [ended_by(kind, ended) for kind in ("FailureTarget", "Failed")]
    return {"startTime": started, "failed": 1, "conditions": conditions}


def ended_by(kind: str, at: str) -> Object:
    """Write one of the conditions that a Job ends with."""
    return {
        "type": kind,
        "status": "True",
        "lastTransitionTime": at,
        "lastProbeTime": at,
        "reason": "ByHand",
        "message": "written by a test",
    }


def annotate(
    kube: Kube, resource: Resource, namespace: str | None, name: str, **texts: Any
) -> Object:
    """Set annotations (None removes one); `_` in a key stands for a dash."""
    wanted = {
        f"heartbeats.dev/{key.replace('_', '-')}": text for key, text in texts.items()
    }
    return change(
        kube, resource, namespace, name, {"metadata": {"annotations": wanted}}
    )


def change(
    kube: Kube, resource: Resource, namespace: str | None, name: str, patch: Object
) -> Object:
    """Merge a patch into an object, as `kubectl edit` does."""
    path = resource.path(namespace, name)
    stored: Object = kube.send("PATCH", path, patch, content_type=MERGE).body
    return stored


def write_status(kube: Kube, stored: Object, status: Object) -> Object:
    """Replace the status of an object, as its controller does."""
    metadata = stored["metadata"]
    path = resource_of(stored).path(
        metadata.get("namespace"), metadata["name"], "status"
    )
    answer: Object = kube.send("PUT", path, {**stored, "status": status}).body
    return answer


def state_is(word: str) -> Callable[[Object | None], bool]:
    """Return a predicate: the monitor says this word."""

    def says(found: Object | None) -> bool:
        return bool((found or {}).get("status", {}).get("state") == word)

    return says


def has_said(word: str) -> Callable[[Object | None], bool]:
    """Return a predicate: the monitor says this word, and has told all its flips.

    Then their Events are posted and their lines written.
    """

    def holds(found: Object | None) -> bool:
        status = (found or {}).get("status", {})
        return status.get("state") == word and not status.get("pendingFlips")

    return holds


def is_gone(found: Object | None) -> bool:
    """Tell `wait_until` to wait for a deletion."""
    return found is None


def condition_of(found: Object, kind: str) -> Object:
    """Return a condition by its type."""
    conditions: list[Object] = found["status"]["conditions"]
    return next(each for each in conditions if each["type"] == kind)


def wait_for_any(
    kube: Kube,
    resource: Resource,
    namespace: str,
    predicate: Callable[[Object], bool],
    *,
    timeout: float = 60.0,
) -> Object:
    """Return the first object of a namespace that the predicate holds for.

    For what gets its name from a controller. `timeout` is in seconds; TimeoutError.
    """
    ends = time.monotonic() + timeout
    while (left := ends - time.monotonic()) > 0:
        page = kube.send("GET", resource.path(namespace)).body
        for item in page["items"]:
            if predicate(item):
                found: Object = item
                return found
        since = page["metadata"]["resourceVersion"]
        for kind, item in kube.watch(resource, namespace, since, min(left, A_WATCH)):
            if kind in {"ADDED", "MODIFIED"} and predicate(item):
                return item
            if kind == "ERROR" or time.monotonic() > ends:
                break
    raise TimeoutError(f"none of {resource.path(namespace)} within {timeout} s")


def owned_by(name: str) -> Callable[[Object], bool]:
    """Return a predicate: an object of this name owns it."""

    def holds(item: Object) -> bool:
        owners = item["metadata"].get("ownerReferences", [])
        return any(owner["name"] == name for owner in owners)

    return holds


def warnings(kube: Kube, namespace: str) -> list[Object]:
    """Return the Warning Events about monitors."""
    return [
        each
        for each in kube.items(EVENTS, namespace)
        if each["regarding"].get("kind") == "HeartbeatMonitor"
        and each["type"] == "Warning"
    ]


def told(kube: Kube, namespace: str, monitor: str, reason: str) -> Object:
    """Return the newest Event about a monitor with that reason."""
    found = [
        each
        for each in kube.items(EVENTS, namespace)
        if each["regarding"].get("name") == monitor and each["reason"] == reason
    ]
    assert found, f"no Event {reason} about {namespace}/{monitor}"
    return max(found, key=lambda each: each["eventTime"])
