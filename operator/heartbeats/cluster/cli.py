"""`heartbeats cluster`: options in, texts out. Decides nothing.

The kubeconfig's path is the last line of `up` on stdout, so that a script can read it;
all else that `up` says goes to stderr.
"""

import shutil
import sys
from typing import Never

import click

from heartbeats.cluster import providers
from heartbeats.cluster.build import kubectl_path
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.paths import ClusterDir, cluster_dir
from heartbeats.cluster.progress import Progress
from heartbeats.cluster.record import API_ONLY, EVERYTHING, Options, Provider

_name_option = click.option(
    "--name", default="dev", show_default=True, help="The cluster's name."
)


class _Failure(click.ClickException):
    """Shows a ClusterError as it is: its text is written for the user."""

    def show(self, file: object = None) -> None:
        del file
        # Where progress is refreshed, its last line makes room.
        click.echo("\r\x1b[K" * sys.stderr.isatty() + self.message, err=True)


class _Command(click.Command):
    """A command whose ClusterErrors become texts and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ClusterError as error:
            raise _Failure(str(error)) from error


@click.group()
def cluster() -> None:
    """Start and stop a local cluster, for tests and for trying out."""


@cluster.command(cls=_Command)
@_name_option
@click.option("--context", help="Use this context of your kubeconfig; create nothing.")
@click.option(
    "--provider",
    type=click.Choice(["auto", *map(str, Provider)]),
    default="auto",
    show_default=True,
    help="Where the cluster comes from.",
)
@click.option(
    "--controllers/--no-controllers",
    default=True,
    help="Embedded: without, Jobs, pods and statuses are yours to write.",
)
@click.option("--fsync/--no-fsync", default=False, help="Embedded: survive power cuts.")
def up(
    name: str, context: str | None, provider: str, controllers: bool, fsync: bool
) -> None:
    """Start a cluster, unless it runs, and print its kubeconfig's path."""
    home, progress = cluster_dir(name), Progress(sys.stderr)
    wanted = None if provider == "auto" else Provider(provider)
    choice = providers.choose(context, wanted)
    progress.line(f"Cluster {name!r}: {choice.reason}.")
    providers.prepare(home, choice, progress)
    options = Options(EVERYTHING if controllers else API_ONLY, fsync=fsync)
    with providers.exclusive(home, progress):
        providers.bring_up(
            home, choice, context=context, options=options, progress=progress
        )
    _hint(home)
    click.echo(home.kubeconfig)


@cluster.command(cls=_Command)
@_name_option
def down(name: str) -> None:
    """Stop a cluster and remove all that it left."""
    home, progress = cluster_dir(name), Progress(sys.stderr)
    with providers.exclusive(home, progress):
        found = providers.take_down(home, progress)
    click.echo(
        f"Cluster {name!r} is gone." if found else f"There is no cluster {name!r}.",
        err=True,
    )


@cluster.command(cls=_Command)
@_name_option
def status(name: str) -> None:
    """Tell whether a cluster runs (exit code 0) or not (1)."""
    home = cluster_dir(name)
    found = providers.status(home, Progress(sys.stderr))
    if found is None:
        _not_running(f"There is no cluster {name!r}", name)
    click.echo(f"cluster: {name}\nprovider: {found.provider}")
    for line in found.details:
        click.echo(line)
    if not found.is_running:
        _not_running(f"Cluster {name!r} does not run", name)
    click.echo(f"kubeconfig: {home.kubeconfig}")


def _not_running(what: str, name: str) -> Never:
    raise _Failure(f"{what}. Start it: heartbeats cluster up --name {name}")


def _hint(home: ClusterDir) -> None:
    """Say how to use the cluster from a shell."""
    click.echo(f"export KUBECONFIG={home.kubeconfig}", err=True)
    built = kubectl_path()
    if built and not shutil.which("kubectl"):
        click.echo(f"kubectl is not on PATH; one is here: {built}", err=True)
