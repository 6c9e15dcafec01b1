"""Builds the programs once and caches them: whole, or not at all.

Two commands at once build once: the second waits. Go's module and build caches lie in
the work folder and go with it, unless the user's environment names its own.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.locking import locked
from heartbeats.cluster.paths import cache_dir
from heartbeats.cluster.programs import (
    BUILD_FLAGS,
    CONTROL_PLANE,
    GO_MODULE,
    Bundle,
    Program,
    build_key,
    link_flags,
)
from heartbeats.cluster.progress import Progress, elapsed
from heartbeats.cluster.toolchain import find_go

_DISK_NEEDED = 6 * 10**9
"""Bytes: modules 1.2 GB, Go's build cache 3.1 GB, programs 0.4 GB, and room to link."""

_LOG_LINES = 30
"""How much of a failed build's log is shown."""


@dataclass(frozen=True, slots=True)
class _Build:
    """One run of the compiler for a bundle."""

    go: Path
    work: Path
    log: Path
    progress: Progress
    environment: Mapping[str, str]

    @property
    def source(self) -> Path:
        return self.work / "src"

    @property
    def output(self) -> Path:
        return self.work / "bin"


def ensure_built(
    progress: Progress, bundle: Bundle = CONTROL_PLANE, cache: Path | None = None
) -> Path:
    """Return the folder with the bundle's programs; build them if need be (minutes)."""
    base = (cache or cache_dir()) / bundle.name
    target = base / build_key(bundle)
    if is_complete(target, bundle):
        return target
    base.mkdir(parents=True, exist_ok=True)
    lock = base / f".{target.name}.lock"
    with locked(lock, lambda: progress.line(f"Another build holds {lock}; waiting …")):
        if not is_complete(target, bundle):
            _build(target, bundle, cache or cache_dir(), progress)
    return target


def is_complete(folder: Path, bundle: Bundle) -> bool:
    """Tell whether every program of the bundle is there."""
    return all((folder / program.name).exists() for program in bundle.programs)


def kubectl_path(cache: Path | None = None) -> Path | None:
    """Return the built kubectl, or None while nothing is built."""
    folder = (cache or cache_dir()) / CONTROL_PLANE.name / build_key(CONTROL_PLANE)
    return folder / "kubectl" if is_complete(folder, CONTROL_PLANE) else None


def build_environment(work: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of `go build`; caches that the user names are kept."""
    # Programs for another system, or flags of another project, are of no use here.
    strange = {"GOOS", "GOARCH", "GOEXPERIMENT", "GOBIN", "GO111MODULE"}
    ours = {
        "GOPATH": str(work / "gopath"),
        "GOMODCACHE": str(work / "modules"),
        "GOCACHE": str(work / "objects"),
    }
    return {
        **ours,
        **{name: value for name, value in environ.items() if name not in strange},
        "GOPATH": ours["GOPATH"],
        # Go writes its module cache read-only; ours is to be deleted.
        "GOFLAGS": "" if "GOMODCACHE" in environ else "-modcacherw",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


def _build(target: Path, bundle: Bundle, cache: Path, progress: Progress) -> None:
    # A fixed name: whoever holds the lock clears what a killed build left.
    work = target.with_name(f".building-{target.name}")
    log = target.with_name(f"{target.name}.log")
    shutil.rmtree(work, ignore_errors=True)
    _check_disk(target.parent)
    go = find_go(GO_MODULE / "go.mod", cache, progress)
    log.unlink(missing_ok=True)
    try:
        shutil.copytree(GO_MODULE, work / "src")
        build = _Build(go, work, log, progress, build_environment(work, os.environ))
        _compile_all(build, bundle)
        shutil.rmtree(target, ignore_errors=True)
        build.output.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    log.unlink(missing_ok=True)


def _check_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _DISK_NEEDED:
        raise ClusterError(
            f"The build needs {_DISK_NEEDED / 1e9:.0f} GB of disk for a while, and "
            f"{folder} has {free / 1e9:.1f} GB free. Make room, or set "
            "HEARTBEATS_CACHE to a folder on a larger disk."
        )


def _compile_all(build: _Build, bundle: Bundle) -> None:
    total = len(bundle.programs)
    build.progress.line(
        f"Building {total} program{'s' * (total > 1)} from source, once (the whole "
        f"control plane: 6 to 10 minutes on 2 cores). Log: {build.log}"
    )
    began = time.monotonic()
    for number, program in enumerate(bundle.programs, start=1):
        _compile(build, program, f"building {program.name} ({number} of {total}")
    build.progress.line(f"Built in {elapsed(time.monotonic() - began)}.")


def _compile(build: _Build, program: Program, title: str) -> None:
    began = time.monotonic()
    build.progress.tick(f"{title})")
    with build.log.open("a") as log:
        process = subprocess.Popen(
            _go_build(build, program),
            cwd=build.source,
            env=dict(build.environment),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while not _ended(process):
                spent = elapsed(time.monotonic() - began)
                build.progress.tick(f"{title}, {spent}{_detail(build.log)})")
        finally:
            # Only an interruption gets here with the compiler still running.
            process.terminate()
            process.wait()
    if process.returncode:
        raise _failure(program, build.log)
    build.progress.line(f"{title}, {elapsed(time.monotonic() - began)})")


def _go_build(build: _Build, program: Program) -> list[str]:
    flags = ["-v", *BUILD_FLAGS, "-ldflags"]
    flags.append(link_flags((build.source / "go.mod").read_text()))
    output = str(build.output / program.name)
    return [str(build.go), "build", *flags, "-o", output, program.package]


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return False
    return True


def _detail(log: Path) -> str:
    """Say what the compiler is at, from its own output: one line for each step."""
    lines = log.read_text(errors="replace").splitlines()
    if not lines:
        return ""
    if lines[-1].startswith("go: downloading "):
        return f", fetching {lines[-1].split()[2]}"
    compiled = sum(not line.startswith(("go: ", "#")) for line in lines)
    return f", {compiled} packages"


def _failure(program: Program, log: Path) -> ClusterError:
    lines = log.read_text(errors="replace").splitlines()
    return ClusterError(
        f"Building {program.name} failed. The end of {log}:\n\n"
        + "\n".join(lines[-_LOG_LINES:])
        + "\n\nIf a download failed, check the network and GOPROXY; if memory ran "
        "out, set GOMAXPROCS=1. Then try again."
    )
