"""`heartbeats demo`: options in, texts and an exit code out.

The tables and the closing text go to stdout, progress to stderr. ctrl-C, SIGTERM and
SIGHUP end it in order: what was made is removed first.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from heartbeats.clock import SystemClock
from heartbeats.cluster import providers
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.paths import cluster_dir
from heartbeats.cluster.progress import Progress
from heartbeats.cluster.record import Provider
from heartbeats.demo.checkout import find_checkout
from heartbeats.demo.errors import DemoError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(BaseException):
    """A signal asked for the end; not an error, and nobody's to catch but ours."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@click.command()
@click.option(
    "--name", default="demo", show_default=True, help="The name of the demo's cluster."
)
@click.option(
    "--context",
    help="Use this context of your kubeconfig instead; all that the demo applies there "
    "is deleted at the end.",
)
@click.option(
    "--provider",
    type=click.Choice(["auto", str(Provider.EMBEDDED), str(Provider.KIND)]),
    default="auto",
    show_default=True,
    help="Where the cluster comes from.",
)
@click.option(
    "--checkout",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The clone with the manifests. Default: the one around the working directory, "
    "else around this program.",
)
def demo(name: str, context: str | None, provider: str, checkout: Path | None) -> None:
    """Show Heartbeats at work, on a cluster of its own.

    Starts a cluster and the operator, applies manifests/samples and shows the
    monitors: two CronJobs that run each minute, one of which fails, a suspended one,
    and a job elsewhere that pings, falls silent and comes back. On a terminal it runs
    until ctrl-C; without one it ends by itself once every sample has shown its states.

    Exit code 0 when they have, 1 with the reason when something went wrong. Nothing
    is left behind.
    """
    try:
        with _signals_as_exceptions():
            wanted = None if provider == "auto" else Provider(provider)
            _perform(
                {
                    "home": cluster_dir(name),
                    "choice": providers.choose(context, wanted),
                    "context": context,
                    "checkout": find_checkout(checkout, cwd=Path.cwd()),
                }
            )
    except _Stopped as stopped:
        sys.exit(128 + stopped.number)
    except (DemoError, ClusterError) as error:
        click.echo(f"heartbeats demo: {error}", err=True)
        sys.exit(1)


def _perform(options: dict[str, Any]) -> None:
    try:
        from heartbeats.demo.stage import Plan, set_up
    except ModuleNotFoundError as error:
        raise DemoError(
            f"{error.name} is missing: pip install 'heartbeats[cli]'"
        ) from error
    from heartbeats.demo.closing import last_words
    from heartbeats.demo.play import Play
    from heartbeats.demo.view import view_for

    is_complete = False
    try:
        plan, progress = Plan(**options), Progress(sys.stderr)
        with set_up(plan, progress, before_removal=_ignore_signals) as stage:
            play = Play(stage, view_for(sys.stdout), SystemClock())
            play.run()
            click.echo(last_words(stage))
            is_complete = True
            if sys.stdout.isatty():
                click.echo("\nctrl-C ends the demo and removes all of it.")
                play.go_on()
    except _Stopped:
        if not is_complete:
            raise


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Turn the first signal into an exception; those after it change nothing."""

    def stop(number: int, _frame: object) -> None:
        _ignore_signals()
        if number == signal.SIGHUP:
            _close_terminal()
        raise _Stopped(number)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _close_terminal() -> None:
    """Let texts vanish: the terminal is gone, and writing to it would fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
