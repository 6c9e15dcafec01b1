"""Why a Job failed or hangs, as its pods tell it.

Pods are read only then, never watched: there are too many. What they say is an
explanation; a verdict never depends on it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.decode import Decoder, Odd
from heartbeats.edges.kube.objects import ContainerStatus, Job, Pod, Terminated
from heartbeats.edges.kube.resources import PODS

MESSAGE_LIMIT = 400
"""Characters of a termination message that are kept: the status keeps fewer."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the pods of a Job say about its end."""

    exit_code: int | None = None
    message: str = ""


class Pods(Protocol):
    """Reads the pods of a Job."""

    async def of(self, job: Job) -> list[Pod]:
        """Return the pods that exist."""
        ...


class ClusterPods:
    """Reads pods from the API server, newest first."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._decoder = Decoder(PODS, Pod)

    async def of(self, job: Job) -> list[Pod]:
        """Return a Job's pods; raises ApiError."""
        selector = f"batch.kubernetes.io/controller-uid={job.metadata.uid}"
        page = await self._client.list_page(
            PODS,
            namespace=job.metadata.namespace,
            limit=20,
            params={"labelSelector": selector},
        )
        found = (self._decoder.object(raw) for raw in page.items or ())
        pods = [pod for pod in found if not isinstance(pod, Odd)]
        return sorted(pods, key=_age, reverse=True)


def _age(pod: Pod) -> Any:
    return pod.metadata.creation_timestamp


def explain_end(pods: list[Pod]) -> Explanation:
    """Find the exit code and the last words of the newest pod that failed."""
    for pod in pods:
        for container in _containers(pod):
            ended = _ended(container)
            if ended is not None and ended.exit_code != 0:
                return Explanation(ended.exit_code, ended.message[-MESSAGE_LIMIT:])
    return Explanation()


def explain_wait(pods: list[Pod]) -> str:
    """Say in a few words what keeps a Job's pods from being ready."""
    if not pods:
        return "the Job has no pod."
    for pod in pods:
        for container in _containers(pod):
            waiting = container.state.waiting
            if waiting is not None and waiting.reason:
                detail = f": {waiting.message}" if waiting.message else ""
                return f"{waiting.reason}{detail}"[:MESSAGE_LIMIT]
        for condition in pod.status.conditions:
            if condition.type == "PodScheduled" and condition.status == "False":
                return f"{condition.reason}: {condition.message}"[:MESSAGE_LIMIT]
    told = (each for pod in pods for each in pod.status.conditions)
    if any(each.type == "Ready" and each.status == "True" for each in told):
        return "a pod is ready by now, but its Job did not say so in time."
    return f"the pod is {pods[0].status.phase or 'new'}, but not ready."


def _containers(pod: Pod) -> list[ContainerStatus]:
    return pod.status.init_container_statuses + pod.status.container_statuses


def _ended(container: ContainerStatus) -> Terminated | None:
    return container.state.terminated or container.last_state.terminated
