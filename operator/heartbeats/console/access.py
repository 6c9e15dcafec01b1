"""The way to a cluster for commands that only look: none of their requests can write.

Imports of what talks HTTP wait until a cluster is asked, so that `--help` is quick.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from heartbeats.clock import Clock
    from heartbeats.edges.kube.client import Client


class SaidError(Exception):
    """A command cannot do what it was asked; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which cluster to ask, and where in it."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    """None: that of the context."""
    all_namespaces: bool = False


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that may be read."""

    client: "Client"
    namespace: str
    """What is meant when nobody names one."""
    clock: "Clock"
    all_namespaces: bool = False

    @property
    def scope(self) -> str | None:
        """Where to look; None: everywhere."""
        return None if self.all_namespaces else self.namespace


class NeverWrites:
    """Stands before every write, and lets none pass."""

    def left(self) -> float:
        """Refuse: NotLeading, before anything is sent."""
        from heartbeats.edges.kube.errors import NotLeading

        raise NotLeading("this command only reads; it was about to write, a defect")


@asynccontextmanager
async def reach(
    target: Target, environ: Mapping[str, str], *, clock: "Clock | None" = None
) -> AsyncIterator[Cluster]:
    """Open a way to a cluster; raises KubeError when there is none."""
    from heartbeats.clock import CorrectedClock, SystemClock
    from heartbeats.edges.kube.client import Client
    from heartbeats.edges.kube.credentials import open_session
    from heartbeats.edges.kube.kubeconfig import find_credentials

    # The cluster's time counts: a laptop's clock may be off.
    corrected = CorrectedClock(clock or SystemClock())
    credentials = find_credentials(
        environ=environ,
        clock=corrected,
        kubeconfig=str(target.kubeconfig) if target.kubeconfig else None,
        context=target.context,
    )
    async with await open_session(credentials) as session:
        client = Client(
            session, clock=corrected, on_date=corrected.compare, fence=NeverWrites()
        )
        namespace = target.namespace or credentials.namespace
        yield Cluster(client, namespace, corrected, target.all_namespaces)
