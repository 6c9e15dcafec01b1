"""What the ledger holds of a monitor, and whom it asks and tells."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from heartbeats.core.model import (
    CheckIn,
    CronJobFacts,
    MonitorKey,
    Policy,
    Spec,
    State,
    Trouble,
    Uid,
)
from heartbeats.core.remains import Remains
from heartbeats.core.silence import Hindrances, Missed
from heartbeats.core.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A HeartbeatMonitor as it was just read from the API server."""

    key: MonitorKey
    uid: Uid
    generation: int
    resource_version: str
    spec: Spec
    state: State
    """Restored from the status; used only when the monitor is new to the ledger."""
    digest: str = ""
    """Of the status as the API server holds it."""
    created_at: datetime
    owner_uid: Uid | None = None
    labels: tuple[tuple[str, str], ...] = ()
    deleting: bool = False


@dataclass(slots=True)
class Entry:
    """All that is known of one monitor. Read it anywhere; only the ledger writes."""

    key: MonitorKey
    uid: Uid
    generation: int
    resource_version: str
    spec: Spec
    created_at: datetime
    state: State
    policy: Policy
    trouble: Trouble | None = None
    subject: Subject | None = None
    """The rules it is judged by; None until the ledger is open."""
    owner_uid: Uid | None = None
    labels: tuple[tuple[str, str], ...] = ()
    stored: State = field(default_factory=State)
    """The state that the API server holds, as far as this process knows."""
    stored_digest: str = ""
    """Of the whole status there: what equals it is not written again."""
    deleting: bool = False
    edited: bool = False
    """Somebody else wrote into the status: it must be replaced as a whole."""
    counts: Counter[str] = field(default_factory=Counter)
    """Check-ins by kind since this process started."""


class Runs(Protocol):
    """What the cluster's Jobs say of a CronJob's runs; reading it changes nothing."""

    def check_ins(self, cron_job: Uid) -> Iterable[CheckIn]:
        """Return the reports of all Jobs that exist, oldest first."""

    def hindrances(self, cron_job: CronJobFacts) -> Hindrances:
        """Return what is known of why runs do not appear."""

    def remains(self, cron_job: CronJobFacts) -> Remains:
        """Return what is left of the runs of a CronJob."""


class Listener(Protocol):
    """Whoever carries out what the ledger learned."""

    def changed(self, entry: Entry, *, urgent: bool) -> None:
        """Handle that an entry's status may differ from the stored one."""

    def lost(self, entry: Entry) -> None:
        """Handle that a monitor is gone."""

    def checked_in(self, entry: Entry, check_in: CheckIn) -> None:
        """Handle a check-in that was counted just now."""

    def missed(self, entry: Entry, missed: Missed) -> None:
        """Handle a window that expired without a flip."""

    def failed(self, entry: Entry, error: Exception) -> None:
        """Handle that a monitor cannot be judged because of a defect of ours."""
