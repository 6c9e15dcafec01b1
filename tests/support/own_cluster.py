"""A control plane for tests that need an operator of their own, or none.

Two operators on one cluster would judge the same monitors. It is taken down whatever
happens; what a killed run left behind is cleared by the next that takes its place.
"""

import fcntl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

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
    plane: ControlPlane
    """Its processes; a test that ends one starts it again."""

    def through(self, operator: Path, ping: Path | None = None) -> "Own":
        """Return the same, with other ways to it for one role or both."""
        return replace(self, operator=operator, ping=ping or self.ping)


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


@contextmanager
def furnished_cluster(folder: Path, options: Options = _WHOLE) -> Iterator[Own]:
    """Yield a new cluster with everything installed, and the roles' ways to it."""
    with (
        own_control_plane(options) as plane,
        closing(Kube.from_kubeconfig(plane.kubeconfig)) as administrator,
    ):
        install(administrator)
        operator, ping = (
            account_kubeconfig(
                administrator, plane.kubeconfig, folder / role, f"heartbeats-{role}"
            )
            for role in ("operator", "ping")
        )
        yield Own(administrator, plane.kubeconfig, operator, ping, plane)
