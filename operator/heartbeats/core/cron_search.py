"""When a calendar schedule fires next, exactly as the CronJob controller finds it.

The search walks a local clock forward: month, day, hour, minute, second; whenever
a field runs over, it starts again. What that yields around clock changes is part
of the contract (a skipped hour is skipped, a repeated hour fires twice, and where
midnight is missing the following day may fire), so the order of the steps and the
moment at which smaller fields are zeroed are not free. Pure: seconds in and out.
"""

import calendar
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from heartbeats.core.cron_fields import Fields

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
_YEARS_TO_LOOK: Final = 5
_NOON: Final = 12
# No zone has ever changed its clocks and back within six days, so equal offsets at
# both ends of a leap, with the day after it, mean that nothing happened on the way.
_LONGEST_LEAP: Final = 5
_SHORTEST_MONTH: Final = 28
# The Gregorian calendar, weekdays included, repeats every 400 years.
_CYCLE_YEARS: Final = 400
_CYCLE_DAYS: Final = 146_097
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_EPOCH_WEEKDAY: Final = 4  # a Thursday; Sunday is 0
# Zones can be asked within the years 1 to 9999, a day's margin for the offset kept.
_FIRST_SECOND: Final = (date.min.toordinal() + 1 - _EPOCH_ORDINAL) * _DAY
_LAST_SECOND: Final = (date.max.toordinal() - 1 - _EPOCH_ORDINAL) * _DAY


