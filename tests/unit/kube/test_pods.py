"""What pods explain about a Job that failed or hangs."""

from typing import Any

import pytest

from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.errors import Forbidden
from heartbeats.edges.kube.objects import Pod
from heartbeats.edges.kube.pods import (
    MESSAGE_LIMIT,
    ClusterPods,
    Explanation,
    explain_end,
    explain_wait,
)
from heartbeats.edges.kube.resources import PODS
from support.builders import MINUTE, NOW, condition, job, pod, text
from support.fakeapi import FakeApi, Fault


def ended(code: int, message: str = "", *, last: bool = False) -> dict[str, Any]:
    state = {"terminated": {"exitCode": code, "message": message}}
    return {"lastState" if last else "state": state}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def containers(*statuses: dict[str, Any], **more: Any) -> Pod:
    return pod(status={"containerStatuses": list(statuses), **more})


def test_the_container_that_failed_tells_its_code_and_last_words() -> None:
    found = explain_end([containers(ended(0, "fine"), ended(3, "disk full"))])
    assert found == Explanation(3, "disk full")


def test_an_init_container_may_have_failed() -> None:
    init = pod(status={"initContainerStatuses": [ended(2, "no volume")]})
    assert explain_end([init]) == Explanation(2, "no volume")


def test_a_container_that_runs_again_tells_how_it_ended_before() -> None:
    again = containers({**waiting("CrashLoopBackOff"), **ended(7, "boom", last=True)})
    assert explain_end([again]) == Explanation(7, "boom")


def test_the_first_pod_that_failed_is_believed() -> None:
    newest, older = containers(ended(1, "new")), containers(ended(2, "old"))
    assert explain_end([containers(ended(0)), newest, older]) == Explanation(1, "new")


@pytest.mark.parametrize(
    "pods", [[], [pod()], [containers(ended(0))], [containers(waiting("x"))]]
)
def test_without_a_failed_container_there_is_no_explanation(pods: list[Pod]) -> None:
    assert explain_end(pods) == Explanation(None, "")


def test_of_long_last_words_the_end_is_kept() -> None:
    said = explain_end([containers(ended(1, "x" * MESSAGE_LIMIT + "the end"))]).message
    assert len(said) == MESSAGE_LIMIT
    assert said.endswith("the end")


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([], "the Job has no pod."),
        ([containers(waiting("ImagePullBackOff"))], "ImagePullBackOff"),
        (
            [containers(waiting("ErrImagePull", "no such image"))],
            "ErrImagePull: no such image",
        ),
        (
            [pod(status={"initContainerStatuses": [waiting("CreateContainerError")]})],
            "CreateContainerError",
        ),
        (
            [
                pod(
                    status={
                        "phase": "Pending",
                        "conditions": [
                            condition(
                                "PodScheduled",
                                "False",
                                reason="Unschedulable",
                                message="0/3 nodes are available",
                            )
                        ],
                    }
                )
            ],
            "Unschedulable: 0/3 nodes are available",
        ),
        (
            [containers(conditions=[condition("PodScheduled")], phase="Running")],
            "the pod is Running, but not ready.",
        ),
        (
            [containers(conditions=[condition("Ready")], phase="Running")],
            "a pod is ready by now, but its Job did not say so in time.",
        ),
        ([pod()], "the pod is new, but not ready."),
    ],
)
def test_says_what_keeps_a_pod_from_being_ready(pods: list[Pod], expected: str) -> None:
    assert explain_wait(pods) == expected


def test_a_long_reason_is_cut() -> None:
    assert len(explain_wait([containers(waiting("E", "x" * 5_000))])) == MESSAGE_LIMIT


def labelled(uid: str) -> dict[str, Any]:
    return {"labels": {"batch.kubernetes.io/controller-uid": uid}}


async def test_reads_the_pods_of_that_job_newest_first(
    api: FakeApi, client: Client
) -> None:
    for name, uid, minutes in (("old", "j-1", 9), ("new", "j-1", 1), ("not", "j-2", 0)):
        created = {"creationTimestamp": text(NOW - minutes * MINUTE)}
        api.put(PODS, name, namespace="shop", metadata={**labelled(uid), **created})
    pods = await ClusterPods(client).of(job(uid="j-1"))
    assert [each.metadata.name for each in pods] == ["new", "old"]


async def test_a_pod_that_cannot_be_read_costs_only_itself(
    api: FakeApi, client: Client
) -> None:
    created = {"creationTimestamp": text(NOW)}
    for name, status in (("odd", {"conditions": "none"}), ("good", {})):
        meta = {**labelled("j-1"), **created}
        api.put(PODS, name, namespace="shop", metadata=meta, status=status)
    pods = await ClusterPods(client).of(job(uid="j-1"))
    assert [each.metadata.name for each in pods] == ["good"]


async def test_without_the_right_to_read_pods_it_says_so(
    api: FakeApi, client: Client
) -> None:
    api.fail(Fault("list", status=403))
    with pytest.raises(Forbidden):
        await ClusterPods(client).of(job())
