"""The words of the domain as frozen values; see docs/glossary.md.

Nothing here decides anything: a value says what was wanted (`Spec`), what was
seen (`CheckIn`, `CronJobFacts`), or what is known (`State`). Instants are aware
UTC datetimes, spans are timedeltas.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from heartbeats.core.values import Struct, field

Uid = NewType("Uid", str)
"""A Kubernetes object's uid. Names are used again, uids are not."""


class MonitorKey(Struct, frozen=True, order=True):
    """Where a monitor lives. Never an f-string: two fields cannot be swapped."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Write it as people do: namespace/name."""
        return f"{self.namespace}/{self.name}"


class Source(StrEnum):
    """Where a monitor's check-ins come from."""

    CRON_JOB = "cronJob"
    PING = "ping"


class Kind(StrEnum):
    """What a check-in reports."""

    START = "start"
    SUCCESS = "success"
    FAILURE = "failure"
    LOG = "log"
    VANISHED = "vanished"  # a Job deleted before its end: no outcome will come

    @property
    def is_outcome(self) -> bool:
        """True for a report that ends a run."""
        return self in {Kind.SUCCESS, Kind.FAILURE}


class Health(StrEnum):
    """The one word a monitor says (`.status.state`)."""

    NEW = "New"
    UP = "Up"
    LATE = "Late"
    DOWN = "Down"
    PAUSED = "Paused"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Why: the same words in conditions, Events and explanations."""

    # Up and Late
    ON_SCHEDULE = "OnSchedule"
    LATE = "Late"
    # Down
    RUN_MISSED = "RunMissed"
    RUN_FAILED = "RunFailed"
    RUN_OVERDUE = "RunOverdue"
    POD_NOT_READY = "PodNotReady"
    CRON_JOB_NOT_FOUND = "CronJobNotFound"
    # New, Paused and Unknown
    NEVER_REPORTED = "NeverReported"
    PAUSED = "Paused"
    BLIND_WINDOW = "BlindWindow"
    AMBIGUOUS = "Ambiguous"
    SCHEDULE_MISMATCH = "ScheduleMismatch"
    INVALID_SCHEDULE = "InvalidSchedule"
    UNKNOWN_TIME_ZONE = "UnknownTimeZone"
    INVALID_SPEC = "InvalidSpec"
    # Ready only
    TOKEN_CONFLICT = "TokenConflict"  # noqa: S105 - a reason, not a secret
    KEY_LOST = "KeyLost"
    # Ready=True, and Events only
    ACCEPTED = "Accepted"
    RECOVERED = "Recovered"
    RETRACTED = "Retracted"


class Spec(Struct, frozen=True, kw_only=True):
    """A HeartbeatMonitor's spec as its author wrote it; None is "not written"."""

    source: Source
    cron_job_name: str | None = None
    schedule: str | None = None
    time_zone: str | None = None
    interval: timedelta | None = None
    grace: timedelta | None = None
    max_runtime: timedelta | None = None
    failure_threshold: int | None = None
    recovery_threshold: int | None = None
    first_check_in_within: timedelta | None = None
    suspend: bool = False
    suspend_until: datetime | None = None
    history_limit: int | None = None
    token_version: int = 1
    min_token_version: int | None = None
    token_hashes: tuple[str, ...] = ()
    """Of tokens that came from elsewhere."""
    severity: str | None = None
    owner: str | None = None
    description: str | None = None
    runbook_url: str | None = None
    problem: str | None = None
    """A sentence when a field could not be understood; the rest is still used."""


class CronJobFacts(Struct, frozen=True, kw_only=True):
    """What a CronJob says about its own runs, as far as judging needs it."""

    uid: Uid
    name: str
    namespace: str
    schedule: str
    generation: int = 0
    """Grows with every edit of the spec, and with nothing else."""
    time_zone: str | None = None
    suspend: bool = False
    concurrency_policy: str = "Allow"
    active_deadline: timedelta | None = None
    created_at: datetime | None = None
    last_schedule_at: datetime | None = None
    last_success_at: datetime | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


class Judged(Struct, frozen=True, kw_only=True):
    """The timetable a state was judged by; a change of it arms the monitor anew."""

    schedule: str | None = None
    time_zone: str | None = None
    interval: timedelta | None = None
    cron_job_uid: Uid | None = None
    generation: int = 0
    """The CronJob's, to tell whether it was edited while nobody watched."""
    skips_while_running: bool = False
    """Whether its controller skips what is due while a run is open (Forbid)."""

    @property
    def timetable(self) -> tuple[str | None, str | None, timedelta | None]:
        """Return what says when runs are due."""
        return self.schedule, self.time_zone, self.interval


class Trouble(Struct, frozen=True):
    """Why a monitor cannot be judged, or not be pinged: becomes Ready=False."""

    reason: Reason
    message: str


class Policy(Struct, frozen=True, kw_only=True):
    """What is really applied to a monitor, every default filled in."""

    source: Source
    schedule: str | None = None
    time_zone: str | None = None
    interval: timedelta | None = None
    grace: timedelta = timedelta(minutes=5)
    max_runtime: timedelta | None = None
    active_deadline: timedelta | None = None
    failure_threshold: int = 1
    recovery_threshold: int = 1
    first_check_in_within: timedelta | None = None
    suspended: bool = False
    resume_at: datetime | None = None
    """When a suspension ends by itself."""
    history_limit: int = 10
    skips_while_running: bool = False
    """True for pings and for concurrencyPolicy Forbid: nothing is due while a run
    is open."""
    orphaned: bool = False
    """The CronJob is gone; the schedule is the last one known."""
    severity: str | None = None
    owner: str | None = None
    description: str | None = None
    runbook_url: str | None = None
    origins: tuple[tuple[str, str], ...] = ()
    """Where each value came from: ("gracePeriod", "spec"), …"""
    notes: tuple[str, ...] = ()
    """Sentences about values that were not understood and are not applied."""
    flaw: Trouble | None = None
    """What is wrong with its URL: Ready=False, but it is judged all the same."""


