"""The control plane that integration tests share, and what is installed in it.

Several pytest runs and workers may want it at the same time: the first starts it,
the last stops it. Knows nothing of any test.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TextIO

from heartbeats.cluster.controlplane import remove
from heartbeats.cluster.embedded import start
from heartbeats.cluster.locking import locked
from heartbeats.cluster.paths import cluster_dir, clusters_dir
from heartbeats.cluster.progress import Progress
from support.kube import (
    Kube,
    RefusedError,
    apply_all,
    as_service_account,
    has_condition,
    wait_until,
)
from support.resources import CRDS, MONITORS, SECRETS, read_manifests

ROOT = Path(__file__).parents[2]
SYSTEM = "heartbeats-system"
POLICY = "heartbeats-ping-secrets"

_PATIENCE = 60.0
"""Seconds until what was installed must be in force; a second is usual."""


@contextmanager
def shared_control_plane(name: str, report: TextIO) -> Iterator[Path]:
    """Yield the kubeconfig of a cluster that runs while anybody uses it.

    Building its programs takes ten minutes, once; `report` hears of it. The kernel
    drops the locks of a run that was killed, so the next one tidies up after it.
    """
    home = clusters_dir()
    home.mkdir(parents=True, exist_ok=True)
    progress = Progress(report)

    def waiting() -> None:
        progress.line(f"Another test run is starting or stopping {name!r}: waiting.")

    turn = home / f".{name}.turn"
    with (home / f".{name}.users").open("w") as users:
        with locked(turn, waiting):
            kubeconfig = start(name, progress=progress).kubeconfig
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield kubeconfig
        finally:
            with locked(turn, waiting):
                if _is_last(users):
                    remove(cluster_dir(name))


def _is_last(users: TextIO) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def install(kube: Kube) -> None:
    """Install the definition and the rights; returns when all is in force."""
    definitions = read_manifests(ROOT / "crds")
    apply_all(kube, definitions)
    for definition in definitions:
        name = definition["metadata"]["name"]
        wait_until(kube, CRDS, None, name, has_condition("Established", "True"))
    _wait_served(kube)
    apply_all(kube, read_manifests(ROOT / "manifests" / "rights"))
    _wait_enforced(kube)


def _wait_served(kube: Kube) -> None:
    """Ask until it is served, a moment after it is said to be established."""
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            kube.items(MONITORS)
        except RefusedError as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND or time.monotonic() > ends:
                raise
        else:
            return


def _wait_enforced(kube: Kube) -> None:
    """Ask until the policy refuses a Secret: only an answer proves that it is heard.

    The rights of both accounts are in force then as well, or are asked for too.
    """
    ends = time.monotonic() + _PATIENCE
    with (
        as_service_account(kube, SYSTEM, "heartbeats-operator") as operator,
        as_service_account(kube, SYSTEM, "heartbeats-ping") as ping,
    ):
        while not (_is_enforced(operator) and _has_rights(operator, ping)):
            if time.monotonic() > ends:
                raise TimeoutError(
                    f"The policy {POLICY} is not enforced: see its status"
                )


def _is_enforced(operator: Kube) -> bool:
    manifest = {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "metadata": {"name": "policy-probe", "namespace": SYSTEM},
    }
    try:
        operator.create(manifest, dryRun="All")
    except RefusedError as refusal:
        return POLICY in refusal.message
    return False


def _has_rights(operator: Kube, ping: Kube) -> bool:
    own, journal = ("coordination.k8s.io", "leases"), ("", "configmaps")
    return (
        operator.allows("create", *own, namespace=SYSTEM)
        and operator.allows("list", "batch", "cronjobs")
        and ping.allows("create", *journal, namespace=SYSTEM)
        and ping.allows("list", "heartbeats.dev", "heartbeatmonitors")
    )
