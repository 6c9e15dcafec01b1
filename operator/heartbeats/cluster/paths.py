"""Where things lie: the cache of built programs and the state of running clusters.

Only computes paths and checks names; creates nothing.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from heartbeats.cluster.errors import ClusterError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of everything that can be built again."""
    if chosen := environ.get("HEARTBEATS_CACHE"):
        return Path(chosen).expanduser().absolute()
    return _base(environ, "XDG_CACHE_HOME", ".cache") / "heartbeats"


def clusters_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that holds one folder for each running cluster."""
    return _base(environ, "XDG_STATE_HOME", ".local/state") / "heartbeats" / "clusters"


def _base(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    chosen = environ.get(variable, "")
    # The XDG specification has relative paths ignored.
    return Path(chosen) if chosen.startswith("/") else Path.home() / fallback


@dataclass(frozen=True, slots=True)
class ClusterDir:
    """The folder of one cluster: all that it leaves on the disk is in here."""

    root: Path

    @property
    def name(self) -> str:
        """The cluster's name, which is the folder's."""
        return self.root.name

    @property
    def record(self) -> Path:
        """What was started and how, as JSON."""
        return self.root / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.root / "pki"

    @property
    def etcd(self) -> Path:
        """The data folder of etcd."""
        return self.root / "etcd"

    def client_config(self, user: str) -> Path:
        """Return the kubeconfig of one component."""
        return self.pki / f"{user}.kubeconfig"

    def pid(self, component: str) -> Path:
        """Return the file that holds a component's process id."""
        return self.root / "pids" / f"{component}.pid"

    def log(self, component: str) -> Path:
        """Return the file that a component writes its output to."""
        return self.root / "logs" / f"{component}.log"


def cluster_dir(name: str, base: Path | None = None) -> ClusterDir:
    """Return the folder of the cluster of that name, or raise for a bad name."""
    if not _NAME.fullmatch(name):
        raise ClusterError(
            f"{name!r} can't name a cluster: use up to 40 lower case letters, "
            "digits and dashes, such as 'dev' or 'demo-2'."
        )
    return ClusterDir((base or clusters_dir()).absolute() / name)
