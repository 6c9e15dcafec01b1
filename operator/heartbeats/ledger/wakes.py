"""When which monitor must be looked at again: one queue for all deadlines."""

import heapq
from datetime import datetime
from itertools import count

from heartbeats.core.model import Uid


class Wakes:
    """A queue of wake-ups, at most one valid a monitor."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Uid]] = []
        self._valid: dict[Uid, int] = {}
        self._turns = count()

    def set(self, uid: Uid, at: datetime | None) -> None:
        """Replace a monitor's wake-up; None: there is nothing to wait for."""
        if at is None:
            self._valid.pop(uid, None)
            return
        turn = next(self._turns)
        self._valid[uid] = turn
        heapq.heappush(self._heap, (at, turn, uid))

    def next_at(self) -> datetime | None:
        """Return the earliest wake-up."""
        while self._heap:
            at, turn, uid = self._heap[0]
            if self._valid.get(uid) == turn:
                return at
            heapq.heappop(self._heap)
        return None

    def take(self, *, now: datetime) -> list[Uid]:
        """Take the monitors whose wake-up has come, the earliest first."""
        taken: list[Uid] = []
        while (at := self.next_at()) is not None and at <= now:
            _, _, uid = heapq.heappop(self._heap)
            del self._valid[uid]
            taken.append(uid)
        return taken
