"""The runs of a monitor: as a strip, the newest at its right end, and as a table.

It may not ask the cluster, nor judge.
"""

from datetime import datetime
from types import MappingProxyType
from typing import Final

from heartbeats.console.text import age, table
from heartbeats.core import durations
from heartbeats.core.model import Run, State
from heartbeats.core.schedule import open_runs
from heartbeats.core.verdict import instant

MARKS: Final = MappingProxyType(
    {"success": "✓", "failure": "✗", "missed": "○", "running": "▸"}
)
PLAIN: Final = MappingProxyType(
    {"success": "+", "failure": "x", "missed": "-", "running": ">"}
)
"""For terminals whose encoding has no such signs."""


def strip(state: State, *, encoding: str = "utf-8") -> str:
    """Return a sign for each run in the history, then for each that is under way."""
    marks = MARKS if _can_show(encoding) else PLAIN
    ended = [marks.get(run.outcome, "?") for run in reversed(state.history)]
    running = [marks["running"]] * len(open_runs(state))
    return " ".join([*ended, *running])


def legend(*, encoding: str = "utf-8") -> str:
    """Say what the signs mean."""
    marks = MARKS if _can_show(encoding) else PLAIN
    return ", ".join(f"{mark} {word}" for word, mark in marks.items())


def _can_show(encoding: str) -> bool:
    try:
        "".join(MARKS.values()).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def history(state: State, *, now: datetime) -> list[str]:
    """Return the runs that ended or never came, the newest first."""
    header = ("OUTCOME", "WHEN", "AGE", "DUE", "TOOK", "EXIT", "REMARK")
    return table(header, (_row(run, now=now) for run in state.history))


def _row(run: Run, *, now: datetime) -> tuple[str, ...]:
    return (
        *(run.outcome, instant(run.at), age(run.at, now=now)),
        instant(run.slot_at) if run.slot_at else "",
        "" if run.duration is None else durations.humanise(run.duration),
        "" if run.exit_code is None else str(run.exit_code),
        _remark(run),
    )


def _remark(run: Run) -> str:
    parts = [
        "" if run.scheduled else "started by hand",
        "inferred" if run.inferred else "",
        run.message,
    ]
    return "; ".join(part for part in parts if part)


def under_way(state: State, *, now: datetime) -> list[str]:
    """Return the runs that started and have not ended; none: no lines."""
    header = ("RUN", "STARTED", "AGE", "DUE", "REMARK")
    rows = [
        (
            *(run.id, instant(run.started_at), age(run.started_at, now=now)),
            instant(run.slot_at) if run.slot_at else "",
            "its Job is gone" if run.vanished else "",
        )
        for run in state.active_runs
    ]
    return table(header, rows) if rows else []
