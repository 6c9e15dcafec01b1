"""Leave to write, for as long as the Lease is renewed; over once, over for good.

Whoever sends a request asks it at the last moment, by the monotonic clock, so that a
process that was stopped between a decision and its writing stays silent when it wakes.
It may not ask anybody, wait or decide who leads: the `election` does.
"""

from collections.abc import Callable
from typing import Protocol

from heartbeats.edges.kube.errors import NotLeading


class Fence(Protocol):
    """Stands before every write of whoever may write only while leading."""

    def left(self) -> float:
        """Return for how many seconds writing is allowed, more than none.

        Raises NotLeading.
        """
        ...


class Mandate:
    """One term of one replica. It is not given yet, lasts, or is over."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: float | None = None
        self._is_over = False

    @property
    def holds(self) -> bool:
        """Tell whether writing is allowed now."""
        return self.seconds > 0

    @property
    def seconds(self) -> float:
        """Return for how long it lasts unless it is extended; 0: it does not."""
        if self._is_over or self._until is None:
            return 0.0
        left = self._until - self._monotonic()
        # What has lapsed stays so: others may have led meanwhile.
        self._is_over = left <= 0
        return max(left, 0.0)

    def extend(self, until: float) -> None:
        """Give it, or let it last longer; one that is over stays over."""
        if self._until is None or self.holds:
            self._until = until

    def end(self) -> None:
        """Let nothing be written any more."""
        self._is_over = True

    def left(self) -> float:
        """Return for how many seconds writing is allowed; raises NotLeading."""
        left = self.seconds
        if left <= 0:
            raise NotLeading("nothing is written: this replica does not lead")
        return left