class CheckIn(Struct, frozen=True, kw_only=True):
    """A reported fact about one run, from a Job or from a ping."""

    id: str
    """Stable: the same fact reported again has the same id."""
    kind: Kind
    at: datetime
    """When it happened: the Job's own time, or when the ping was received."""
    run_id: str | None = None
    slot_at: datetime | None = None
    started_at: datetime | None = None
    duration: timedelta | None = None
    exit_code: int | None = None
    source: str = ""
    message: str = ""
    scheduled: bool = True
    """False for a run started by hand: recorded, but it stands for no slot."""
    inferred: bool = False
    """Concluded from what is left, not reported: its Job went unseen."""
    ambiguous: bool = False
    """A failure that the client may have made of a success we refused."""
    revision: int | None = None
    """A ping's place in the journal, which orders it; None for Jobs."""
    detail: tuple[tuple[str, object], ...] = ()
    """More for the event log only (stdout, caller's keys); never in a status."""


class ActiveRun(Struct, frozen=True, kw_only=True):
    """A run that started and has not ended."""

    id: str
    started_at: datetime
    slot_at: datetime | None = None
    vanished: bool = False
    """Its Job is gone without an end; it is owed until a newer run succeeds."""
    unseen: bool = False
    """Its end may have been reported while we could not listen."""
    excused: bool = False
    """Nobody waits for its end: its limit passed while Down, or it was outrun."""


class Run(Struct, frozen=True, kw_only=True):
    """A line of history: a run that ended, or a window that expired."""

    outcome: str
    """success, failure or missed."""
    at: datetime
    id: str | None = None
    slot_at: datetime | None = None
    started_at: datetime | None = None
    duration: timedelta | None = None
    exit_code: int | None = None
    message: str = ""
    scheduled: bool = True
    inferred: bool = False
    reason: Reason | None = None


class Blindness(Struct, frozen=True, kw_only=True):
    """A time in which reports may have been refused or gone unseen."""

    began_at: datetime
    ended_at: datetime


class Incident(Struct, frozen=True, kw_only=True):
    """Why a monitor is Down, since when."""

    opened_at: datetime
    reason: Reason
    message: str
    slot_at: datetime | None = None


class Flip(Struct, frozen=True, kw_only=True):
    """A change of the one word; whoever is told is told of flips, never of states."""

    id: str
    at: datetime
    before: Health
    after: Health
    reason: Reason
    message: str
    slot_at: datetime | None = None


class Report(Struct, frozen=True, kw_only=True):
    """The newest outcome that was pinged."""

    kind: Kind
    at: datetime
    run_id: str | None = None
    source: str = ""
    """Empty for a client that names itself nowhere."""


class Applied(Struct, frozen=True, kw_only=True):
    """What has been counted, so that nothing is counted twice."""

    journal_revision: int = 0
    since: datetime | None = None
    """When the monitor began to watch: nothing that ended earlier is counted."""
    newest_run_at: datetime | None = None
    """Slot or start of the newest run with an outcome: older ones change nothing."""
    finished_at: datetime | None = None
    job_uids: tuple[str, ...] = ()
    """Uids of Jobs counted that finished within a minute before `finished_at`."""
    last_report: Report | None = None


class State(Struct, frozen=True, kw_only=True):
    """All that is known of a monitor; it alone, as `.status`, restores it."""

    health: Health = Health.NEW
    reason: Reason = Reason.NEVER_REPORTED
    message: str = ""
    changed_at: datetime | None = None
    """When `health` last changed: for Down the deadline, not its discovery."""
    armed_at: datetime | None = None
    """No slot before this instant is ever missed."""
    judged: Judged = field(default_factory=Judged)
    paused: bool = False
    trouble: Trouble | None = None
    flaw: Trouble | None = None
    """What is wrong with its URL; unlike trouble it keeps nothing from being judged."""
    ready_changed_at: datetime | None = None
    """When trouble or a flaw last came or went."""
    mismatch_at: datetime | None = None
    """A run of a slot that the schedule does not have was seen."""
    blind_at: datetime | None = None
    """A window ended of which too little was seen to judge it."""
    unseen_slot_at: datetime | None = None
    """The slot whose window was touched by blindness: silence in it proves nothing."""
    unseen_until: datetime | None = None
    """When that blindness ended."""
    ambiguous_at: datetime | None = None
    """A failure came that may be the echo of a success we refused."""
    next_expected_at: datetime | None = None
    """The earliest slot that is not settled."""
    settled_slots: tuple[datetime, ...] = ()
    """Slots after `next_expected_at` that have already run."""
    last_check_in: CheckIn | None = None
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    last_start_at: datetime | None = None
    last_duration: timedelta | None = None
    last_exit_code: int | None = None
    longest_success: timedelta | None = None
    consecutive_failures: int = 0
    consecutive_successes: int = 0
    active_runs: tuple[ActiveRun, ...] = ()
    counted_runs: tuple[str, ...] = ()
    """Ids of runs already counted as bad by silence: an end counts no second time."""
    counted_slots: tuple[datetime, ...] = ()
    """Slots whose windows expired since the last success, the oldest first: a run
    that comes for one of them counts no second time."""
    incident: Incident | None = None
    history: tuple[Run, ...] = ()
    applied: Applied = field(default_factory=Applied)
    pending_flips: tuple[Flip, ...] = ()
    key_id: str | None = None
