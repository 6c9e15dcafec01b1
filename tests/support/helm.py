"""Helm, built from its pinned Go module, and the chart as it renders.

It is a tool of the tests alone: tests/helm_tool pins it.
`python -m support.helm` builds it ahead of the tests.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from heartbeats.cluster.progress import Progress
from support.gotools import Go, Tools
from support.installs import CHART
from support.programs import run
from support.resources import Object

_PACKAGE: Final = "helm.sh/helm/v3/cmd/helm"
_FLAGS: Final = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")
_OLDEST: Final = "1.30.0"
"""The oldest Kubernetes that the chart is for."""
_TIMEOUT: Final = 180.0
"""Seconds for one command."""


def _make(go: Go) -> None:
    go.build(_PACKAGE, "helm", *_FLAGS)


_TOOLS: Final = Tools(
    "helm",
    Path(__file__).parents[1] / "helm_tool",
    _make,
    recipe=(_PACKAGE, _FLAGS),
)


@dataclass(frozen=True, slots=True)
class Helm:
    """The program."""

    program: Path

    @classmethod
    def built(cls, progress: Progress) -> "Helm":
        """Return it; build it with Go if need be (minutes, once)."""
        return cls(_TOOLS.built(progress) / "helm")

    def __call__(self, *arguments: str) -> str:
        """Run a command; returns what it wrote. CommandError."""
        return run(self.program, *arguments, timeout=_TIMEOUT)

    def template(
        self, folder: Path, values: Mapping[str, Any], *, namespace: str
    ) -> list[Object]:
        """Render the chart with these values; `folder` is for a file of them."""
        file = folder / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values)))
        where = ("--namespace", namespace, "--values", str(file))
        for_ = ("--kube-version", _OLDEST)
        text = self("template", "heartbeats", str(CHART), *where, *for_)
        return [each for each in yaml.safe_load_all(text) if each]


if __name__ == "__main__":
    Helm.built(Progress(sys.stderr))
