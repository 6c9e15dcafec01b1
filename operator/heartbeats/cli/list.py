"""`heartbeats list`: monitors, the worst first. Changes nothing."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from heartbeats.cli.asking import (
    all_namespaces_option,
    as_text,
    ask,
    cluster_options,
    selector_option,
    show,
)
from heartbeats.cli.states import STATES
from heartbeats.console.access import Cluster, Target
from heartbeats.console.text import wants_colour

if TYPE_CHECKING:
    from heartbeats.core.model import Health


@click.command("list")
@all_namespaces_option
@cluster_options
@selector_option
@click.option(
    "--state",
    "states",
    type=STATES,
    help="Only what says one of these, e.g. Down,Late. May be repeated.",
    multiple=True,
)
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["wide", "json", "yaml", "name"]),
    help="wide has more columns; json and yaml are the objects as they are stored.",
)
def list_(
    selector: str | None,
    states: "tuple[tuple[Health, ...], ...]",
    form: str | None,
    **where: Any,
) -> None:
    """List monitors, the worst first.

    That is Down, Unknown, Late, New, Paused, Up. What is late is known at once, before
    it is written anywhere. Colours are used on a terminal, unless NO_COLOR is set.

    \b
    Examples:
      heartbeats list -A
      heartbeats list -n shop --state Down,Unknown -o wide
      heartbeats list -A -l team=billing -o name

    \b
    Exit codes:
      0  the list is on stdout, even if it is empty
      1  it can't be read; stderr says why
      2  the options make no sense
    """  # noqa: D301 - click wants the character, not its name
    wanted = {state for group in states for state in group}

    async def work(cluster: Cluster) -> list[str]:
        from heartbeats.console.listing import as_names, as_object, as_table, chosen

        found = await chosen(
            cluster, selector=selector, states=wanted, now=cluster.clock.now()
        )
        now = cluster.clock.now()
        if form == "name":
            return as_names(found)
        if form in {"json", "yaml"}:
            return as_text(as_object(found), form)
        if not found:
            _say_empty(cluster, filtered=bool(wanted or selector))
            return []
        return as_table(
            found,
            namespaced=cluster.all_namespaces,
            wide=form == "wide",
            colour=wants_colour(sys.stdout, os.environ),
            now=now,
        )

    if lines := ask(Target(**where), work):
        show(lines)


def _say_empty(cluster: Cluster, *, filtered: bool) -> None:
    where = (
        "in any namespace"
        if cluster.all_namespaces
        else f"in namespace {cluster.namespace}; -A looks in all"
    )
    kind = "such monitors" if filtered else "monitors"
    click.echo(f"There are no {kind} {where}.", err=True)