class _LocalClock:
    """A position in time, movable by elapsed seconds or to a reading of the clock.

    `reading` is what the wall clock shows, in seconds since 1970-01-01T00:00 there.
    """

    __slots__ = ("_zone", "reading", "unix")

    def __init__(self, zone: ZoneInfo, unix: int) -> None:
        self._zone = zone
        self.unix = unix
        self.reading = unix + self._offset(unix)

    def elapse(self, seconds: int) -> None:
        """Let time pass."""
        self.unix += seconds
        self.reading = self.unix + self._offset(self.unix)

    def elapse_undisturbed(self, seconds: int, margin: int = 0) -> bool:
        """Let time pass unless the clocks change on the way: then stay, False."""
        if self._offset(self.unix + seconds + margin) != self.reading - self.unix:
            return False
        self.unix += seconds
        self.reading += seconds
        return True

    def set_to(self, reading: int) -> None:
        """Go to where the clock shows a reading, choosing as Go's time.Date does.

        A reading that occurs twice or never is resolved by the offset in force at
        the first guess, so it may come out an hour early or late.
        """
        guess = reading - self._offset(reading)
        self.unix = reading - self._offset(guess)
        self.reading = self.unix + self._offset(self.unix)

    def civil(self) -> tuple[int, int, int]:
        """Year, month and day shown."""
        cycles, days = divmod(self.reading // _DAY, _CYCLE_DAYS)
        shown = date.fromordinal(_EPOCH_ORDINAL + days)
        return shown.year + cycles * _CYCLE_YEARS, shown.month, shown.day

    def _offset(self, unix: int) -> int:
        within = min(max(unix, _FIRST_SECOND), _LAST_SECOND)
        offset = datetime.fromtimestamp(within, self._zone).utcoffset()
        return offset.days * _DAY + offset.seconds if offset is not None else 0


class _Search:
    """One search: the clock, and whether the smaller fields were zeroed already."""

    __slots__ = ("_clock", "_fields", "_started", "began_on_the_hour")

    def __init__(self, fields: Fields, clock: _LocalClock) -> None:
        self._fields = fields
        self._clock = clock
        self._started = False
        self.began_on_the_hour = False
        """If so, it finds the same from any start in that hour of the local clock."""

    def run(self) -> int | None:
        """Walk until everything matches or five calendar years are over."""
        last_year = self._clock.civil()[0] + _YEARS_TO_LOOK
        while self._clock.civil()[0] <= last_year:
            if (
                self._seek_month()
                and self._seek_day()
                and self._seek(self._fields.hours, _HOUR, 24)
                and self._seek(self._fields.minutes, _MINUTE, 60)
                and self._seek(1, 1, 60)
            ):
                return self._clock.unix
        return None

    def _seek_month(self) -> bool:
        """Move to the next month due; False once a new year begins."""
        year, month, day = self._clock.civil()
        while not self._fields.months >> month & 1:
            if not self._started:
                self._begin_at(_floor(self._clock.reading, _DAY) - (day - 1) * _DAY)
                # A missing midnight may have led back into the month before.
                year, month, day = self._clock.civil()
            days = calendar.monthrange(year % _CYCLE_YEARS + _CYCLE_YEARS, month)[1]
            self._clock.set_to(self._clock.reading + days * _DAY)
            year, month, day = self._clock.civil()
            if month == 1:
                return False
        return True

    def _seek_day(self) -> bool:
        """Move to the next day due; False once a new month begins."""
        clock = self._clock
        _, _, day = clock.civil()
        while not self._is_due(day, clock.reading // _DAY):
            if not self._started:
                self._begin_at(_floor(clock.reading, _DAY))
                _, _, day = clock.civil()
            self._skip_idle_days(day)
            before = clock.unix
            self._next_day()
            if clock.unix <= before:
                # The date line was moved and a whole day left out. The controller
                # would search for ever; the useful answer lies beyond that day.
                clock.set_to(_floor(clock.reading, _DAY) + 2 * _DAY)
            _, _, day = clock.civil()
            if day == 1:
                return False
        return True

    def _skip_idle_days(self, day: int) -> None:
        """Leap to the last of some days not due, where single steps would lead too."""
        clock = self._clock
        today = clock.reading // _DAY
        idle = 0
        while (
            idle < _LONGEST_LEAP
            and day + idle < _SHORTEST_MONTH
            and not self._is_due(day + idle + 1, today + idle + 1)
        ):
            idle += 1
        if idle and clock.reading % _DAY < _HOUR:
            clock.elapse_undisturbed(idle * _DAY, margin=_DAY)

    def _next_day(self) -> None:
        """Go to the next midnight, or to where the controller takes it to be."""
        clock = self._clock
        clock.set_to(clock.reading + _DAY)
        hour = clock.reading % _DAY // _HOUR
        if hour > _NOON:
            clock.elapse((24 - hour) * _HOUR)
        elif hour:
            clock.elapse(-hour * _HOUR)

    def _is_due(self, day: int, day_number: int) -> bool:
        fields = self._fields
        by_day = fields.days >> day & 1
        by_weekday = fields.weekdays >> (day_number + _EPOCH_WEEKDAY) % 7 & 1
        if fields.needs_both_days:
            return bool(by_day and by_weekday)
        return bool(by_day or by_weekday)

    def _seek(self, due: int, unit: int, size: int) -> bool:
        """Move in whole units to the next value due; False once it runs over to 0."""
        clock = self._clock
        value = clock.reading // unit % size
        while not due >> value & 1:
            if not self._started:
                self._zero_below(unit)
                value = clock.reading // unit % size  # a missing hour moves it
            ahead = due >> value + 1
            steps = (ahead & -ahead).bit_length() if ahead else size - value
            if not clock.elapse_undisturbed(steps * unit):
                clock.elapse(unit)
            value = clock.reading // unit % size
            if value == 0:
                return False
        return True

    def _zero_below(self, unit: int) -> None:
        """Drop the part below an hour by the clock, below a minute by elapsed time."""
        clock = self._clock
        if unit == _HOUR:
            self._begin_at(_floor(clock.reading, _HOUR))
        else:
            self._started = True
            clock.elapse(-(clock.unix % unit))

    def _begin_at(self, reading: int) -> None:
        self._started = self.began_on_the_hour = True
        self._clock.set_to(reading)


def next_firing(fields: Fields, zone: ZoneInfo, after: int) -> int | None:
    """Find the first firing after a Unix second; None if five years hold none."""
    if not fields.can_match:
        return None
    start = after
    while True:
        search = _Search(fields, _LocalClock(zone, start + 1))
        found = search.run()
        if found is None or found > after:
            return found
        # Where clocks go back across midnight or by the odd hour (Chatham, every
        # April) the controller may find the past again; ask from later on instead.
        start += _pause(search, _LocalClock(zone, start + 1))


def _pause(search: _Search, clock: _LocalClock) -> int:
    """Tell in how many seconds, whole minutes, a search may find something else."""
    ahead = _HOUR - clock.reading % _HOUR
    minutes = -(-ahead // _MINUTE) * _MINUTE
    alike = search.began_on_the_hour and clock.elapse_undisturbed(minutes)
    return minutes if alike else _MINUTE


def _floor(value: int, unit: int) -> int:
    return value - value % unit
