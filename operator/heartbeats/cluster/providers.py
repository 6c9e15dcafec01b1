"""Brings a cluster up, tells about it and takes it down, whoever provides it.

The order of choice: the context that the user names, kind where a Docker engine
answers, else the embedded control plane.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from heartbeats.cluster import embedded, kind
from heartbeats.cluster.build import ensure_built
from heartbeats.cluster.controlplane import remove
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.kubeconfig import extract_context, kubeconfig_files
from heartbeats.cluster.locking import locked
from heartbeats.cluster.paths import ClusterDir
from heartbeats.cluster.progress import Progress
from heartbeats.cluster.record import (
    Options,
    Provider,
    Record,
    read_record,
    write_record,
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A provider, and why it was taken: shown to the user."""

    provider: Provider
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a cluster; `details` are lines for the user."""

    provider: Provider
    is_running: bool
    details: tuple[str, ...]


def choose(context: str | None, wanted: Provider | None) -> Choice:
    """Decide where the cluster comes from; raises for a contradiction."""
    if context is not None:
        if wanted not in {None, Provider.CONTEXT}:
            raise ClusterError("--context names a cluster: leave out --provider.")
        return Choice(Provider.CONTEXT, f"the context {context!r}, as named")
    match wanted:
        case Provider.CONTEXT:
            raise ClusterError("Name the context: --context NAME.")
        case Provider.EMBEDDED | Provider.KIND:
            return Choice(wanted, f"{wanted}, as asked for")
        case None if kind.docker_answers():
            return Choice(Provider.KIND, "kind: a Docker engine answers")
        case None:
            return Choice(
                Provider.EMBEDDED,
                "the embedded control plane: no Docker engine answers",
            )


def prepare(home: ClusterDir, choice: Choice, progress: Progress) -> None:
    """Do beforehand what takes minutes, without holding off other commands."""
    if choice.provider is Provider.EMBEDDED and not embedded.find_running(home):
        ensure_built(progress)


def bring_up(
    home: ClusterDir,
    choice: Choice,
    *,
    context: str | None,
    options: Options,
    progress: Progress,
) -> None:
    """Make the cluster run and its kubeconfig exist; does nothing if it does."""
    _refuse_other_provider(home, choice.provider)
    match choice.provider:
        case Provider.EMBEDDED:
            embedded.start(
                home.name,
                state_dir=home.root.parent,
                options=options,
                progress=progress,
            )
        case Provider.KIND:
            write_record(home, Record(Provider.KIND))
            kind.create(home, progress)
        case Provider.CONTEXT:
            server = extract_context(str(context), home.kubeconfig, kubeconfig_files())
            write_record(home, Record(Provider.CONTEXT))
            progress.line(f"Cluster {home.name!r} is {server}; nothing was created.")


def take_down(home: ClusterDir, progress: Progress) -> bool:
    """Remove the cluster; returns False if there was none.

    A cluster taken from a context is left alone: only our kubeconfig goes.
    """
    if not home.root.exists():
        return False
    record = read_record(home)
    match record.provider if record else None:
        case Provider.KIND:
            kind.delete(home, progress)
        case Provider.CONTEXT:
            shutil.rmtree(home.root)
        case Provider.EMBEDDED | None:
            # Without a readable record there may still be processes with an id.
            remove(home)
    return True


def status(home: ClusterDir, progress: Progress) -> Status | None:
    """Return what is known of the cluster, or None if there is none."""
    record = read_record(home)
    match record.provider if record else None:
        case Provider.EMBEDDED:
            return _embedded_status(home)
        case Provider.KIND:
            return Status(Provider.KIND, kind.is_there(home, progress), ())
        case Provider.CONTEXT:
            return Status(Provider.CONTEXT, home.kubeconfig.exists(), ())
        case None:
            return None


@contextmanager
def exclusive(home: ClusterDir, progress: Progress) -> Iterator[None]:
    """Hold off every other `up` and `down` of clusters in the same folder."""
    base = home.root.parent
    base.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(base, lambda: progress.line("Waiting for another cluster command …")):
        yield


def _refuse_other_provider(home: ClusterDir, provider: Provider) -> None:
    record = read_record(home)
    if record and record.provider is not provider:
        raise ClusterError(
            f"Cluster {home.name!r} is there already, by {record.provider}. Take it "
            f"down first (`heartbeats cluster down --name {home.name}`), or choose "
            "another --name."
        )


def _embedded_status(home: ClusterDir) -> Status | None:
    control_plane = embedded.load(home)
    if control_plane is None:
        return None
    lines = [f"server: {control_plane.server}"]
    for component in control_plane.components:
        pid = control_plane.pid(component)
        state = f"running, process {pid}" if pid else "not running"
        lines.append(f"{component}: {state}, log {control_plane.log(component)}")
    return Status(Provider.EMBEDDED, control_plane.is_ready(), tuple(lines))
