"""State names on the command line: `Down,Late`, in any case of letters.

It may not know what a state means.
"""

from typing import Any

import click

from heartbeats.core.model import Health


class StatesType(click.ParamType[tuple[Health, ...]]):
    """States, separated by commas."""

    name = "STATE,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Health, ...]:
        """Read the names, or fail with a sentence that lists them."""
        if isinstance(value, tuple):
            return value
        known = {health.value.lower(): health for health in Health}
        found = [part.strip().lower() for part in str(value).split(",")]
        for part in found:
            if part not in known:
                names = ", ".join(health.value for health in Health)
                self.fail(f"{part!r} is no state; there are {names}", param, ctx)
        return tuple(known[part] for part in found)


STATES = StatesType()
