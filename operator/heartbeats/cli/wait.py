"""`heartbeats wait`: returns when a monitor says something. Changes nothing."""

import sys
from datetime import timedelta
from typing import Any

import click

from heartbeats.cli.asking import ask, cluster_options, key_of
from heartbeats.cli.monitors import MONITOR
from heartbeats.console.access import Cluster, Target
from heartbeats.core import durations

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

    async def work(cluster: Cluster) -> tuple[int, str]:
        from heartbeats.console.explanation import told
        from heartbeats.console.waiting import Goal, TooLateError, wait_for

        key = key_of(monitor, cluster.namespace)
        try:
            found = await wait_for(cluster, key, Goal(goal), within=timeout)
        except TooLateError as error:
            says = told(error.last, now=cluster.clock.now())[0]
            return TOO_LATE, f"not {goal} within {durations.format(timeout)}: {says}"
        if goal == Goal.DELETED:
            return 0, f"{found.key} was deleted"
        return 0, told(found, now=cluster.clock.now())[0]

    code, text = ask(Target(**where), work)
    click.echo(f"heartbeats: {text}" if code else text, err=bool(code))
    sys.exit(code)
