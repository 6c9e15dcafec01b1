"""What a cluster holds that `preview` looks at, read once, as far as it may be read.

It may not write, nor judge what it reads.
"""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

from heartbeats.console.access import Cluster, SaidError
from heartbeats.console.problems import right_hint, sentence_of
from heartbeats.core.model import CronJobFacts
from heartbeats.core.policy import PREFIX
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.decode import Decoder, Odd, decode
from heartbeats.edges.kube.jobs import facts_of, lean
from heartbeats.edges.kube.monitors import OddMonitorError, sighting_of
from heartbeats.edges.kube.objects import CronJob, Job, KubeObject, Namespace
from heartbeats.edges.kube.resources import (
    CRON_JOBS,
    JOBS,
    MONITORS,
    NAMESPACES,
    Resource,
)
from heartbeats.edges.kube.selection import Selection
from heartbeats.ledger import Sighting

ObjectT = TypeVar("ObjectT", bound=KubeObject)
T = TypeVar("T")


@dataclass(slots=True)
class Inventory:
    """CronJobs and what is around them."""

    cron_jobs: list[CronJobFacts] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    """Our annotations on each Namespace."""
    monitors: list[Sighting] = field(default_factory=list)
    is_installed: bool = True
    """Whether the cluster knows HeartbeatMonitors at all."""
    unread: list[str] = field(default_factory=list)
    """Sentences: which right is missing, and what is not known for it."""


async def take_stock(cluster: Cluster) -> Inventory:
    """Read all of it; SaidError when not even CronJobs can be read, and KubeError.

    CronJobs come before Jobs: one that speaks of a Job that was not read yet would
    seem to have lost it.
    """
    found = Inventory()
    await _cron_jobs(cluster, found)
    jobs = "What their runs did is not known."
    read = await _or_note(found, _read(cluster, JOBS, Job), [], jobs)
    found.jobs = list(map(lean, read))
    monitors = "Which monitors there are is not known: all may be new."
    found.monitors = await _or_note(found, _monitors(cluster, found), [], monitors)
    annotations = "Annotations on Namespaces are not known, and so not counted."
    found.namespaces = await _or_note(found, _namespaces(cluster), {}, annotations)
    return found


async def _cron_jobs(cluster: Cluster, found: Inventory) -> None:
    try:
        found.cron_jobs = list(map(facts_of, await _read(cluster, CRON_JOBS, CronJob)))
    except errors.Forbidden as error:
        raise SaidError(
            f"{sentence_of(error)} Without it nothing can be told; `-n NAMESPACE` asks "
            "for one namespace only."
        ) from error


async def _or_note(found: Inventory, reading: Awaitable[T], instead: T, so: str) -> T:
    """Go on without what may not be read, and say so."""
    try:
        return await reading
    except errors.Forbidden as error:
        found.unread.append(f"You lack a right: {error}. {so} {right_hint('')}")
        return instead


async def _read(
    cluster: Cluster, resource: Resource, kind: type[ObjectT]
) -> list[ObjectT]:
    """Read a collection page by page; an object that is odd is left out."""
    selection = Selection(
        resource, kind, cluster.scope if resource.namespaced else None
    )
    decoder, token = Decoder(resource, kind), ""
    found: list[ObjectT] = []
    while True:
        page = await selection.page(cluster.client, token=token, limit=PAGE)
        objects = map(decoder.object, page.items or ())
        found += [each for each in objects if not isinstance(each, Odd)]
        token = page.metadata.token
        if not token:
            return found


PAGE = 500


async def _monitors(cluster: Cluster, found: Inventory) -> list[Sighting]:
    known: list[Sighting] = []
    token = ""
    while True:
        try:
            page = await cluster.client.list_page(
                MONITORS, namespace=cluster.scope, token=token
            )
        except errors.NotFound:
            found.is_installed = False
            return []
        for raw in page.items or ():
            try:
                known.append(sighting_of(decode(raw, dict)))
            except OddMonitorError:
                continue
        token = page.metadata.token
        if not token:
            return known


async def _namespaces(cluster: Cluster) -> dict[str, dict[str, str]]:
    if cluster.scope is None:
        found = await _read(cluster, NAMESPACES, Namespace)
    else:
        found = [await cluster.client.get(NAMESPACES, cluster.scope, Namespace)]
    return {
        each.metadata.name: {
            name: text
            for name, text in each.metadata.annotations.items()
            if name.startswith(PREFIX)
        }
        for each in found
    }
