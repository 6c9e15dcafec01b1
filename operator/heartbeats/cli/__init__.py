"""The `heartbeats` command: options in, one Config out.

It may not do any work itself; what a command needs is imported when it runs.
"""

import click

from heartbeats import __version__
from heartbeats.cli.lazy import LazyGroup

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
PLACES = {
    "cluster": "heartbeats.cluster.cli:cluster",
    "demo": "heartbeats.demo.cli:demo",
    "describe": "heartbeats.cli.describe:describe",
    "exec": "heartbeats.cli.exec:exec_",
    "explain": "heartbeats.cli.explain:explain",
    "list": "heartbeats.cli.list:list_",
    "ping": "heartbeats.cli.ping:ping",
    "preview": "heartbeats.cli.preview:preview",
    "run": "heartbeats.cli.run:run",
    "url": "heartbeats.cli.url:url",
    "wait": "heartbeats.cli.wait:wait",
}


@click.group(cls=LazyGroup, places=PLACES, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="heartbeats")
def main() -> None:
    """Watch everything that runs on a schedule: a dead man's switch.

    `heartbeats run` is the operator. `heartbeats exec` runs a job and tells its
    monitor how it ended. `heartbeats list` and `heartbeats explain` tell which job does
    not run, and why; so do `kubectl heartbeats list` and its like. `heartbeats cluster
    up` starts a local control plane to try it on, `heartbeats demo` shows all at work.
    """


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)
