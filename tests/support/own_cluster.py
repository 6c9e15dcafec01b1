"""A control plane for tests that need an operator of their own, or none.

Two operators on one cluster would judge the same monitors. A pytest worker has at
most one such cluster (`own`) for all its tests: each has a namespace and leaves no
process. It is taken down whatever happens; what a killed run left behind is cleared
by the next that takes its place.

A test module gets the fixture by `pytest_plugins = ["support.own_cluster"]`.
"""

import fcntl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from heartbeats.cluster.controlplane import ControlPlane, remove
from heartbeats.cluster.embedded import start
from heartbeats.cluster.paths import cluster_dir, clusters_dir
from heartbeats.cluster.record import Options
from support.control_plane import install
from support.kube import Kube
from support.operators import account_kubeconfig

_WHOLE = Options()


@dataclass(frozen=True, slots=True)
class Own:
    """A cluster with everything installed but no operator; kubeconfigs to reach it."""

    kube: Kube
    """Acts as the administrator."""
    admin: Path
    operator: Path
    """Acts as the operator's ServiceAccount."""
    ping: Path
    """Acts as the ping service's ServiceAccount."""


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """Start the worker's own cluster."""
    folder = tmp_path_factory.mktemp("own")
    with (
        own_control_plane() as plane,
        closing(Kube.from_kubeconfig(plane.kubeconfig)) as administrator,
    ):
        install(administrator)
        operator, ping = (
            account_kubeconfig(
                administrator, plane.kubeconfig, folder / role, f"heartbeats-{role}"
            )
            for role in ("operator", "ping")
        )
        yield Own(administrator, plane.kubeconfig, operator, ping)


@contextmanager
def own_control_plane(options: Options = _WHOLE) -> Iterator[ControlPlane]:
    """Yield a new cluster with nothing in it, which nobody else uses."""
    home = clusters_dir()
    home.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        name = f"test-own-{number}"
        with (home / f".{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # somebody else's: try the next name
            if cluster_dir(name).root.exists():
                remove(cluster_dir(name))
            try:
                yield start(name, options=options)
            finally:
                remove(cluster_dir(name))
            return
