"""`heartbeats url`: prints where a monitor is pinged. Changes nothing."""

from typing import Any

import click

from heartbeats.cli.asking import cluster_options
from heartbeats.cli.monitors import (
    MONITOR,
    Place,
    look_up,
    operator_namespace_option,
    public_url_option,
)


@click.command()
@click.argument("monitor", type=MONITOR, metavar="NAME")
@cluster_options
@public_url_option
@operator_namespace_option
def url(monitor: str, **options: Any) -> None:
    """Print the ping URL of a monitor.

    NAME may also be NAMESPACE/NAME. The URL is read from the Secret MONITOR-ping beside
    the monitor, where the operator delivers it. Without that Secret it is computed from
    the operator's signing key, which you must have the right to read. Whoever knows the
    URL can ping: treat it as a secret.

    \b
    Examples:
      heartbeats url default/nightly
      curl "$(heartbeats url nightly -n default)/$?"

    \b
    Exit codes:
      0  the URL is on stdout
      1  it can't be told; stderr says why
      2  the options make no sense
    """  # noqa: D301 - click wants the character, not its name
    click.echo(look_up(monitor, Place(**options)))
