"""`kubectl heartbeats`: the commands for whoever looks after jobs, as a plugin.

kubectl finds it by its name on PATH, `kubectl-heartbeats`. Beside it stands
`kubectl_complete-heartbeats`, which kubectl's own completion asks for words.

It may not hold commands of its own: they are those of `heartbeats`.
"""

import re
import sys
from copy import copy

import click
from click.shell_completion import ShellComplete

from heartbeats import __version__
from heartbeats.cli import CONTEXT, PLACES
from heartbeats.cli.lazy import LazyGroup

PROGRAM = "kubectl heartbeats"
OFFERED = ("describe", "explain", "list", "ping", "preview", "url", "wait")
NO_FILES = ":4"
"""The directive of kubectl's completion that no file names are to be offered."""


class Plugin(LazyGroup):
    """Shows examples as they are written for kubectl."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; its help names the program as it was called."""
        command = super().get_command(ctx, cmd_name)
        if command is None or command.help is None:
            return command
        named = copy(command)
        named.help = _EXAMPLE.sub(f"{PROGRAM} ", command.help)
        return named


_EXAMPLE = re.compile(rf"\bheartbeats (?=({'|'.join(OFFERED)})\b)")


@click.group(
    cls=Plugin,
    places={name: PLACES[name] for name in OFFERED},
    context_settings=CONTEXT,
)
@click.version_option(__version__, prog_name=PROGRAM)
def plugin() -> None:
    """Look after jobs that run on a schedule: which one does not run, and why.

    \b
      kubectl heartbeats list -A             what is wrong, the worst first
      kubectl heartbeats explain NAME        why, and what would make it good
      kubectl heartbeats preview             what Heartbeats would watch, before it does

    --kubeconfig, --context and -n mean what they mean to kubectl, and come after the
    command.
    """  # noqa: D301 - click wants the character, not its name


def main() -> None:
    """Run as a plugin of kubectl."""
    plugin.main(prog_name=PROGRAM)


def complete() -> None:
    """Print the words that may follow, one a line, as kubectl wants them."""
    *before, last = sys.argv[1:] or [""]
    found = ShellComplete(plugin, {}, PROGRAM, "").get_completions(before, last)
    for each in found:
        click.echo(f"{each.value}\t{each.help}" if each.help else each.value)
    click.echo(NO_FILES)
