"""What is watched is not touched: nothing is ever written to a CronJob or a Job."""

from collections.abc import Iterator
from typing import Any

import pytest

from heartbeats.cluster import annotations
from support.kube import Kube, as_service_account, wait_until
from support.operators import SYSTEM, RunningOperator
from support.resources import CRON_JOBS, JOBS, MONITORS, Object, Resource
from support.workloads import cron_job, has_said

pytestmark = pytest.mark.integration

A_MINUTE = 110.0
AUTHORS = {"the-user", "kube-controller-manager"}
"""Who may have written to a CronJob or a Job: nobody else."""


def test_a_full_run_leaves_cron_jobs_and_jobs_to_their_authors(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Every single version of them is somebody else's, from creation to the end."""
    began = kube.send("GET", CRON_JOBS.path(namespace)).body["metadata"]
    wanted = [
        cron_job(namespace, "good"),
        cron_job(namespace, "bad", pod_annotations={annotations.EXIT_CODE: "3"}),
        cron_job(namespace, "asleep", suspend=True),
    ]
    created = {
        each["metadata"]["name"]: kube.create(each, fieldManager="the-user")
        for each in wanted
    }
    for name, word in {"good": "Up", "bad": "Down", "asleep": "Paused"}.items():
        monitor = f"{name}-cronjob"
        wait_until(kube, MONITORS, namespace, monitor, has_said(word), timeout=A_MINUTE)
    since = began["resourceVersion"]
    versions = list(versions_of(kube, CRON_JOBS, namespace, since))
    assert {each["metadata"]["name"] for each in versions} == set(created)
    for each in versions:
        assert authors(each) <= AUTHORS
        stored = created[each["metadata"]["name"]]
        assert each["spec"] == stored["spec"]
        assert footprint(each) == footprint(stored)
    jobs = list(versions_of(kube, JOBS, namespace, since))
    assert len({each["metadata"]["name"] for each in jobs}) >= 2
    for each in jobs:
        assert authors(each) == {"kube-controller-manager"}
        assert "finalizers" not in each["metadata"]
        assert [one["kind"] for one in each["metadata"]["ownerReferences"]] == [
            "CronJob"
        ]
        keys = set(each["metadata"]["annotations"])
        assert keys == {"batch.kubernetes.io/cronjob-scheduled-timestamp"}
    for resource in ("cronjobs", "jobs", "pods"):
        written = operator.series(
            "heartbeat_operator_api_writes_total", resource=resource
        )
        assert written is None


@pytest.mark.parametrize("account", ["heartbeats-operator", "heartbeats-ping"])
@pytest.mark.parametrize("resource", ["cronjobs", "jobs"])
def test_no_account_of_ours_may_write_to_them(
    kube: Kube, namespace: str, account: str, resource: str
) -> None:
    """Even a mistake could not: the API server would refuse it."""
    with as_service_account(kube, SYSTEM, account) as ours:
        for verb in ("create", "update", "patch", "delete", "deletecollection"):
            for where in ({}, {"subresource": "status"}, {"subresource": "finalizers"}):
                assert not ours.allows(
                    verb, "batch", resource, namespace=namespace, **where
                )
        reads = account == "heartbeats-operator"
        assert ours.allows("list", "batch", resource, namespace=namespace) is reads


def versions_of(
    kube: Kube, resource: Resource, namespace: str, since: str
) -> Iterator[Object]:
    """Yield every version that objects had since then, up to now."""
    now = int(
        kube.send("GET", resource.path(namespace)).body["metadata"]["resourceVersion"]
    )
    left = {
        each["metadata"]["uid"]: int(each["metadata"]["resourceVersion"])
        for each in kube.items(resource, namespace)
    }
    for _, item in kube.watch(resource, namespace, since, 10):
        metadata = item["metadata"]
        yield item
        if int(metadata["resourceVersion"]) >= left.get(metadata["uid"], now):
            left.pop(metadata["uid"], None)
        if not left:
            return


def authors(item: Object) -> set[str]:
    """Return who has written to an object."""
    return {each["manager"] for each in item["metadata"]["managedFields"]}


def footprint(item: Object) -> Any:
    """Return the parts of the metadata that operators like to write to."""
    metadata = item["metadata"]
    names = ("annotations", "finalizers", "labels", "ownerReferences", "generation")
    return {name: metadata.get(name) for name in names}
