"""kubectl as whoever installs Heartbeats uses it: the one built with the cluster.

Where only a cluster of somebody's own is used, the installed one.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from heartbeats.cluster.build import kubectl_path
from support.programs import run
from support.resources import Object

_TIMEOUT = 120.0
"""Seconds for one command."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Commands to one cluster, as the user of a kubeconfig."""

    kubeconfig: Path

    def __call__(self, *arguments: str) -> str:
        """Run a command; returns all that it wrote, warnings too. CommandError."""
        return _run("--kubeconfig", str(self.kubeconfig), *arguments)


def rendered(folder: Path) -> list[Object]:
    """Return what a kustomization renders to."""
    return [each for each in yaml.safe_load_all(_run("kustomize", str(folder))) if each]


def _run(*arguments: str) -> str:
    return run(kubectl_path() or "kubectl", *arguments, timeout=_TIMEOUT)
