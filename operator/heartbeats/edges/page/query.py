"""What is asked for: which monitors, and which page of them.

The same parameters for people and for programs. Whatever cannot be understood is
refused with a sentence; parameters that are not known are left alone, for others add
such to links. It may not know where monitors come from.
"""

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from multidict import MultiMapping

from heartbeats.core.model import Health
from heartbeats.core.verdict import URGENCY

SIZE: Final = 100
LARGEST: Final = 500
"""Monitors on one page: more would take the browser and the loop too long."""

_LONGEST_TEXT: Final = 253
_LONGEST_NUMBER: Final = 6


class BadQueryError(ValueError):
    """A parameter can't be understood; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Query:
    """A filter, and a page of what it leaves. Empty values filter nothing."""

    namespace: str = ""
    states: frozenset[Health] = frozenset()
    text: str = ""
    page: int = 1
    size: int = SIZE

    @classmethod
    def of(cls, parameters: MultiMapping[str]) -> "Query":
        """Read a URL's query; BadQueryError."""
        return cls(
            _text("namespace", parameters.get("namespace", "")),
            frozenset(map(_state, filter(None, parameters.getall("state", [])))),
            _text("q", parameters.get("q", "")),
            _number("page", parameters.get("page", ""), 1, 10**_LONGEST_NUMBER),
            _number("size", parameters.get("size", ""), SIZE, LARGEST),
        )

    @property
    def filters(self) -> bool:
        """Tell whether anything is left out."""
        return bool(self.namespace or self.states or self.text)

    def turned(self, page: int) -> "Query":
        """Return the same query for another page."""
        return replace(self, page=page)

    def at(self, path: str) -> str:
        """Write it as the URL of a path, in one way only."""
        pairs = [
            ("namespace", self.namespace),
            *(("state", each.value) for each in URGENCY if each in self.states),
            ("q", self.text),
            ("page", str(self.page) if self.page > 1 else ""),
            ("size", str(self.size) if self.size != SIZE else ""),
        ]
        text = urlencode([pair for pair in pairs if pair[1]])
        return f"{path}?{text}" if text else path


def _text(name: str, value: str) -> str:
    value = value.strip()
    if len(value) > _LONGEST_TEXT:
        raise BadQueryError(f"{name} is longer than {_LONGEST_TEXT} characters")
    return value


def _state(value: str) -> Health:
    try:
        return Health(value.strip().capitalize())
    except ValueError:
        known = ", ".join(URGENCY)
        raise BadQueryError(f"there is no state {value!r}: write one of {known}") from (
            None
        )


def _number(name: str, value: str, default: int, limit: int) -> int:
    value = value.strip()
    if not value:
        return default
    readable = value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER
    if not readable or not 1 <= int(value) <= limit:
        raise BadQueryError(f"{name} is {value!r}: write a number from 1 to {limit}")
    return int(value)
