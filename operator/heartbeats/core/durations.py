"""Durations as people write them ("24h", "1h30m") and as Go reads them.

Two readers share one scanner: `parse` for the resource's own fields, which are
kept strict, and `parse_go` for `@every`, which must take and refuse exactly what
Go's `time.ParseDuration` does. Pure: no clock, no I/O.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final

_MICROSECOND: Final = 1_000  # everything here counts nanoseconds, as Go does
_MILLISECOND: Final = 1_000_000
_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE

_UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {"h": _HOUR, "m": _MINUTE, "s": _SECOND, "ms": _MILLISECOND}
)
_GO_UNITS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **_UNITS,
        "us": _MICROSECOND,
        "\u00b5s": _MICROSECOND,  # the micro sign
        "\u03bcs": _MICROSECOND,  # the Greek letter mu
        "ns": 1,
    }
)
_MAX_INT64: Final = 2**63 - 1
_LIMIT: Final = 2**63  # Go adds up in 64 unsigned bits and allows -2**63
_UINT64: Final = 2**64 - 1

# A number, then everything up to the next digit or period.
_TERM: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")
_LONGER_UNITS: Final[Mapping[str, int]] = MappingProxyType({"d": 24, "w": 168})
_SIMPLE: Final = re.compile(r"([0-9]{1,6})([dw])")
_SHOWN: Final = 40


class DurationError(ValueError):
    """A text is no duration; the message says what to write instead."""


@lru_cache(maxsize=256)
def parse(text: str) -> timedelta:
    """Read a duration of h, m, s and ms, such as "1h30m"; DurationError if wrong.

    Accurate to the microsecond.
    """
    if text.startswith(("-", "+")):
        raise DurationError(f"{_quoted(text)} has a sign: write it without, like 10m")
    nanoseconds = _total(text, text, _UNITS)
    if nanoseconds > _MAX_INT64:
        raise _too_long(text)
    return timedelta(microseconds=(nanoseconds + _MICROSECOND // 2) // _MICROSECOND)


def parse_go(text: str) -> int:
    """Read a duration as Go's time.ParseDuration does: nanoseconds."""
    negative = text.startswith("-")
    digits = text[1:] if text.startswith(("-", "+")) else text
    nanoseconds = _total(digits, text, _GO_UNITS)
    if negative:
        return -nanoseconds
    if nanoseconds > _MAX_INT64:
        raise _too_long(text)
    return nanoseconds


def format(span: timedelta) -> str:  # noqa: A001 - durations.format reads well
    """Write a span in the shortest canonical way: "24h", "1m30s", "0s".

    ValueError for a negative span.
    """
    if span < timedelta():
        raise ValueError(f"a duration is never negative: {span!r}")
    milliseconds, microseconds = divmod(span // timedelta(microseconds=1), 1000)
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "m"), (seconds, "s")]
    text = "".join(f"{count}{unit}" for count, unit in parts if count)
    if microseconds:
        return text + f"{milliseconds}.{microseconds:03}".rstrip("0") + "ms"
    if milliseconds:
        return f"{text}{milliseconds}ms"
    return text or "0s"


def humanise(span: timedelta) -> str:
    """Tell a span to a person by its two largest units: "4h 51m", "2d 3h"."""
    if span < timedelta():
        return f"-{humanise(-span)}"
    if timedelta() < span < timedelta(seconds=1):
        return f"{span // timedelta(milliseconds=1)}ms"
    minutes, seconds = divmod(span // timedelta(seconds=1), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s")]
    while len(units) > 1 and not units[0][0]:
        del units[0]
    first, *rest = units[:2]
    words = [first, *(unit for unit in rest if unit[0])]
    return " ".join(f"{count}{unit}" for count, unit in words)


def _total(digits: str, text: str, units: Mapping[str, int]) -> int:
    """Add up the terms of an unsigned duration: 0 to 2**63 nanoseconds."""
    if digits == "0":
        return 0
    if not digits:
        raise DurationError(f"{_quoted(text)} is empty: write a duration like 24h")
    total = position = 0
    while position < len(digits):
        term = _TERM.match(digits, position)
        if term is None or not (term[1] or term[2]):
            raise _malformed(text, units)
        if term[3] not in units:
            raise _wrong_unit(text, term[3], units)
        # The mask is Go's: two terms of 2**63 wrap around to nothing.
        total = total + _term(text, term[1], term[2], units[term[3]]) & _UINT64
        if total > _LIMIT:
            raise _too_long(text)
        position = term.end()
    return total


def _term(text: str, whole: str, fraction: str | None, unit: int) -> int:
    """Multiply one number by its unit, rounding the fraction as Go does."""
    significant = whole.lstrip("0")
    if len(significant) > len(str(_LIMIT)) or int(significant or 0) > _LIMIT // unit:
        raise _too_long(text)
    value = int(significant or 0) * unit
    numerator, scale = _fraction(fraction or "")
    value += int(float(numerator) * (float(unit) / scale))
    if value > _LIMIT:
        raise _too_long(text)
    return value


def _fraction(digits: str) -> tuple[int, float]:
    """Read decimals up to what Go's 64 bits hold; the rest is dropped."""
    numerator, scale = 0, 1.0
    for digit in digits:
        longer = numerator * 10 + int(digit)
        if longer > _LIMIT:
            break
        numerator, scale = longer, scale * 10
    return numerator, scale


def _wrong_unit(text: str, unit: str, units: Mapping[str, int]) -> DurationError:
    allowed = ", ".join(name for name in units if name.isascii())
    simple = _SIMPLE.fullmatch(text)
    if simple is not None:
        hours = int(simple[1]) * _LONGER_UNITS[simple[2]]
        return DurationError(f"the longest unit is h: write {hours}h, not {text}")
    if unit in _LONGER_UNITS:
        return DurationError(
            f"{_quoted(text)} has the unit {unit}, the longest is h: "
            "write 24h, not 1d; 168h, not 1w"
        )
    if not unit:
        return DurationError(f"{_quoted(text)} lacks a unit: write one of {allowed}")
    if unit.lower() in units:
        return DurationError(f"{_quoted(text)}: write the unit small, like 10m")
    if not unit.strip() or unit.strip() in units:
        return DurationError(f"{_quoted(text)}: write it without spaces, like 1h30m")
    return DurationError(
        f"{_quoted(text)} has the unknown unit {_quoted(unit)}: use {allowed}, like 24h"
    )


def _malformed(text: str, units: Mapping[str, int]) -> DurationError:
    allowed = ", ".join(name for name in units if name.isascii())
    return DurationError(
        f"{_quoted(text)} is no duration: write numbers with the units {allowed}, "
        "like 24h or 1h30m"
    )


def _too_long(text: str) -> DurationError:
    return DurationError(f"{_quoted(text)} is too long: the limit is 292 years")


def _quoted(text: str) -> str:
    """Show what was written, however long or odd it is."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
