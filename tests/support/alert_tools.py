"""Prometheus, Alertmanager, promtool and amtool, built from pinned Go modules.

They are tools of the tests alone. tests/alert_tools pins them; they are built once, in
some minutes, and cached by what they are made of, as the local control plane is.
`python -m support.alert_tools` builds them ahead of the tests.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heartbeats.cluster.build import build_environment
from heartbeats.cluster.locking import locked
from heartbeats.cluster.paths import cache_dir
from heartbeats.cluster.progress import Progress, elapsed
from heartbeats.cluster.toolchain import find_go

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
_LOG_LINES: Final = 20
_TIMEOUT: Final = 1800.0
"""Seconds for one command of the build, the downloads included."""


class AlertToolsError(Exception):
    """The programs can't be built; the message says why and what to do."""


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
    base = (cache or cache_dir()) / "alert-tools"
    target = base / _key()
    if not target.exists():
        base.mkdir(parents=True, exist_ok=True)
        lock = base / f".{target.name}.lock"
        with locked(lock, lambda: progress.line(f"{lock} is held; waiting …")):
            if not target.exists():
                _build(target, cache or cache_dir(), progress)
    return AlertTools(target)


def _key() -> str:
    """Name the build by all that goes into it."""
    parts = [(SOURCE / name).read_bytes() for name in ("go.mod", "go.sum")]
    parts.append(repr((_PACKAGES, _FLAGS)).encode())
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()
    return f"{digest[:16]}-{platform.system()}-{platform.machine()}".lower()


def _build(target: Path, cache: Path, progress: Progress) -> None:
    work = target.with_name(f".building-{target.name}")
    shutil.rmtree(work, ignore_errors=True)
    began = time.monotonic()
    try:
        shutil.copytree(SOURCE, work / "src")
        go = _Go(find_go(SOURCE / "go.mod", cache, progress), work)
        progress.line("Building Prometheus and Alertmanager for the tests, once …")
        go.replace_alertmanager()
        for package in _PACKAGES:
            output = work / "bin" / package.rsplit("/", 1)[1]
            go.run("build", *_FLAGS, "-o", str(output), package)
            progress.line(f"{output.name} is built.")
        (work / "bin").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress.line(f"Built in {elapsed(time.monotonic() - began)}.")


class _Go:
    """The compiler at work in one folder."""

    def __init__(self, go: Path, work: Path) -> None:
        self._go = go
        self._work = work
        self._environment = build_environment(work, os.environ)

    def replace_alertmanager(self) -> None:
        """Take a copy of Alertmanager's module with an empty page.

        The module embeds its web pages, and their compiled form is not in it.
        """
        module = json.loads(self.run("mod", "download", "-json", _ALERTMANAGER))
        copy = self._work / "alertmanager"
        shutil.copytree(module["Dir"], copy, copy_function=shutil.copyfile)
        for folder in (copy, *(each for each in copy.rglob("*") if each.is_dir())):
            folder.chmod(0o755)  # the module cache is read-only
        page = copy / "ui" / "app" / "dist" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text("<!doctype html><title>Alertmanager</title>")
        self.run("mod", "edit", f"-replace={_ALERTMANAGER}={copy}")

    def run(self, *arguments: str) -> str:
        """Run a command of go; its output is shown only when it fails."""
        command = [str(self._go), *arguments]
        try:
            ended = subprocess.run(
                command,
                cwd=self._work / "src",
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AlertToolsError(
                f"Building the alert tools failed: {error}"
            ) from error
        if ended.returncode:
            log = "\n".join(ended.stderr.splitlines()[-_LOG_LINES:])
            raise AlertToolsError(
                f"Building the alert tools failed: {' '.join(command)}\n\n{log}\n\n"
                "If a download failed, check the network and GOPROXY. Then try again."
            )
        return ended.stdout


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
