"""What names a monitor on the command line, and the way to its URL.

The cluster's client is imported only when a cluster is asked.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from heartbeats.cli.asking import FailedError, key_of
from heartbeats.config import OWN_NAMESPACE
from heartbeats.console.access import Cluster, Target, reach

LONGEST_KEY = 2


class MonitorType(click.ParamType[str]):
    """NAME or NAMESPACE/NAME on the command line."""

    name = "NAME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Take a name, with its namespace or without, or fail with a sentence."""
        parts = str(value).split("/")
        if len(parts) > LONGEST_KEY or not all(parts):
            self.fail(
                f"{value!r} is neither NAME nor NAMESPACE/NAME: write it like "
                "default/nightly; `kubectl get hbm -A` lists all monitors",
                param,
                ctx,
            )
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the monitors there are; none when the cluster does not tell."""
        del param
        known = {"kubeconfig", "context", "namespace"}
        given = {key: value for key, value in ctx.params.items() if key in known}
        given["kubeconfig"] = given.get("kubeconfig") and Path(given["kubeconfig"])
        try:
            names = asyncio.run(_names(Target(**given)))
        except Exception:  # noqa: BLE001 - a completion has nobody to complain to
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


async def _names(target: Target) -> list[str]:
    from heartbeats.edges.kube.resources import MONITORS

    async with reach(target, os.environ) as cluster:
        page = await cluster.client.list_metadata(MONITORS, namespace=cluster.namespace)
    return sorted(each.name for each in page.items)


MONITOR = MonitorType()

public_url_option = click.option(
    "--public-url",
    help="Let the URL begin with this, e.g. https://pings.example.org. Default: what "
    "the operator delivered, else its Service within the cluster.",
)
operator_namespace_option = click.option(
    "--operator-namespace",
    "own_namespace",
    default=OWN_NAMESPACE,
    show_default=True,
    help="Where the signing key lives.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Target):
    """Which cluster to ask for a URL, and how."""

    own_namespace: str = OWN_NAMESPACE
    public_url: str | None = None


def look_up(monitor: str, place: Place) -> str:
    """Return a monitor's ping URL; remarks go to stderr."""
    from heartbeats.edges.kube.errors import KubeError
    from heartbeats.edges.kube.monitor_urls import NoUrlError

    try:
        return asyncio.run(_look_up(monitor, place))
    except (NoUrlError, KubeError) as error:
        raise FailedError(str(error)) from error


async def _look_up(monitor: str, place: Place) -> str:
    async with reach(place, os.environ) as cluster:
        return await _find(cluster, monitor, place)


async def _find(cluster: Cluster, monitor: str, place: Place) -> str:
    from heartbeats.edges.kube.monitor_urls import MonitorUrls

    urls = MonitorUrls(cluster.client, place.own_namespace, place.public_url)
    found = await urls.find(key_of(monitor, cluster.namespace))
    if found.remark:
        click.echo(f"heartbeats: {found.remark}", err=True)
    return found.url
