"""The table of monitors as lines of text. Pure: rows, progress and now in, lines out.

The columns are those of `kubectl get hbm -A`, with one more: which of the states that
a sample is there for have been seen.
"""

from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from heartbeats.console.text import GAP, age, aligned, painted
from heartbeats.core.model import MonitorKey
from heartbeats.demo.story import PARTS, Progress, Row

HEADER: Final = (
    *("NAMESPACE", "NAME", "STATE", "SCHEDULE", "LAST CHECK-IN", "NEXT EXPECTED"),
    *("REASON", "AGE", "SEEN"),
)
_DROPPED_FIRST: Final = (
    *("AGE", "NAMESPACE", "NEXT EXPECTED", "SCHEDULE", "LAST CHECK-IN"),
)
"""What a narrow terminal does without; the other columns fit into 80."""

_STEPS: Final = MappingProxyType({part.key: part.steps for part in PARTS})


def render(
    rows: Sequence[Row],
    progress: Progress,
    *,
    width: int | None = None,
    colour: bool = False,
    now: datetime,
) -> list[str]:
    """Return header and rows; none is longer than `width` if there is one.

    Columns are left out for that, and at last lines are cut.
    """
    ordered = sorted(rows, key=lambda row: row.key)
    cells = [HEADER, *(_cells(row, progress, now) for row in ordered)]
    columns = _fitting([aligned(each) for each in zip(*cells, strict=True)], width)
    return [_line(columns, index, width, colour) for index in range(len(cells))]


def digest(rows: Sequence[Row], progress: Progress) -> object:
    """Return what makes two tables different: not the ages, which always change."""
    shown = sorted((row.key, row.state, row.reason) for row in rows)
    return shown, sorted(progress.seen.items())


def seen(key: MonitorKey, progress: Progress) -> str:
    """Write which states a sample has shown: `[x] Up [x] Late [ ] Down`."""
    count = progress.count(key)
    return " ".join(
        f"[{'x' if index < count else ' '}] {step.state}"
        for index, step in enumerate(_STEPS.get(key, ()))
    )


def _cells(row: Row, progress: Progress, now: datetime) -> tuple[str, ...]:
    return (
        *(row.key.namespace, row.key.name, row.state, row.schedule),
        *(age(row.last_check_in_at, now=now), row.next_expected),
        *(row.reason, age(row.created_at, now=now), seen(row.key, progress)),
    )


def _fitting(columns: list[list[str]], width: int | None) -> list[list[str]]:
    """Leave columns out until the others fit, or only the important ones are left."""
    kept = list(columns)
    for name in _DROPPED_FIRST:
        needed = sum(len(column[0]) + len(GAP) for column in kept) - len(GAP)
        if width is None or needed <= width:
            break
        kept = [column for column in kept if column[0].rstrip() != name]
    return kept


def _line(columns: list[list[str]], index: int, width: int | None, colour: bool) -> str:
    """Join the cells of one row; colours are not counted when it is cut."""
    room = width if width is not None else sum(len(c[0]) + len(GAP) for c in columns)
    parts: list[str] = []
    for column in columns:
        gap = GAP if parts else ""
        text = (gap + column[index])[:room]
        room -= len(text)
        is_state = colour and column[0].rstrip() == "STATE"
        parts.append(painted(text) if is_state else text)
    return "".join(parts).rstrip()
