"""Builds Go programs that only tests and benchmarks use, once, pinned by a go.mod.

They are cached outside the repository by all that they are made of; two runs at once
build once. Go itself is found, or fetched, as for the local control plane.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from heartbeats.cluster.build import build_environment
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.locking import locked
from heartbeats.cluster.paths import cache_dir
from heartbeats.cluster.progress import Progress, elapsed
from heartbeats.cluster.toolchain import find_go

_LOG_LINES: Final = 20
_TIMEOUT: Final = 1800.0
"""Seconds for one command of the build, the downloads included."""


class GoToolError(Exception):
    """The programs can't be built; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Go:
    """The compiler at work in a folder that goes when the build ends."""

    program: Path
    work: Path
    progress: Progress
    environment: dict[str, str] = field(repr=False)

    @property
    def source(self) -> Path:
        """The copy of the sources, which may be changed."""
        return self.work / "src"

    @property
    def output(self) -> Path:
        """What is to be kept."""
        return self.work / "out"

    def run(self, *arguments: str) -> str:
        """Run a command of go; its output is shown only when it fails."""
        command = [str(self.program), *arguments]
        try:
            ended = subprocess.run(
                command,
                cwd=self.source,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GoToolError(f"{' '.join(command)} failed: {error}") from error
        if ended.returncode:
            log = "\n".join(ended.stderr.splitlines()[-_LOG_LINES:])
            raise GoToolError(
                f"{' '.join(command)} failed:\n\n{log}\n\n"
                "If a download failed, check the network and GOPROXY. Then try again."
            )
        return ended.stdout

    def build(self, package: str, name: str, *flags: str) -> None:
        """Compile a package into the folder that is kept."""
        self.run("build", *flags, "-o", str(self.output / name), package)
        self.progress.line(f"{name} is built.")


@dataclass(frozen=True, slots=True)
class Tools:
    """Some programs: how they are called together, their sources, how they are made."""

    name: str
    source: Path
    """A folder with a go.mod."""
    make: Callable[[Go], None]
    recipe: object = ()
    """What `make` goes by besides the sources: another recipe is another build."""

    def built(self, progress: Progress, cache: Path | None = None) -> Path:
        """Return the folder with the programs; build them if need be. GoToolError."""
        base = (cache or cache_dir()) / self.name
        target = base / self.key()
        if not target.exists():
            base.mkdir(parents=True, exist_ok=True)
            lock = base / f".{target.name}.lock"
            with locked(lock, lambda: progress.line(f"{lock} is held; waiting …")):
                if not target.exists():
                    self._build(target, cache or cache_dir(), progress)
        return target

    def key(self) -> str:
        """Name the build by all that goes into it."""
        files = sorted(each for each in self.source.rglob("*") if each.is_file())
        parts = [each.read_bytes() for each in files]
        parts.append(repr(self.recipe).encode())
        digest = hashlib.sha256(b"\0".join(parts)).hexdigest()
        return f"{digest[:16]}-{platform.system()}-{platform.machine()}".lower()

    def _build(self, target: Path, cache: Path, progress: Progress) -> None:
        # A fixed name: whoever holds the lock clears what a killed build left.
        work = target.with_name(f".building-{target.name}")
        shutil.rmtree(work, ignore_errors=True)
        began = time.monotonic()
        try:
            shutil.copytree(self.source, work / "src")
            program = find_go(self.source / "go.mod", cache, progress)
            go = Go(program, work, progress, build_environment(work, os.environ))
            go.output.mkdir()
            progress.line(f"Building {self.name} for the tests, once …")
            self.make(go)
            go.output.rename(target)
        except ClusterError as error:
            raise GoToolError(f"{self.name} needs Go. {error}") from error
        finally:
            shutil.rmtree(work, ignore_errors=True)
        progress.line(f"Built in {elapsed(time.monotonic() - began)}.")
