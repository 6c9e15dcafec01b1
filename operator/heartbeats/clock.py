"""The only clock: everybody else is told what time it is.

Nothing else may call `datetime.now` or `time.time`; the linter refuses it.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time; tests bring one that they turn themselves."""

    def now(self) -> datetime:
        """Return this instant, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never jump, for measuring spans."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return this instant, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never jump, for measuring spans."""
        return time.monotonic()
