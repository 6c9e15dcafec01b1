"""Records to and from the JSON of a status, field by field.

Reading is forgiving: a status may have been edited by hand or written by another
version, and one odd field must cost that field only. Writing leaves out what
equals nothing. It may not know what the records mean.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from sys import intern
from typing import Any, TypeVar

from heartbeats.core.values import fields

T = TypeVar("T")
Json = dict[str, Any]


FIRST_YEAR, LAST_YEAR = 1969, 2500
LONGEST_SPAN = timedelta(days=3660)
"""What lies beyond was written by nobody here, and sums with it would overflow."""

SHARED = 8192
"""So many instants and spans are in memory once, however many monitors name them: slots
are the same for all whose schedules are."""

EMPTY: tuple[Any, ...] = ((), "")
"""What says nothing and is left out."""


@dataclass(frozen=True, slots=True)
class Form:
    """How one kind of value is written and read; `read` raises on odd input."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute of a record and its name and form in JSON."""

    attribute: str
    name: str
    form: Form


def write_instant(at: datetime) -> str:
    """Write an aware UTC instant; microseconds only where there are some."""
    text = at.astimezone(UTC).replace(tzinfo=None).isoformat()
    return text + "Z"


@lru_cache(maxsize=SHARED)
def read_instant(text: Any) -> datetime:
    """Read an RFC 3339 instant as aware UTC; raises ValueError or TypeError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return at.astimezone(UTC)


def _read_known_instant(text: Any) -> datetime:
    at = read_instant(text)
    if not FIRST_YEAR < at.year < LAST_YEAR:
        raise ValueError(f"{text} is not of our time")
    return at


def _read_word(value: Any) -> str:
    return intern(_read_text(value))


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _read_number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("not a whole number")
    return value


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a flag")
    return value


def _read_names(value: Any) -> tuple[str, ...]:
    return tuple(_read_word(item) for item in value)


def _read_instants(value: Any) -> tuple[datetime, ...]:
    return tuple(sorted(_read_known_instant(item) for item in value))


def _write_span(span: timedelta) -> int:
    return round(span / timedelta(milliseconds=1))


def _read_span(value: Any) -> timedelta:
    return _span(_read_number(value))


@lru_cache(maxsize=SHARED)
def _span(milliseconds: int) -> timedelta:
    span = timedelta(milliseconds=milliseconds)
    if not timedelta() <= span <= LONGEST_SPAN:
        raise ValueError("too long a time")
    return span


TEXT = Form(str, _read_text)
WORD = Form(str, _read_word)
"""One of a few texts: it is in memory once, however many say it."""
NUMBER = Form(int, _read_number)
FLAG = Form(bool, _read_flag)
INSTANT = Form(write_instant, _read_known_instant)
MILLISECONDS = Form(_write_span, _read_span)
NAMES = Form(list, _read_names)
INSTANTS = Form(lambda many: [write_instant(at) for at in many], _read_instants)


def limited(length: int) -> Form:
    """Write at most `length` characters of a text."""
    return Form(lambda text: str(text)[:length], _read_text)


def name(length: int) -> Form:
    """Write at most `length` characters of what a state says again and again.

    It is in memory once: a run stands in the history and among what was counted.
    """
    return Form(lambda text: str(text)[:length], _read_word)


def word(kind: type[StrEnum]) -> Form:
    """Read and write the words of an enumeration."""
    return Form(str, kind)


def record(kind: type[Any], layout: Sequence[Field]) -> Form:
    """Nest a record as an object."""
    return Form(lambda value: write(value, layout), lambda raw: read(kind, layout, raw))


def records(kind: type[Any], layout: Sequence[Field]) -> Form:
    """Nest records as a list; an odd one is left out, the others stay."""

    def read_all(raw: Any) -> tuple[Any, ...]:
        return tuple(_readable(kind, layout, raw if isinstance(raw, list) else []))

    return Form(lambda many: [write(each, layout) for each in many], read_all)


def _readable(kind: type[T], layout: Sequence[Field], raw: list[Any]) -> Iterable[T]:
    for item in raw:
        try:
            yield read(kind, layout, item)
        except (ValueError, TypeError, OverflowError):
            continue


def write(value: Any, layout: Sequence[Field]) -> Json:
    """Write a record as an object, without what is empty or equals its default."""
    defaults = _defaults(type(value))  # type: ignore[arg-type]
    result: Json = {}
    for each in layout:
        held = getattr(value, each.attribute)
        if held is None or held in EMPTY:
            continue
        default = defaults[each.attribute]
        if isinstance(held, bool) and held == default:
            continue
        written = each.form.write(held)
        if written != {}:
            result[each.name] = written
    return result


def read(kind: type[T], layout: Sequence[Field], raw: Any) -> T:
    """Read a record; odd optional fields are dropped, an odd required one raises."""
    if not isinstance(raw, Mapping):
        raise TypeError("not an object")
    found: dict[str, Any] = {}
    for each in layout:
        if raw.get(each.name) is None:
            continue
        try:
            found[each.attribute] = each.form.read(raw[each.name])
        except (ValueError, TypeError, OverflowError):
            continue
    missing = _required(kind) - found.keys()  # type: ignore[arg-type]
    if missing:
        raise ValueError(f"without {', '.join(sorted(missing))}")
    return kind(**found)


@cache
def _required(kind: type[Any]) -> frozenset[str]:
    return frozenset(each.name for each in fields(kind) if each.required)


@cache
def _defaults(kind: type[Any]) -> dict[str, Any]:
    return {each.name: each.default for each in fields(kind)}
