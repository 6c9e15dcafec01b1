"""A history that the API server no longer has: etcd is compacted, its caches are new.

A watch from any version before that is answered with 410, `Expired`. Holds no
expectations.
"""

from http import HTTPStatus

from heartbeats.cluster.controlplane import ControlPlane
from heartbeats.cluster.record import Component
from support.etcd import compact
from support.kube import Kube, RefusedError
from support.resources import CRON_JOBS, Resource
from support.traps import Asked


def newest_version(kube: Kube) -> str:
    """Return the version of the cluster now: it is etcd's revision."""
    page = kube.send("GET", CRON_JOBS.path()).body
    found: str = page["metadata"]["resourceVersion"]
    return found


def forget_history(plane: ControlPlane, kube: Kube) -> None:
    """Let the API server forget all versions but the newest; it is away for seconds.

    Its watch cache would know them longer than etcd does: it begins anew with it.
    """
    compact(plane, newest_version(kube))
    plane.kill(Component.APISERVER)
    plane.start(Component.APISERVER)


def is_expired(kube: Kube, resource: Resource, version: str) -> bool:
    """Ask whether a watch from a version is refused because it is too old."""
    try:
        for kind, item in kube.watch(resource, None, version, 5):
            return kind == "ERROR" and item["code"] == HTTPStatus.GONE
    except RefusedError as refusal:
        return refusal.status == HTTPStatus.GONE
    return False


class ExpiredWatches:
    """Listens for watches that are answered with 410; knows their collections."""

    def __init__(self) -> None:
        self.collections: set[str] = set()

    def hear(self, asked: Asked, piece: bytes) -> None:
        """Take in a piece of an answer; an error is sent in one piece."""
        if "watch=" in asked.query and b'"code":410' in piece:
            self.collections.add(asked.path.rpartition("/")[2])
