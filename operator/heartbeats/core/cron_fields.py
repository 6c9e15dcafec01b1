"""The five fields of a CronJob's schedule, read into bit masks.

Takes and refuses exactly what kube-controller-manager's parser (robfig/cron
v3.0.1) does, including what looks like an oversight there: `*-5` is `*`, empty
list items are skipped, a field of commas alone never matches. Pure.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

_NO_NAMES: Final[Mapping[str, int]] = MappingProxyType({})
# fmt: off
_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun",
    "jul", "aug", "sep", "oct", "nov", "dec",
)
# fmt: on
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_INT64_DIGITS: Final = 19
_MAX_INT64: Final = 2**63 - 1
_RANGE_ENDS: Final = 2
_SHOWN: Final = 40


class CronError(ValueError):
    """A schedule can't be read; the message says which part and what is allowed."""


class _Field(NamedTuple):
    """What one field is called and which values it takes."""

    label: str
    low: int
    high: int
    names: Mapping[str, int] = _NO_NAMES
    hint: str = ""


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31, hint="; L and W are not known here"),
    _Field("month", 1, 12, {name: i for i, name in enumerate(_MONTHS, 1)}),
    _Field(
        "day of week",
        0,
        6,
        {name: i for i, name in enumerate(_WEEKDAYS)},
        hint="; Sunday is 0, not 7; L and # are not known here",
    ),
)


@dataclass(frozen=True, slots=True)
class Fields:
    """When a calendar schedule is due; bit n of a mask stands for the value n."""

    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int
    needs_both_days: bool
    """Day of month AND day of week must match, since one of them is a bare star."""

    @property
    def can_match(self) -> bool:
        """Whether no field excludes everything (a field of commas alone does)."""
        if self.needs_both_days:
            days = self.days and self.weekdays
        else:
            days = self.days or self.weekdays
        return bool(self.minutes and self.hours and self.months and days)


def parse_fields(words: Sequence[str]) -> Fields:
    """Read minute, hour, day of month, month, day of week; CronError if wrong."""
    if len(words) != len(_FIELDS):
        raise CronError(
            f"a schedule has 5 fields (minute, hour, day of month, month, day of "
            f"week), found {len(words)}: {quoted(' '.join(words))}"
        )
    masks: list[int] = []
    stars: list[bool] = []
    for word, field in zip(words, _FIELDS, strict=True):
        mask, star = _parse_field(word, field)
        masks.append(mask)
        stars.append(star)
    minutes, hours, days, months, weekdays = masks
    both = stars[2] or stars[4]
    return Fields(minutes, hours, days, months, weekdays, needs_both_days=both)


def quoted(text: str) -> str:
    """Show what was written, however long or odd it is."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _parse_field(word: str, field: _Field) -> tuple[int, bool]:
    """Read a list of ranges into its mask and whether one of them is a bare star."""
    mask, star = 0, False
    for item in filter(None, word.split(",")):
        bits, is_star = _parse_item(item, field)
        mask |= bits
        star |= is_star
    return mask, star


def _parse_item(item: str, field: _Field) -> tuple[int, bool]:
    """Read `*`, `5`, `1-5`, each with an optional `/step`."""
    span, *steps = item.split("/")
    low_text, *high_texts = span.split("-")
    star = low_text in {"*", "?"}
    if star:
        low, high = field.low, field.high
    elif len(high_texts) < _RANGE_ENDS:
        low = _value(low_text, item, field)
        high = _value(high_texts[0], item, field) if high_texts else low
    else:
        raise _refused(field, item, "has too many hyphens")
    if len(steps) > 1:
        raise _refused(field, item, "has too many slashes")
    step = _number(steps[0], item, field) if steps else 1
    if steps and not high_texts:
        high = field.high
    _check(low, high, step, item, field)
    mask = sum(1 << value for value in range(low, high + 1, step))
    return mask, star and step == 1


def _check(low: int, high: int, step: int, item: str, field: _Field) -> None:
    if low < field.low or max(low, high) > field.high:
        raise _refused(field, item, "is out of range")
    if low > high:
        raise _refused(field, item, "runs backwards: write two ranges with a comma")
    if step == 0:
        raise _refused(field, item, "has a step of 0")


def _value(text: str, item: str, field: _Field) -> int:
    # The parser's lower case makes a plain i of the dotted capital, Python's doesn't.
    name = text.replace("\u0130", "i").lower()
    if name in field.names:
        return field.names[name]
    return _number(text, item, field)


def _number(text: str, item: str, field: _Field) -> int:
    """Read a decimal number as Go's strconv.Atoi does, but never a negative one."""
    if not _INTEGER.fullmatch(text):
        found = quoted(text) if text else "nothing"
        raise _refused(field, item, f"has {found} where a number belongs")
    digits = text.lstrip("+-").lstrip("0") or "0"
    number = int(digits) if len(digits) <= _INT64_DIGITS else _MAX_INT64 + 1
    if number > _MAX_INT64:
        raise _refused(field, item, "has too large a number")
    if number and text.startswith("-"):
        raise _refused(field, item, "has a negative number")
    return number


def _refused(field: _Field, item: str, why: str) -> CronError:
    names = [name.upper() for name in field.names]
    named = f" or {names[0]} to {names[-1]}" if names else ""
    return CronError(
        f"the {field.label} {quoted(item)} {why}: allowed are "
        f"{field.low} to {field.high}{named}, * and ?, ranges (1-5), steps (*/5) "
        f"and lists (1,5){field.hint}"
    )
