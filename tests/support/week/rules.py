"""What is wanted of a monitor, and what truly happened to it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from heartbeats.core.model import Kind, Reason

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NEVER = datetime.min.replace(tzinfo=UTC)
JUDGED_AFTER = SECOND


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is wanted of a monitor during a time."""

    schedule: str | None = None
    zone: str = "UTC"
    anchor_at: datetime | None = None
    """Where an `@every` counts from."""
    interval: timedelta | None = None
    grace: timedelta = timedelta(minutes=5)
    max_runtime: timedelta | None = None
    active_deadline: timedelta | None = None
    failure_threshold: int = 1
    recovery_threshold: int = 1
    first_check_in_within: timedelta | None = None
    forbid: bool = False
    suspended: bool = False
    source_uid: str = ""
    gone: bool = False
    """The CronJob does not exist."""
    trouble: Reason | None = None

    @property
    def timetable(self) -> tuple[object, ...]:
        """What arms the monitor anew when it changes."""
        return (self.schedule, self.zone, self.interval, self.trouble)


@dataclass(frozen=True, kw_only=True)
class Era:
    """Rules, and since when they hold."""

    since: datetime
    rules: Rules


@dataclass(kw_only=True)
class Execution:
    """A Job as it really went."""

    uid: str
    slot: datetime | None
    started_at: datetime
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    succeeded: bool = False
    deleted_at: datetime | None = None
    """When it was deleted without having ended."""

    @property
    def appeared_at(self) -> datetime | None:
        """When a pod of it was ready, or it ended."""
        known = [each for each in (self.ready_at, self.ended_at) if each]
        return min(known, default=None)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A ping, in the order in which pings were committed."""

    at: datetime
    kind: Kind
    run_id: str | None = None
    source: str = "host"
