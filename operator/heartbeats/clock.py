"""The only clock: everybody else is told what time it is.

Nothing else may call `datetime.now` or `time.time`; the linter refuses it.
"""

import time
from datetime import UTC, datetime, timedelta
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


class CorrectedClock:
    """A clock put right by what a server says the time is.

    Each answer's Date bounds the offset between the two clocks: it is cut to whole
    seconds and was written between the request and the answer. Only an offset that
    the bounds prove is applied, so a clock that is right stays untouched.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._low = -_UNBOUNDED
        self._high = _UNBOUNDED
        self._bounded_at = clock.monotonic()
        self._wall_less_monotonic = self._difference()
        self.offset = timedelta()
        """What is added to the machine's clock."""

    def now(self) -> datetime:
        """Return this instant, aware, in UTC and corrected."""
        return self._clock.now() + self.offset

    def monotonic(self) -> float:
        """Return seconds that never jump, for measuring spans."""
        return self._clock.monotonic()

    def compare(
        self, server_at: datetime, *, sent_at: datetime, received_at: datetime
    ) -> None:
        """Take in an answer's Date; both other times are this clock's own."""
        self._forget_if_stepped()
        sent, received = sent_at - self.offset, received_at - self.offset
        low, high = server_at - received, server_at + _SECOND - sent
        if low > high:
            return  # this clock was corrected while the request was under way
        self._low, self._high = max(self._low, low), min(self._high, high)
        if self._low > self._high or self._is_old():
            self._low, self._high = low, high
            self._bounded_at = self._clock.monotonic()
        self.offset = min(max(timedelta(), self._low), self._high)

    def _is_old(self) -> bool:
        """Bounds wear out: clocks drift."""
        return self._clock.monotonic() - self._bounded_at > BOUNDS_LAST_SECONDS

    def _forget_if_stepped(self) -> None:
        """Somebody set the machine's clock, or it slept: old bounds are void."""
        difference = self._difference()
        if abs(difference - self._wall_less_monotonic) > STEP_SECONDS:
            self._low, self._high = -_UNBOUNDED, _UNBOUNDED
        self._wall_less_monotonic = difference

    def _difference(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


BOUNDS_LAST_SECONDS = 300.0
STEP_SECONDS = 0.5
_SECOND = timedelta(seconds=1)
_UNBOUNDED = timedelta(days=36_500)
