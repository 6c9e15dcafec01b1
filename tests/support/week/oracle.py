"""A naive second opinion on how a monitor is, written from the rules alone.

Given all true facts of a monitor it says what the word, the incident and the
counts must be at any instant. It knows the whole past and the whole future at once,
asks of every slot whether its run appeared and of every run whether it ended in
time, sorts the answers and counts. It may be slow; it may not be clever.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from heartbeats.core.model import Health
from support.week.rules import Era
from support.week.tally import Count, Mark, Picture, Tally, in_order
from support.week.timetable import History


class Oracle:
    """What must be said of one monitor at any instant."""

    def __init__(self, eras: Sequence[Era], *, end: datetime) -> None:
        self.history = History(eras, end)
        self._known_at: list[datetime] = []
        self._tallies: list[Tally] = []

    def settle(self, marks: list[Mark]) -> None:
        """Count all marks in the order in which they become known."""
        count = Count()
        for mark in sorted(marks, key=in_order):
            count.take(mark, self.history.rules(mark.known_at))
            self.note(mark.known_at, count.tally)

    def note(self, known_at: datetime, tally: Tally) -> None:
        """Remember what was counted by an instant."""
        self._known_at.append(known_at)
        self._tallies.append(tally)

    def tally(self, at: datetime) -> Tally:
        """Return what had been counted at an instant."""
        found = bisect_right(self._known_at, at)
        return self._tallies[found - 1] if found else Tally()

    def picture(self, at: datetime) -> Picture:
        """Say how the monitor must be at an instant."""
        tally = self.tally(at)
        return Picture(
            word=self._word(tally, at),
            incident=tally.incident,
            failures=tally.failures,
            successes=tally.successes,
        )

    def _word(self, tally: Tally, at: datetime) -> Health | None:
        rules = self.history.rules(at)
        if rules.suspended:
            return Health.PAUSED
        if rules.trouble is not None:
            return Health.UNKNOWN
        if self.is_doubtful(at):
            return self.word_in_doubt(at)
        if tally.incident is not None:
            return Health.DOWN
        if not tally.reported:
            return Health.NEW
        return Health.LATE if self.is_late(at) else Health.UP

    def is_doubtful(self, _at: datetime) -> bool:
        """Tell whether something seen makes judging impossible."""
        return False

    def was_doubtful(self, _at: datetime) -> bool:
        """Tell whether it was before: what was counted meanwhile is not defined."""
        return False

    def word_in_doubt(self, _at: datetime) -> Health | None:
        """Say how a monitor is whose timetable is doubtful."""
        return Health.UNKNOWN

    def is_late(self, at: datetime) -> bool:
        """Tell whether a run is due and has not appeared, its window being open."""
        raise NotImplementedError

    def next_expected(self, at: datetime) -> datetime | None:
        """Return the earliest slot that is not settled at an instant."""
        raise NotImplementedError
