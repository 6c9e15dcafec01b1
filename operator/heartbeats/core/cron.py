"""Schedules as CronJobs have them: what they mean and when they fire next.

`parse` and `Cron.next_after` agree with kube-controller-manager, that is with
robfig/cron v3.0.1 (ParseStandard and Schedule.Next), instant by instant, also
where no other cron does: day fields are joined by OR unless one is a bare star,
skipped local times do not fire, repeated ones fire twice, `@every` counts from
the run before. Pure: no clock; zones come from the tz database.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from heartbeats.core import durations
from heartbeats.core.cron_fields import CronError, Fields, parse_fields, quoted
from heartbeats.core.cron_search import next_firing

__all__ = ["Cron", "CronError", "UnknownTimeZoneError", "parse"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _SECOND
_NANOSECONDS: Final = 1_000_000_000

_EVERY: Final = "@every "
_MACROS: Final = MappingProxyType(
    {
        "@yearly": "0 0 1 1 *",
        "@annually": "0 0 1 1 *",
        "@monthly": "0 0 1 * *",
        "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *",
        "@midnight": "0 0 * * *",
        "@hourly": "0 * * * *",
    }
)
_ZONE_PREFIXES: Final = ("TZ=", "CRON_TZ=")
# Go's idea of white space; Python's str.split() would also split at \x1c to \x1f.
_SPACE: Final = (
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_WORD: Final = re.compile(f"[^{_SPACE}]+")
# Never hands the file system anything but a plain relative name.
_ZONE_NAME: Final = re.compile(r"[A-Za-z0-9_+-]{1,64}(?:/[A-Za-z0-9_+-]{1,64}){0,3}")


class UnknownTimeZoneError(CronError):
    """The tz database has no zone of that name."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule in its zone. Equal when written alike for the same zone."""

    expression: str
    zone: str
    """The zone that applies: a `TZ=` in the expression wins over the one given."""
    _rule: Fields | int = field(repr=False, compare=False)
    """A calendar rule, or the whole seconds of an `@every`."""
    _zone_info: ZoneInfo = field(repr=False, compare=False)

    def next_after(self, at: datetime) -> datetime | None:
        """Find the first firing later than an aware instant, in UTC.

        None when the next five calendar years (or the years up to 9999) hold none.
        """
        unix = self._next_unix((at - _EPOCH) // _SECOND)
        if unix is None or unix > _LAST:
            return None
        return _EPOCH + timedelta(seconds=unix)

    def fires(self, at: datetime) -> bool:
        """Tell whether an aware instant is a firing, seen from a second earlier."""
        unix, rest = divmod(at - _EPOCH, _SECOND)
        return not rest and self._next_unix(unix - 1) == unix

    @property
    def every(self) -> timedelta | None:
        """Return the delay of an `@every`; None for a calendar rule."""
        rule = self._rule
        return timedelta(seconds=rule) if isinstance(rule, int) else None

    def _next_unix(self, unix: int) -> int | None:
        if isinstance(self._rule, int):
            return unix + self._rule
        return firing_after(self._rule, self._zone_info, unix)


@lru_cache(maxsize=4096)
def firing_after(rule: Fields, zone: ZoneInfo, unix: int) -> int | None:
    """Remember answers: thousands of jobs are due at midnight by the same rule."""
    return next_firing(rule, zone, unix)


def parse(expression: str, zone: str) -> Cron:
    """Read a CronJob's schedule for an IANA zone; CronError says what is wrong."""
    zone_info = _load_zone(zone)
    schedule = expression
    if expression.startswith(_ZONE_PREFIXES):
        name, schedule = _split_zone(expression)
        # Go reads no name as UTC, and Local as the zone it runs in.
        if name != "Local":
            zone_info = _load_zone(_plain_path(name) if name else "UTC")
    return _read(expression, schedule, zone_info)


@lru_cache(maxsize=4096)
def _read(expression: str, schedule: str, zone_info: ZoneInfo) -> Cron:
    """Remember and share what was read: thousands of jobs are written alike.

    A zone that was read anew is another one: other rules may be in its file.
    """
    return Cron(expression, zone_info.key, _parse_rule(schedule), zone_info)


def _parse_rule(schedule: str) -> Fields | int:
    if not schedule:
        raise CronError('the schedule is empty: write five fields like "0 2 * * *"')
    if schedule.startswith(_EVERY):
        return _parse_delay(schedule.removeprefix(_EVERY))
    if schedule.startswith("@"):
        if schedule not in _MACROS:
            known = ", ".join(_MACROS)
            raise CronError(
                f"{quoted(schedule)} is not known: write {known} or @every 1h30m, "
                "all in small letters"
            )
        schedule = _MACROS[schedule]
    return parse_fields(_WORD.findall(schedule))


def _parse_delay(text: str) -> int:
    """Read the duration of an @every: whole seconds, at least one."""
    try:
        nanoseconds = durations.parse_go(text)
    except durations.DurationError as error:
        raise CronError(f"the duration of @every is wrong: {error}") from error
    return max(nanoseconds // _NANOSECONDS, 1)


def _split_zone(expression: str) -> tuple[str, str]:
    """Take `TZ=zone` off the front of a schedule."""
    prefix, space, schedule = expression.partition(" ")
    if not space:
        raise CronError(
            f"{quoted(expression)} names a zone but no schedule: put the zone into "
            "timeZone and five fields here"
        )
    return prefix.partition("=")[2], schedule.strip(_SPACE)


def _plain_path(name: str) -> str:
    """Spell a zone's file as the database does: Go also opens ./Europe//Berlin."""
    if name.startswith("/") or name.endswith(("/", "/.")):
        return name
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _load_zone(name: str) -> ZoneInfo:
    if _ZONE_NAME.fullmatch(name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # a name of the right shape, but a folder, another file or nothing
    raise UnknownTimeZoneError(
        f"the time zone {quoted(name)} is not known: write a name of the IANA "
        "database like Europe/Berlin or UTC"
    )
