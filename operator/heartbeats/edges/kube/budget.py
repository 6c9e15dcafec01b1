"""How many writes a second one kind of work may cost the API server.

Callers take one before they write; waiting is first come, first served. What the
API server itself asks for (429) makes all of them wait.
"""

import asyncio
from collections.abc import Callable
from typing import Final

SHORTEST_WAIT: Final = 0.001
"""In seconds: what rounding leaves is no reason to turn round and round."""
BURST_SECONDS: Final = 1.0
"""What was not used for so long may be used at once."""


class Budget:
    """An allowance of writes that fills up as time goes by."""

    def __init__(self, per_second: float, monotonic: Callable[[], float]) -> None:
        self._rate = per_second
        self._most = max(per_second * BURST_SECONDS, 1.0)
        self._left = self._most
        self._monotonic = monotonic
        self._at: float | None = None
        self._resumes_at = float("-inf")
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Return when one more write is within the budget."""
        async with self._turn:
            while (wait := self._wait()) > 0:  # noqa: ASYNC110 - only time is awaited
                await asyncio.sleep(wait)
            self._left -= 1

    def give_back(self) -> None:
        """Return what was taken for a write that was not needed."""
        self._left = min(self._most, self._left + 1)

    def pause(self, seconds: float) -> None:
        """Write nothing for a while: the API server asks for it."""
        self._resumes_at = max(self._resumes_at, self._monotonic() + seconds)

    def _wait(self) -> float:
        now = self._monotonic()
        since = now if self._at is None else self._at
        self._left = min(self._most, self._left + (now - since) * self._rate)
        self._at = now
        if now < self._resumes_at:
            return self._resumes_at - now
        if self._left >= 1:
            return 0.0
        return max((1 - self._left) / self._rate, SHORTEST_WAIT)
