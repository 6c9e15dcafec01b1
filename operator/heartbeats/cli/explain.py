"""`heartbeats explain`: why a monitor says what it says. Changes nothing."""

from typing import TYPE_CHECKING, Any

import click

from heartbeats.cli.asking import (
    all_namespaces_option,
    as_text,
    ask,
    cluster_options,
    key_of,
    show,
)
from heartbeats.cli.monitors import MONITOR
from heartbeats.console.access import Cluster, Target

if TYPE_CHECKING:
    from heartbeats.console.monitors import Monitor


@click.command()
@click.argument("monitor", type=MONITOR, metavar="[NAME]", required=False)
@all_namespaces_option
@cluster_options
@click.option(
    "-o", "--output", "form", type=click.Choice(["json", "yaml"]), help="For programs."
)
def explain(monitor: str | None, form: str | None, **where: Any) -> None:
    """Say why a monitor is Down, and what helps.

    One sentence tells why it is Down (or Unknown, Late, …), and since when; then what
    would make it good again, when its next run is due, and when silence will be judged
    next. Without NAME, every monitor that is Down, Unknown or Late is explained. NAME
    may also be NAMESPACE/NAME.

    \b
    Examples:
      heartbeats explain nightly -n shop
      heartbeats explain -A

    \b
    Exit codes:
      0  the explanation is on stdout
      1  there is no such monitor, or it can't be read; stderr says why
      2  the options make no sense
    """  # noqa: D301 - click wants the character, not its name
    if monitor and where["all_namespaces"]:
        raise click.UsageError("NAME and -A exclude each other; leave one out.")

    async def work(cluster: Cluster) -> list[str]:
        from heartbeats.console.explanation import as_object, told

        found = await _named(cluster, monitor)
        now = cluster.clock.now()
        if form is not None:
            objects = [as_object(each, now=now) for each in found]
            return as_text(objects[0] if monitor else objects, form)
        parts = [told(each, now=now) for each in found]
        if not parts:
            return ["Nothing is Down, Unknown or Late."]
        return [line for part in parts for line in (*part, "")][:-1]

    show(ask(Target(**where), work))


async def _named(cluster: Cluster, monitor: str | None) -> "list[Monitor]":
    from heartbeats.console.listing import chosen
    from heartbeats.console.monitors import read_one
    from heartbeats.core.model import Health

    if monitor is not None:
        return [await read_one(cluster, key_of(monitor, cluster.namespace))]
    bad = {Health.DOWN, Health.UNKNOWN, Health.LATE}
    return await chosen(cluster, states=bad, now=cluster.clock.now())
