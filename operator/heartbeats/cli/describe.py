"""`heartbeats describe`: one monitor with its timeline. Changes nothing."""

import sys
from typing import Any

import click

from heartbeats.cli.asking import ask, cluster_options, key_of, show
from heartbeats.cli.monitors import MONITOR
from heartbeats.console.access import Cluster, Target


@click.command()
@click.argument("monitor", type=MONITOR, metavar="NAME")
@cluster_options
def describe(monitor: str, **where: Any) -> None:
    """Show a monitor: why it is so, and its last runs.

    NAME may also be NAMESPACE/NAME. Each setting tells where it comes from: the spec,
    an annotation on the CronJob or its Namespace, a flag of the operator, or built in.

    \b
    Examples:
      heartbeats describe nightly -n shop
      heartbeats describe shop/nightly

    \b
    Exit codes:
      0  the description is on stdout
      1  there is no such monitor, or it can't be read; stderr says why
      2  the options make no sense
    """  # noqa: D301 - click wants the character, not its name

    async def work(cluster: Cluster) -> list[str]:
        from heartbeats.console.description import described
        from heartbeats.console.happenings import happenings_of
        from heartbeats.console.monitors import read_one

        found = await read_one(cluster, key_of(monitor, cluster.namespace))
        happened = await happenings_of(cluster, found.key.namespace, found.seen.uid)
        encoding = sys.stdout.encoding or "ascii"
        return described(found, happened, encoding=encoding, now=cluster.clock.now())

    show(ask(Target(**where), work))
