"""A group of commands that imports a command only when it is asked for.

`heartbeats exec` stands in front of jobs: it must not load what the operator needs.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """Knows its commands by the module and the name where they are."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._places: Mapping[str, str] = options.pop("places", {})
        super().__init__(*arguments, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands, in the order of the alphabet."""
        return sorted({*super().list_commands(ctx), *self._places})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None when there is no such one."""
        if (place := self._places.get(cmd_name)) is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command
