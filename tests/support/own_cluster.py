"""A control plane for tests that need an operator of their own, or none.

Two operators on one cluster would judge the same monitors. It is taken down whatever
happens; what a killed run left behind is cleared by the next that takes its place.
"""

import fcntl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count

from heartbeats.cluster.controlplane import ControlPlane, remove
from heartbeats.cluster.embedded import start
from heartbeats.cluster.paths import cluster_dir, clusters_dir
from heartbeats.cluster.record import Options
from support.control_plane import install
from support.kube import Kube

_WHOLE = Options()


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
def own_installation() -> Iterator[tuple[ControlPlane, Kube]]:
    """Yield a cluster of one's own with everything installed, and its administrator."""
    with (
        own_control_plane() as plane,
        closing(Kube.from_kubeconfig(plane.kubeconfig)) as administrator,
    ):
        install(administrator)
        yield plane, administrator
