"""`heartbeats exec`: options in, the command's exit code out.

It stands before a job's first instruction, so it imports next to nothing.
"""

import sys

import click

from heartbeats.client.requests import PingUrl, UrlError
from heartbeats.client.runner import Plan, run, say


@click.command("exec", context_settings={"allow_interspersed_args": False})
@click.option(
    "--url",
    envvar="HEARTBEATS_URL",
    show_envvar=True,
    help="The monitor's ping URL. Without a usable one the command runs all the same, "
    "unreported, and stderr says so.",
)
@click.option(
    "--ping-timeout",
    type=click.IntRange(1, 3600),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="How long the pings may hold up the end when the service does not answer.",
)
@click.option(
    "--output/--no-output",
    default=True,
    show_default=True,
    help="Send the last 10 kB of stdout and stderr with the exit code. With "
    "--no-output the command has both streams to itself, e.g. a terminal.",
)
@click.argument(
    "command",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    metavar="-- COMMAND [ARGUMENT]...",
)
def exec_(
    url: str | None, ping_timeout: int, output: bool, command: tuple[str, ...]
) -> None:
    """Run a command and tell its monitor how it ended.

    A start ping goes out while the command begins, its exit code and the end of its
    output when it has ended. stdin, stdout, stderr and the exit code are those of the
    command. Signals are passed on to it; as PID 1 of a container, what it leaves
    behind is reaped. A ping that can't be delivered never stops the command: it is
    repeated for at most --ping-timeout seconds after the end and costs one line on
    stderr.

    \b
    Examples:
      heartbeats exec --url "$URL" -- backup.sh --all
      HEARTBEATS_URL=... heartbeats exec -- sh -c 'pg_dump | gzip > dump.gz'

    \b
    Exit codes:
      N      the command's own
      128+N  signal N ended the command
      127    the command was not found (told to the monitor as a failure)
      126    the command can't be started (the same)
      2      the options make no sense; nothing was run
    """  # noqa: D301 - click wants the character, not its name
    plan = Plan(
        command=command,
        url=_ping_url(url),
        ping_seconds=ping_timeout,
        with_output=output,
    )
    sys.exit(run(plan))


def _ping_url(text: str | None) -> PingUrl | None:
    """Return the URL; without one the job must run, its monitor will miss it."""
    if not text:
        say("no pings are sent: pass --url or set HEARTBEATS_URL")
        return None
    try:
        return PingUrl(text)
    except UrlError as error:
        say(f"no pings are sent, the URL is wrong: {error}")
        return None
