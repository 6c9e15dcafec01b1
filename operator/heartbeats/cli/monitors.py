"""What `url` and `ping` share: NAMESPACE/NAME, and the way to a monitor's URL.

The cluster's client is imported only when a URL has to be looked up.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from heartbeats.config import OWN_NAMESPACE


class LookUpError(click.ClickException):
    """A monitor's URL can't be told: a sentence and exit code 1."""

    def show(self, file: Any = None) -> None:
        """Write the sentence as the other commands do."""
        del file
        click.echo(f"heartbeats: {self.message}", err=True)


class MonitorType(click.ParamType[str]):
    """NAMESPACE/NAME on the command line."""

    name = "NAMESPACE/NAME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Take a namespace and a name, or fail with a sentence."""
        parts = str(value).split("/")
        if len(parts) != len(("namespace", "name")) or not all(parts):
            self.fail(
                f"{value!r} is no NAMESPACE/NAME: write it like default/nightly; "
                "`kubectl get hbm -A` lists all monitors",
                param,
                ctx,
            )
        return str(value)


MONITOR = MonitorType()

kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Reach the API server through this file. Default: $KUBECONFIG, the pod's "
    "ServiceAccount, ~/.kube/config.",
)
context_option = click.option("--context", help="Use this context of the kubeconfig.")
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
class Place:
    """Which cluster to ask, and how."""

    kubeconfig: Path | None = None
    context: str | None = None
    own_namespace: str = OWN_NAMESPACE
    public_url: str | None = None


def look_up(monitor: str, place: Place) -> str:
    """Return a monitor's ping URL; remarks go to stderr."""
    from heartbeats.edges.kube.errors import KubeError
    from heartbeats.edges.kube.monitor_urls import NoUrlError

    try:
        return asyncio.run(_look_up(monitor, place))
    except (NoUrlError, KubeError) as error:
        raise LookUpError(str(error)) from error


async def _look_up(monitor: str, place: Place) -> str:
    from heartbeats.clock import SystemClock
    from heartbeats.core.model import MonitorKey
    from heartbeats.edges.kube.client import Client
    from heartbeats.edges.kube.credentials import open_session
    from heartbeats.edges.kube.kubeconfig import find_credentials
    from heartbeats.edges.kube.monitor_urls import MonitorUrls

    clock = SystemClock()
    credentials = find_credentials(
        environ=os.environ,
        clock=clock,
        kubeconfig=str(place.kubeconfig) if place.kubeconfig else None,
        context=place.context,
    )
    async with await open_session(credentials) as session:
        client = Client(session, clock=clock)
        urls = MonitorUrls(client, place.own_namespace, place.public_url)
        found = await urls.find(MonitorKey(*monitor.split("/")))
    if found.remark:
        click.echo(f"heartbeats: {found.remark}", err=True)
    return found.url
