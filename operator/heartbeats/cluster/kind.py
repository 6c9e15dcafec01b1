"""Clusters by kind, where a Docker engine answers. Talks to kind and docker alone."""

import shutil
import subprocess
from pathlib import Path

from heartbeats.cluster.build import ensure_built
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.paths import ClusterDir
from heartbeats.cluster.programs import KIND
from heartbeats.cluster.progress import Progress

_DOCKER_TIMEOUT = 5.0
"""Seconds for `docker version`: an engine that is there answers at once."""

_CREATE_TIMEOUT = 900.0
"""Seconds, with the download of the node image (some 400 MB) on a slow line."""

_DELETE_TIMEOUT = 120.0


def docker_answers() -> bool:
    """Tell whether a Docker engine answers quickly, not just whether docker exists."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        answer = subprocess.run(
            [docker, "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            timeout=_DOCKER_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and bool(answer.stdout.strip())


def create(home: ClusterDir, progress: Progress) -> None:
    """Create the kind cluster and its kubeconfig, unless it is there."""
    kind = _kind(progress)
    if _cluster_name(home) in _existing(kind):
        _run(kind, "export", "kubeconfig", home, timeout=_DELETE_TIMEOUT)
        return
    progress.line(f"kind creates the cluster {_cluster_name(home)} …")
    _run(kind, "create", "cluster", home, "--wait=180s", timeout=_CREATE_TIMEOUT)


def delete(home: ClusterDir, progress: Progress) -> None:
    """Delete the kind cluster; one that is gone is fine."""
    _run(_kind(progress), "delete", "cluster", home, timeout=_DELETE_TIMEOUT)
    shutil.rmtree(home.root, ignore_errors=True)


def is_there(home: ClusterDir, progress: Progress) -> bool:
    """Tell whether kind knows the cluster."""
    return docker_answers() and _cluster_name(home) in _existing(_kind(progress))


def _kind(progress: Progress) -> Path:
    """Return the installed kind, or the one built from the pinned modules."""
    if installed := shutil.which("kind"):
        return Path(installed)
    return ensure_built(progress, KIND) / "kind"


def _cluster_name(home: ClusterDir) -> str:
    return f"heartbeats-{home.name}"


def _existing(kind: Path) -> list[str]:
    try:
        listed = subprocess.run(
            [str(kind), "get", "clusters", "--quiet"],
            capture_output=True,
            text=True,
            timeout=_DELETE_TIMEOUT,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise _failure("get clusters", error) from error
    return listed.stdout.split()


def _run(
    kind: Path, verb: str, noun: str, home: ClusterDir, *more: str, timeout: float
) -> None:
    place = [f"--name={_cluster_name(home)}", f"--kubeconfig={home.kubeconfig}"]
    try:
        subprocess.run(
            [str(kind), verb, noun, *place, *more],
            # kind reports on stderr; stdout is kept for our own last line.
            stdout=subprocess.DEVNULL,
            timeout=timeout,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise _failure(f"{verb} {noun}", error) from error


def _failure(what: str, error: subprocess.SubprocessError) -> ClusterError:
    return ClusterError(
        f"`kind {what}` failed: {error}\nSee its own message above. Without Docker: "
        "`heartbeats cluster up --provider embedded`."
    )
