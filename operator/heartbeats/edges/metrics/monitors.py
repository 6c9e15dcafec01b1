"""The series of the monitors, written by hand as Prometheus text (format 0.0.4).

prometheus_client needs a second for 250,000 series, this a fraction of it, and it
comes in pieces so that nobody waits long. It reads entries at scrape time: there is
nothing to update and nothing to forget. Timestamps, never ages: they stay true when
this process hangs. A series that is absent tells of something that never was.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Final, Self

from heartbeats.edges.metrics.families import (
    FAMILIES,
    Family,
    Row,
    escape,
    labels_family,
)
from heartbeats.ledger.entries import Entry

CHUNK: Final = 500
"""Monitors rendered at a time: some milliseconds of work."""


class Level(StrEnum):
    """How much is told of each monitor (`--metrics-level`)."""

    LEAN = "lean"
    """What alerts need: which monitors there are, how they are, and since when."""
    FULL = "full"


class LabelError(ValueError):
    """The allow-list of labels can't be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """How monitors are told of."""

    level: Level = Level.FULL
    labels: tuple[tuple[str, str], ...] = ()
    """The monitors' labels to export, each with the name of its metric label."""

    @classmethod
    def of(cls, level: Level, labels: Iterable[str]) -> Self:
        """Take an allow-list of label keys; LabelError when two become one name."""
        names: dict[str, str] = {}
        for label in labels:
            name = "label_" + re.sub(r"[^a-zA-Z0-9_]", "_", label)
            if names.setdefault(name, label) != label:
                raise LabelError(
                    f"the labels {names[name]} and {label} would both be {name}: "
                    "export one of them only"
                )
        return cls(level, tuple((label, name) for name, label in names.items()))

    @property
    def families(self) -> tuple[Family, ...]:
        """Return what is told at this level."""
        lean = self.level is Level.LEAN
        told = tuple(each for each in FAMILIES if each.lean or not lean)
        return (*told, labels_family(self.labels)) if self.labels else told


def monitor_series(
    entries: Iterable[Entry], options: Options, *, now: datetime
) -> Iterator[str]:
    """Write the series of all monitors, piece by piece; a piece may be empty.

    Each piece is the work of some milliseconds: let others run between them. All
    pieces together tell of one instant.
    """
    rows: list[Row] = []
    source = iter(entries)
    while chunk := [_row(entry, now) for entry in islice(source, CHUNK)]:
        rows += chunk
        yield ""
    for family in options.families:
        yield f"# HELP {family.name} {family.help}\n"
        yield f"# TYPE {family.name} {family.type}\n"
        yield from _pieces(family, rows)


def _row(entry: Entry, now: datetime) -> Row:
    namespace, name = escape(entry.key.namespace), escape(entry.key.name)
    identity = f'namespace="{namespace}",heartbeatmonitor="{name}"'
    return Row(identity, entry, entry.state, now)


def _pieces(family: Family, rows: Sequence[Row]) -> Iterator[str]:
    for first in range(0, len(rows), CHUNK):
        yield "".join([family.lines(row) for row in rows[first : first + CHUNK]])
