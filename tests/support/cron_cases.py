"""Makes random and hostile schedules, zones and instants, the same for one seed.

Three quarters of all instants lie around a change of their zone's clocks. Nothing
here knows the answers: the CronJob controller's library does.
"""

import random
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from support.cron_expressions import Expressions
from support.cron_oracle import Question

# Missing and repeated midnights, half hours, days left out and repeated, changes
# within the year of a law, winter time in summer, and two that never change.
ODD_ZONES: Final = (
    *("Africa/Cairo", "Africa/Casablanca", "Africa/Juba", "Africa/Monrovia"),
    *("America/Asuncion", "America/Caracas", "America/Godthab", "America/Goose_Bay"),
    *("America/Havana", "America/New_York", "America/Santiago", "America/Sao_Paulo"),
    *("America/Scoresbysund", "America/St_Johns", "Antarctica/Casey"),
    *("Antarctica/Troll", "Antarctica/Vostok", "Asia/Amman", "Asia/Beirut"),
    *("Asia/Damascus", "Asia/Gaza", "Asia/Hebron", "Asia/Ho_Chi_Minh"),
    *("Asia/Kathmandu", "Asia/Pyongyang", "Asia/Tehran", "Australia/Lord_Howe"),
    *("Etc/GMT+5", "Europe/Berlin", "Europe/Chisinau", "Europe/Dublin"),
    *("Europe/Lisbon", "Europe/Riga", "Pacific/Apia", "Pacific/Chatham"),
    *("Pacific/Fakaofo", "Pacific/Kanton", "Pacific/Kiritimati", "Pacific/Kwajalein"),
    *("Pacific/Norfolk", "UTC"),
)
NO_ZONES: Final = (
    *("", "Local", "LOCAL", "America", "Nope/Zone", "utc+1", "../UTC", "/etc/passwd"),
    *(".", "UTC ", "Europe/Berlin\n", "Éire", "zone.tab", "a" * 5000, "A/" * 500),
)

_DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = -62_135_596_800
_LAST: Final = 253_402_300_799
_YEAR_2100: Final = 4_102_444_800
# Years that only the rule at the end of a zone's file says something about.
_LATER_YEARS: Final = (2038, 2039, 2044, 2057, 2088, 2099, 2100, 2400, 5000, 9990)
_RECENT: Final = -60_000_000_000


class Cases:
    """A source of questions; two of the same seed make the same ones."""

    def __init__(self, seed: int, zones: Path) -> None:
        # No secret is made of it, but a test that can be repeated.
        self._random = random.Random(seed)  # noqa: S311
        self._expressions = Expressions(self._random, ODD_ZONES)
        self._zones = zones
        self._all_zones = zone_names(zones)

    def batch(self, count: int) -> list[Question]:
        """Make the next questions."""
        return [self._question() for _ in range(count)]

    def _question(self) -> Question:
        pick = self._random
        zone = self._zone()
        return Question(
            expression=self._expressions.draw(),
            zone=zone,
            start=self._start(zone),
            nanoseconds=pick.choice([0, 0, 1000, 999_999_000, pick.randrange(10**6)]),
            count=pick.choice([1, 2, 3, 5]),
            local=pick.random() < 0.3,
        )

    def _zone(self) -> str:
        kind = self._random.random()
        if kind < 0.01:
            return self._random.choice(NO_ZONES)
        return self._random.choice(ODD_ZONES if kind < 0.85 else self._all_zones)

    def _start(self, zone: str) -> int:
        pick = self._random
        changes = () if zone in NO_ZONES else clock_changes(self._zones, zone)
        kind = pick.random()
        if kind < 0.75 and changes:
            return self._around(self._change(changes))
        if kind < 0.97:
            return pick.randrange(_YEAR_2100)
        if kind < 0.985:
            return pick.randint(_FIRST, _LAST)
        return pick.choice([_FIRST, _LAST, _LAST - _DAY, _LAST - 366 * _DAY, 0, -1])

    def _change(self, changes: Sequence[int]) -> int:
        change = self._random.choice(changes)
        # There are many in the nineteenth century, and few schedules.
        if change < 0 and self._random.random() < 0.8:
            change = self._random.choice(changes)
        return change

    def _around(self, change: int) -> int:
        pick = self._random
        exact = [-1, 0, 1, -2, 3599, 3600, 1799, 1800, -3600, -1800, -_DAY, _DAY]
        kind = pick.random()
        if kind < 0.1:
            offset = pick.choice(exact)
        elif kind < 0.4:
            offset = pick.randint(-7200, 7200)
        elif kind < 0.8:
            offset = pick.randint(-3 * _DAY, _DAY)
        else:
            offset = pick.randint(-40 * _DAY, _DAY)
        return min(max(change + offset, _FIRST), _LAST)


@cache
def zone_names(zones: Path) -> tuple[str, ...]:
    """List all zones of a folder of zone files."""
    files = (path for path in zones.rglob("*") if path.is_file())
    found = (path for path in files if path.read_bytes().startswith(b"TZif"))
    return tuple(sorted(path.relative_to(zones).as_posix() for path in found))


@cache
def clock_changes(zones: Path, name: str) -> tuple[int, ...]:
    """List the instants (Unix seconds) at which a zone's offset may change."""
    content = (zones / name).read_bytes()
    # RFC 8536: a block with 32 bits first, then one with 64; each has a header.
    is_utc, is_std, leaps, times, types, chars = struct.unpack(">6I", content[20:44])
    second = 44 + times * 5 + types * 6 + chars + leaps * 8 + is_std + is_utc
    [count] = struct.unpack(">I", content[second + 32 : second + 36])
    table = content[second + 44 : second + 44 + 8 * count]
    instants = [at for at in struct.unpack(f">{count}q", table) if at > _RECENT]
    return (*instants, *_changes_by_rule(ZoneInfo(name)))


def _changes_by_rule(zone: ZoneInfo) -> list[int]:
    changes: list[int] = []
    for year in _LATER_YEARS:
        start = int((datetime(year, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
        # A rule changes the clocks twice a year, months apart.
        probes = [start + day * _DAY for day in range(0, 367, 14)]
        changes += [
            _change_between(zone, before, after)
            for before, after in pairwise(probes)
            if _offset(zone, before) != _offset(zone, after)
        ]
    return changes


def _change_between(zone: ZoneInfo, before: int, after: int) -> int:
    old = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, at: int) -> object:
    return datetime.fromtimestamp(at, zone).utcoffset()
