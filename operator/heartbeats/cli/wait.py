"""`heartbeats wait`: returns when a monitor says something. Changes nothing."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from heartbeats.cli.asking import ask, cluster_options, key_of
from heartbeats.cli.monitors import MONITOR
from heartbeats.console.access import Cluster, Target
from heartbeats.core import durations

if TYPE_CHECKING:
    from heartbeats.console.monitors import Monitor

TOO_LATE = 124
"""As timeout(1) ends."""

GOALS = (
    *("up", "down", "late", "unknown", "paused", "new"),
    *("check-in", "success", "failure", "deleted"),
)


class SpanType(click.ParamType[timedelta]):
    """A duration on the command line: 30s, 5m, 1h30m."""

    name = "DURATION"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read it, or fail with a sentence."""
        try:
            return durations.parse(str(value))
        except durations.DurationError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.argument("monitor", type=MONITOR, metavar="NAME")
@click.option(
    "--for",
    "goal",
    type=click.Choice(GOALS, case_sensitive=False),
    default="up",
    show_default=True,
    help="A state, which may be there already; or what has to come from now on: any "
    "check-in, a success, a failure, the monitor's deletion.",
)
@click.option(
    "--timeout",
    type=SpanType(),
    default="30s",
    show_default=True,
    help="How long to wait; 0s looks once.",
)
@cluster_options
def wait(monitor: str, goal: str, timeout: timedelta, **where: Any) -> None:
    """Wait until a monitor is Up, or --for what.

    NAME may also be NAMESPACE/NAME. The cluster is watched, not polled: a state that
    lasts for a moment counts too.

    \b
    Examples:
      heartbeats wait nightly -n shop --for=up --timeout=10m
      kubectl create job --from=cronjob/nightly try && heartbeats wait \\
        nightly-cronjob --for=success --timeout=1h

    \b
    Exit codes:
      0    it has come so far
      124  the time was up
      1    there is no such monitor, it was deleted, or it can't be read
      2    the options make no sense
    """  # noqa: D301 - click wants the character, not its name

    async def work(cluster: Cluster) -> "Monitor":
        from heartbeats.console.waiting import Goal, wait_for

        key = key_of(monitor, cluster.namespace)
        return await wait_for(cluster, key, Goal(goal), within=timeout)

    from heartbeats.console.waiting import TooLateError

    try:
        reached = ask(Target(**where), work)
    except TooLateError as error:
        waited = durations.format(timeout)
        click.echo(
            f"heartbeats: not {goal} within {waited}: {_says(error.last)}", err=True
        )
        sys.exit(TOO_LATE)
    click.echo(f"{reached.key} was deleted" if goal == "deleted" else _says(reached))


def _says(monitor: "Monitor") -> str:
    from heartbeats.clock import SystemClock
    from heartbeats.console.explanation import told

    return told(monitor, now=SystemClock().now())[0]
