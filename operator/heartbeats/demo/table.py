"""The table of monitors as lines of text. Pure: rows, progress and now in, lines out.

The columns are those of `kubectl get hbm -A`, with one more: which of the states that
a sample is there for have been seen.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from heartbeats.core.model import Health, MonitorKey
from heartbeats.demo.story import PARTS, Progress, Row

HEADER: Final = (
    *("NAMESPACE", "NAME", "STATE", "SCHEDULE", "LAST CHECK-IN", "NEXT EXPECTED"),
    *("REASON", "AGE", "SEEN"),
)
_STATE: Final = HEADER.index("STATE")
_GAP: Final = "  "
_RESET: Final = "\x1b[0m"
_COLOURS: Final = MappingProxyType(
    {
        Health.UP: "\x1b[32m",
        Health.LATE: "\x1b[33m",
        Health.DOWN: "\x1b[31m",
        Health.PAUSED: "\x1b[34m",
        Health.UNKNOWN: "\x1b[35m",
    }
)
_SHORT = timedelta(minutes=2)
_STEPS: Final = MappingProxyType({part.key: part.steps for part in PARTS})


def render(
    rows: Sequence[Row],
    progress: Progress,
    *,
    width: int | None = None,
    colour: bool = False,
    now: datetime,
) -> list[str]:
    """Return header and rows; lines are cut at `width` columns if there is one."""
    ordered = sorted(rows, key=lambda row: row.key)
    cells = [HEADER, *(_cells(row, progress, now) for row in ordered)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line(row, widths, width) for row in cells]
    return [_painted(line, widths) for line in lines] if colour else lines


def digest(rows: Sequence[Row], progress: Progress) -> object:
    """Return what makes two tables different: not the ages, which always change."""
    shown = sorted((row.key, row.state, row.reason) for row in rows)
    return shown, sorted(progress.seen.items())


def age(at: datetime | None, *, now: datetime) -> str:
    """Write how long ago an instant was, as kubectl does: 45s, 3m, 5h, 2d."""
    if at is None:
        return ""
    span = max(now - at, timedelta())
    seconds = int(span.total_seconds())
    if span < _SHORT:
        return f"{seconds}s"
    for unit, size in (("d", 86_400), ("h", 3600)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds // 60}m"


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


def _line(cells: Sequence[str], widths: Sequence[int], limit: int | None) -> str:
    padded = map(str.ljust, cells, widths)
    return _GAP.join(padded).rstrip()[:limit]


def _painted(line: str, widths: Sequence[int]) -> str:
    """Colour the state of a line that may have been cut."""
    start = sum(widths[:_STATE]) + _STATE * len(_GAP)
    end = start + widths[_STATE]
    for state, colour in _COLOURS.items():
        if line[start:end].strip() == state:
            return f"{line[:start]}{colour}{line[start:end]}{_RESET}{line[end:]}"
    return line
