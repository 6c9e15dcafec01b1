"""Ends waits that take too long, all of them by one timer.

A timer for each ping would cost as much as what it waits for. Knows futures and the
loop's clock, and nothing of what is waited for.
"""

import asyncio
import heapq
from itertools import count

from heartbeats.journal.errors import JournalUnavailable


class Patience:
    """Fails futures with JournalUnavailable when their time is up."""

    def __init__(self) -> None:
        self._ends: list[tuple[float, int, asyncio.Future[int]]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, future: asyncio.Future[int], seconds: float) -> None:
        """Fail a future if it is not done within so many seconds."""
        loop = asyncio.get_running_loop()
        self._forget_done()
        ends_at = loop.time() + seconds
        heapq.heappush(self._ends, (ends_at, next(self._numbers), future))
        if self._timer is None or ends_at < self._timer.when():
            self._set_timer(loop)

    def _forget_done(self) -> None:
        while self._ends and self._ends[0][2].done():
            heapq.heappop(self._ends)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._ends[0][0], self._fail_late, loop)

    def _fail_late(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self._ends and self._ends[0][0] <= now:
            _, _, future = heapq.heappop(self._ends)
            if not future.done():
                future.set_exception(
                    JournalUnavailable(
                        "the journal did not answer in time; try again later"
                    )
                )
        self._forget_done()
        if self._ends:
            self._set_timer(loop)
