"""What each sample is there to show, and how much of it has been shown. Pure.

The names are those of manifests/samples; a test keeps both equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from heartbeats.core.model import Health, MonitorKey, Reason

NAMESPACE: Final = "heartbeats-demo"


@dataclass(frozen=True, slots=True)
class Row:
    """A monitor as the API server shows it; "" and None stand for absent fields."""

    key: MonitorKey
    state: str = ""
    schedule: str = ""
    last_check_in_at: datetime | None = None
    next_expected: str = ""
    reason: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A state that has to be seen, with this reason if one is named."""

    state: Health
    reason: Reason | None = None

    def is_met_by(self, row: Row) -> bool:
        """Tell whether a monitor is in that state now."""
        return row.state == self.state and self.reason in {None, row.reason}

    def __str__(self) -> str:
        """Write it as people do: Down (RunFailed)."""
        return f"{self.state} ({self.reason})" if self.reason else str(self.state)


@dataclass(frozen=True, slots=True)
class Part:
    """A monitor and the states it has to show, in this order."""

    key: MonitorKey
    steps: tuple[Step, ...]


LAPTOP: Final = MonitorKey(NAMESPACE, "laptop-backup")
REPORT: Final = MonitorKey(NAMESPACE, "report-cronjob")
PARTS: Final = (
    Part(MonitorKey(NAMESPACE, "archive-cronjob"), (Step(Health.PAUSED),)),
    Part(MonitorKey(NAMESPACE, "backup-cronjob"), (Step(Health.UP),)),
    Part(
        LAPTOP,
        (
            Step(Health.UP),
            Step(Health.LATE),
            Step(Health.DOWN, Reason.RUN_MISSED),
            Step(Health.UP),
        ),
    ),
    Part(REPORT, (Step(Health.DOWN, Reason.RUN_FAILED),)),
)

_LAPTOP_SILENT = range(1, 3)
"""After so many steps the laptop is silent: it has been Up and is to be Down."""

_CAPTIONS: Final = (
    "laptop-backup is pinged every ten seconds: it becomes Up.",
    "laptop-backup falls silent, on purpose: it is Late once the next ping is due.",
    "laptop-backup is still silent: Down follows its grace period.",
    "laptop-backup is pinged again: it recovers.",
    "The CronJobs run each minute; the rest follows with their Jobs.",
)
"""By the number of its steps that have been seen."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many steps of each part have been seen."""

    seen: dict[MonitorKey, int] = field(default_factory=dict)

    def after(self, rows: Iterable[Row]) -> "Progress":
        """Return the progress once these rows have been seen too."""
        states = {row.key: row for row in rows}
        return Progress(
            {
                part.key: self._after(part, states[part.key])
                if part.key in states
                else self.count(part.key)
                for part in PARTS
            }
        )

    def count(self, key: MonitorKey) -> int:
        """Return how many steps of a monitor have been seen."""
        return self.seen.get(key, 0)

    @property
    def is_complete(self) -> bool:
        """True once every sample has shown all its states."""
        return not self.missing()

    @property
    def laptop_pings(self) -> bool:
        """Whether the pinged job is to be heard of now."""
        return self.count(LAPTOP) not in _LAPTOP_SILENT

    def missing(self) -> list[str]:
        """Say for each sample what it has not shown yet."""
        return [
            f"{part.key} has not shown {', then '.join(map(str, left))}"
            for part in PARTS
            if (left := part.steps[self.count(part.key) :])
        ]

    def _after(self, part: Part, row: Row) -> int:
        count = self.count(part.key)
        if count < len(part.steps) and part.steps[count].is_met_by(row):
            return count + 1
        return count


def caption(progress: Progress) -> str:
    """Say what the pinged job does now and what will follow from it."""
    if progress.is_complete:
        return "Every sample has shown its states."
    return _CAPTIONS[progress.count(LAPTOP)]
