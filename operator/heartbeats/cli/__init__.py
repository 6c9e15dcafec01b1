"""The `heartbeats` command: options in, one Config out.

It may not do any work itself; what a command needs is imported when it runs.
"""

import click

from heartbeats import __version__
from heartbeats.cli.run import run
from heartbeats.cluster.cli import cluster
from heartbeats.demo.cli import demo

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="heartbeats")
def main() -> None:
    """Watch everything that runs on a schedule: a dead man's switch.

    `heartbeats run` is the operator. `heartbeats cluster up` starts a local control
    plane to try it on, `heartbeats demo` shows both at work.
    """


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


main.add_command(run)
main.add_command(cluster)
main.add_command(demo)
