"""`heartbeats preview`: what would be monitored, before it is. Changes nothing."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from heartbeats.cli.asking import as_text, ask, context_option, kubeconfig_option, show
from heartbeats.cli.flags import (
    api_write_budget_option,
    auto_monitor_option,
    check_time_zone,
    cluster_time_zone_option,
    exclude_namespaces_option,
    ping_secrets_option,
)
from heartbeats.console.access import Cluster, Target
from heartbeats.console.text import wants_colour

if TYPE_CHECKING:
    from heartbeats.console.preview import Preview


@click.command()
@click.option(
    "-n",
    "--namespace",
    metavar="NAMESPACE",
    help="Look at this namespace only, for which rights in it suffice.",
)
@click.option(
    "-A",
    "--all-namespaces",
    is_flag=True,
    help="Look at all namespaces.  [default: without -n]",
)
@context_option
@kubeconfig_option
@auto_monitor_option
@exclude_namespaces_option
@cluster_time_zone_option
@ping_secrets_option
@api_write_budget_option
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["wide", "json", "yaml"]),
    help="wide has more columns; json and yaml tell everything.",
)
def preview(
    namespace: str | None, all_namespaces: bool, form: str | None, **options: Any
) -> None:
    """Tell what Heartbeats would do here.

    What it would monitor, say and write. Nothing is written, and nothing of Heartbeats
    need be installed. Pass the flags that the operator will get: the same code decides.
    AT FIRST is what a monitor would say from the beginning; a new one judges nothing
    that was before it, so installing never wakes anybody. LATELY is what the runs of
    which Jobs are left would have led to, had they been watched: what is Down there is
    worth a look.

    \b
    Examples:
      heartbeats preview
      heartbeats preview --auto-monitor=annotated -o wide
      heartbeats preview -n shop --cluster-time-zone=Europe/Berlin -o json

    \b
    Exit codes:
      0  the whole preview is on stdout
      1  something may not be read: stderr names the right; the rest is on stdout
      2  the options make no sense
    """  # noqa: D301 - click wants the character, not its name
    if namespace and all_namespaces:
        raise click.UsageError("-n and -A exclude each other; leave one out.")
    check_time_zone(options["cluster_time_zone"])
    target = Target(
        kubeconfig=options.pop("kubeconfig"),
        context=options.pop("context"),
        namespace=namespace,
        all_namespaces=namespace is None,
    )
    found = ask(target, lambda cluster: _previewed(cluster, options))
    _show(found, form)
    for sentence in found.stock.unread:
        click.echo(f"heartbeats: {sentence}", err=True)
    if found.stock.unread:
        sys.exit(1)


async def _previewed(cluster: Cluster, options: dict[str, Any]) -> "Preview":
    from heartbeats.console.inventory import take_stock
    from heartbeats.console.preview import Preview
    from heartbeats.console.rehearsal import rehearse
    from heartbeats.core.policy import Defaults
    from heartbeats.edges.kube.wishes import AutoMonitor, Wishes

    stock = await take_stock(cluster)
    wishes = Wishes(
        AutoMonitor(options["auto_monitor"]), frozenset(options["exclude_namespaces"])
    )
    defaults = Defaults(options["cluster_time_zone"])
    return Preview(
        stock,
        await rehearse(stock, wishes, defaults, clock=cluster.clock),
        options["ping_secrets"],
        options["api_write_budget"],
        cluster.clock.now(),
    )


def _show(found: "Preview", form: str | None) -> None:
    from heartbeats.console.preview import as_lines
    from heartbeats.console.preview_object import as_object

    if form in {"json", "yaml"}:
        show(as_text(as_object(found), form))
        return
    colour = wants_colour(sys.stdout, os.environ)
    show(as_lines(found, wide=form == "wide", colour=colour))
