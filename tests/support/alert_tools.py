"""Prometheus, Alertmanager, promtool and amtool, built from pinned Go modules.

They are tools of the tests alone. tests/alert_tools pins them; they are built once, in
some minutes.
`python -m support.alert_tools` builds them ahead of the tests.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heartbeats.cluster.progress import Progress
from support.gotools import Go, Tools

SOURCE: Final = Path(__file__).parents[1] / "alert_tools"
_ALERTMANAGER: Final = "github.com/prometheus/alertmanager"
_PACKAGES: Final = (
    "github.com/prometheus/prometheus/cmd/promtool",
    "github.com/prometheus/prometheus/cmd/prometheus",
    f"{_ALERTMANAGER}/cmd/amtool",
    f"{_ALERTMANAGER}/cmd/alertmanager",
)
_FLAGS: Final = (
    *("-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"),
    # The clouds' service discoveries are half of the code; tests name their targets.
    "-tags=remove_all_sd",
)


@dataclass(frozen=True, slots=True)
class AlertTools:
    """The folder with the built programs."""

    folder: Path

    @property
    def prometheus(self) -> Path:
        """The server that scrapes and evaluates the rules."""
        return self.folder / "prometheus"

    @property
    def alertmanager(self) -> Path:
        """The server that routes alerts."""
        return self.folder / "alertmanager"

    def promtool(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run promtool; what it wrote is in the result, whatever it says."""
        return _ran(self.folder / "promtool", arguments)

    def amtool(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run amtool; what it wrote is in the result, whatever it says."""
        return _ran(self.folder / "amtool", arguments)


def build_alert_tools(progress: Progress, cache: Path | None = None) -> AlertTools:
    """Return the programs; build them with Go if need be."""
    return AlertTools(_TOOLS.built(progress, cache))


def _make(go: Go) -> None:
    _replace_alertmanager(go)
    for package in _PACKAGES:
        go.build(package, package.rsplit("/", 1)[1], *_FLAGS)


def _replace_alertmanager(go: Go) -> None:
    """Take a copy of Alertmanager's module with an empty page.

    The module embeds its web pages, and their compiled form is not in it.
    """
    module = json.loads(go.run("mod", "download", "-json", _ALERTMANAGER))
    copy = go.work / "alertmanager"
    shutil.copytree(module["Dir"], copy, copy_function=shutil.copyfile)
    for folder in (copy, *(each for each in copy.rglob("*") if each.is_dir())):
        folder.chmod(0o755)  # the module cache is read-only
    page = copy / "ui" / "app" / "dist" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<!doctype html><title>Alertmanager</title>")
    go.run("mod", "edit", f"-replace={_ALERTMANAGER}={copy}")


_TOOLS: Final = Tools("alert-tools", SOURCE, _make, recipe=(_PACKAGES, _FLAGS))


def _ran(
    program: Path, arguments: tuple[str, ...]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(program), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


if __name__ == "__main__":
    build_alert_tools(Progress(sys.stderr))
