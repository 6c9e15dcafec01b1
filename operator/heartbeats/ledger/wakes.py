"""When which monitor must be looked at again: one queue for all deadlines."""

import heapq
from datetime import datetime
from itertools import count

from heartbeats.core.model import Uid
from heartbeats.core.schedule import late_at, next_deadline
from heartbeats.core.subject import Subject
from heartbeats.core.transitions import JUDGED_AFTER
from heartbeats.ledger.entries import Entry

SPARE = 64


class Wakes:
    """A queue of wake-ups, at most one valid a monitor."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Uid]] = []
        self._valid: dict[Uid, int] = {}
        self._turns = count()

    def __len__(self) -> int:
        """Count what is held, with what was replaced since."""
        return len(self._heap)

    def set(self, uid: Uid, at: datetime | None) -> None:
        """Replace a monitor's wake-up; None: there is nothing to wait for."""
        if at is None:
            self._valid.pop(uid, None)
            return
        turn = next(self._turns)
        self._valid[uid] = turn
        heapq.heappush(self._heap, (at, turn, uid))
        if len(self._heap) > SPARE + 2 * len(self._valid):
            self._forget_replaced()

    def _forget_replaced(self) -> None:
        """Drop what was replaced: a day's pings would stay until the next day."""
        self._heap = [
            each for each in self._heap if self._valid.get(each[2]) == each[1]
        ]
        heapq.heapify(self._heap)

    def next_at(self) -> datetime | None:
        """Return the earliest wake-up."""
        while self._heap:
            at, turn, uid = self._heap[0]
            if self._valid.get(uid) == turn:
                return at
            heapq.heappop(self._heap)
        return None

    def coming(self, *, by: datetime) -> list[Uid]:
        """Return the monitors whose wake-up comes by then; they stay."""
        if (at := self.next_at()) is None or at > by:
            return []
        found = (each for each in self._heap if each[0] <= by)
        return [uid for _, turn, uid in found if self._valid.get(uid) == turn]

    def take(self, *, now: datetime) -> list[Uid]:
        """Take the monitors whose wake-up has come, the earliest first."""
        taken: list[Uid] = []
        while (at := self.next_at()) is not None and at <= now:
            _, _, uid = heapq.heappop(self._heap)
            del self._valid[uid]
            taken.append(uid)
        return taken


def wake_at(entry: Entry, subject: Subject, *, now: datetime) -> datetime | None:
    """Return when to look next: for lateness, a deadline, or the end of a pause."""
    found: list[datetime] = []
    deadline = next_deadline(entry.state, entry.policy, subject.table)
    if deadline is not None:
        found.append(deadline.at + JUDGED_AFTER)
    late = late_at(entry.state, entry.policy)
    # What is late for a second only is judged before anybody sees it.
    ends_at = None if deadline is None else deadline.at
    if late is not None and late > now and (ends_at is None or late < ends_at):
        found.append(late)
    if entry.policy.resume_at is not None:
        found.append(entry.policy.resume_at)
    return min(found, default=None)
