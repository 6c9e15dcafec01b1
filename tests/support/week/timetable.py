"""Slots, and from when on which timetable is armed."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from heartbeats.core.cron import Cron, parse
from support.week.rules import DAY, SECOND, Era, Rules

INHERITED_WITHIN = timedelta(hours=1)


@lru_cache(maxsize=100_000)
def firings(cron: Cron, day: datetime) -> tuple[datetime, ...]:
    """Return the slots of a calendar rule within the day that begins at an instant."""
    found: list[datetime] = []
    slot = cron.next_after(day - SECOND)
    while slot is not None and slot < day + DAY:
        found.append(slot)
        slot = cron.next_after(slot)
    return tuple(found)


class Timetable:
    """The slots of rules."""

    def __init__(self, rules: Rules) -> None:
        self._cron: Cron | None = None
        self._anchor_at = rules.anchor_at
        if rules.schedule is not None and rules.trouble is None:
            self._cron = parse(rules.schedule, rules.zone)

    def next_after(self, at: datetime) -> datetime | None:
        """Return the first slot after an instant, if there is one within a year."""
        if self._cron is None:
            return None
        every = self._cron.every
        if every is not None and self._anchor_at is not None:
            return self._anchor_at + ((at - self._anchor_at) // every + 1) * every
        slots = next(self._days(at, DAY))
        found = bisect_right(slots, at)
        if found < len(slots):
            return slots[found]
        # Around clock changes the answer depends on where one asks from.
        return self._cron.next_after(at)

    def last_before(self, at: datetime) -> datetime | None:
        """Return the last slot up to an instant, if there is one within a year."""
        for slots in self._days(at, -DAY):
            found = bisect_right(slots, at)
            if found:
                return slots[found - 1]
        return None

    def _days(self, at: datetime, step: timedelta) -> Iterator[tuple[datetime, ...]]:
        assert self._cron is not None
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        for number in range(400):
            yield firings(self._cron, day + number * step)

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Return the slots after an instant, up to another."""
        slot = self.next_after(after)
        while slot is not None and slot <= until:
            yield slot
            slot = self.next_after(slot)

    def has(self, slot: datetime) -> bool:
        """Tell whether an instant is a slot."""
        return self.next_after(slot - SECOND) == slot


@dataclass(frozen=True, kw_only=True)
class Reign:
    """A time in which one timetable is armed, with its eras."""

    armed_at: datetime
    until: datetime
    eras: tuple[Era, ...]

    @property
    def rules(self) -> Rules:
        """The rules it began with."""
        return self.eras[0].rules


class History:
    """The eras of a monitor, and which of them armed it anew."""

    def __init__(self, eras: Sequence[Era], end: datetime) -> None:
        self.eras = eras
        self.end = end
        self._times = [era.since for era in eras]
        self.reigns = tuple(self._reigns())

    def rules(self, at: datetime) -> Rules:
        """Return the rules that hold at an instant."""
        return self.eras[max(bisect_right(self._times, at) - 1, 0)].rules

    def reign(self, at: datetime) -> Reign:
        """Return the reign of an instant."""
        found = [each for each in self.reigns if each.armed_at <= at]
        return found[-1] if found else self.reigns[0]

    def _reigns(self) -> Iterator[Reign]:
        eras: list[Era] = []
        for era in self.eras:
            if eras and self._arms(eras, era):
                yield Reign(armed_at=eras[0].since, until=era.since, eras=tuple(eras))
                eras = []
            eras.append(era)
        yield Reign(armed_at=eras[0].since, until=self.end, eras=tuple(eras))

    def _arms(self, eras: Sequence[Era], era: Era) -> bool:
        before = eras[-1].rules
        if before.suspended != era.rules.suspended:
            return True
        if before.gone and not era.rules.gone:
            away = era.since - eras[-1].since
            return away > INHERITED_WITHIN or before.timetable != era.rules.timetable
        return not era.rules.gone and before.timetable != era.rules.timetable
