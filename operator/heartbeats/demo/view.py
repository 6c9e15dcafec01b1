"""Shows the table: refreshed in place on a terminal, else printed when it changes."""

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TextIO

from heartbeats.console.text import declines_colour
from heartbeats.demo.story import Progress, Row, caption
from heartbeats.demo.table import digest, render


class View(Protocol):
    """Where the table is shown."""

    def show(
        self,
        rows: Sequence[Row],
        progress: Progress,
        note: str | None,
        *,
        now: datetime,
    ) -> None:
        """Show the table as it is now; `note` says what is wrong at the moment."""
        ...


class Screen:
    """A terminal: every table takes the place of the one before."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._colour = not declines_colour(environ)
        self._height = 0

    def show(
        self,
        rows: Sequence[Row],
        progress: Progress,
        note: str | None,
        *,
        now: datetime,
    ) -> None:
        """Draw over the last table."""
        # The last column stays free: some terminals wrap when it is written.
        width = shutil.get_terminal_size().columns - 1
        table = render(rows, progress, width=width, colour=self._colour, now=now)
        text = [*table, "", (note or caption(progress))[:width]]
        up = f"\x1b[{self._height}A" if self._height else ""
        lines = "".join(f"\x1b[2K{line}\n" for line in text)
        # Lines of a longer table before are cleared too.
        self._stream.write(f"{up}\r{lines}\x1b[J")
        self._stream.flush()
        self._height = len(text)


class Transcript:
    """A file or a pipe: a table whenever a state, a reason or the progress changes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: object = None

    def show(
        self,
        rows: Sequence[Row],
        progress: Progress,
        note: str | None,
        *,
        now: datetime,
    ) -> None:
        """Print the table if it says something new."""
        newest = (digest(rows, progress), note)
        if newest == self._shown or not rows:
            return
        self._shown = newest
        lines = [*render(rows, progress, now=now), note or caption(progress), ""]
        self._stream.write("\n".join(lines) + "\n")
        self._stream.flush()


def view_for(stream: TextIO, environ: Mapping[str, str] = os.environ) -> View:
    """Return the view that fits where the output goes."""
    return Screen(stream, environ) if stream.isatty() else Transcript(stream)
