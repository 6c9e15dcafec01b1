"""Tells a waiting person how far we are. Writes to one stream, decides nothing."""

import shutil
import time
from typing import TextIO

_QUIET_INTERVAL = 30.0
"""Seconds between two signs of life where there is no terminal (a CI log)."""


class Progress:
    """Lines that stay, and one line that is refreshed while something takes long."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._refreshes = stream.isatty()
        self._last_tick = time.monotonic()

    def line(self, text: str) -> None:
        """Write a line that stays."""
        self._write(("\r\x1b[K" if self._refreshes else "") + text + "\n")
        self._last_tick = time.monotonic()

    def tick(self, text: str) -> None:
        """Refresh the last line; without a terminal, a line every half minute."""
        if self._refreshes:
            # A line that wraps could not be taken back.
            self._write("\r\x1b[K" + text[: shutil.get_terminal_size().columns - 1])
        elif time.monotonic() - self._last_tick >= _QUIET_INTERVAL:
            self.line(text)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def elapsed(seconds: float) -> str:
    """Say a span the way people do: 42s, 1m05s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
