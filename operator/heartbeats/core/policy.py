"""What is really applied to a monitor, and where each value came from.

Precedence: spec, then an annotation on the CronJob, then the same annotation on
the Namespace, then the operator's flag, then what is built in. Nothing is ever
written back into a spec as a default: a changed default reaches every monitor.
A value that is not understood is named in the policy's notes and the next level
is used; only a missing or broken timetable is trouble.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from heartbeats.core import cron, durations
from heartbeats.core.model import (
    CronJobFacts,
    Judged,
    Policy,
    Reason,
    Source,
    Spec,
    Trouble,
)
from heartbeats.core.values import replace

PREFIX = "heartbeats.dev/"
MONITOR_ANNOTATION = PREFIX + "monitor"
ANNOTATIONS = frozenset(
    PREFIX + name
    for name in (
        *("monitor", "grace-period", "max-runtime", "failure-threshold"),
        *("severity", "owner", "description", "runbook-url"),
    )
)
"""Every annotation that is read; another one with our prefix is a slip."""

BUILT_IN_GRACE = timedelta(minutes=5)
MAX_THRESHOLD = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the operator's flags say about all monitors."""

    cluster_time_zone: str = "UTC"
    """The zone of kube-controller-manager, which the API does not show."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around a spec: its CronJob, its Namespace, the operator's flags."""

    cron_job: CronJobFacts | None = None
    namespace_annotations: Mapping[str, str] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)
    last_known: Judged = field(default_factory=Judged)
    """The timetable judged last: keeps a monitor armed when its CronJob is gone."""
    flaw: Trouble | None = None
    """What is wrong with its ping URL."""


@dataclass(slots=True)
class _Levels:
    """Looks a value up level by level and remembers where it was found."""

    cron_job: Mapping[str, str]
    namespace: Mapping[str, str]
    origins: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def find(
        self, name: str, written: T | None, annotation: str, read: Callable[[str], T]
    ) -> T | None:
        if written is not None:
            self.origins[name] = "spec"
            return written
        for level, annotations in (
            ("CronJob", self.cron_job),
            ("Namespace", self.namespace),
        ):
            text = annotations.get(PREFIX + annotation)
            if text is None:
                continue
            try:
                value = read(text)
            except ValueError as error:
                self.notes.append(
                    f"annotation {PREFIX}{annotation} of the {level}: {error}"
                )
                continue
            self.origins[name] = f"annotation on the {level}"
            return value
        return None


def resolve(
    spec: Spec, around: Surroundings, *, now: datetime
) -> tuple[Policy, Trouble | None]:
    """Combine all levels into one policy, and say what keeps it from being judged."""
    facts = around.cron_job
    levels = _Levels(
        dict(facts.annotations) if facts else {}, around.namespace_annotations
    )
    policy = _common(spec, levels, now=now)
    if spec.source is Source.CRON_JOB:
        policy, trouble = _of_cron_job(policy, spec, around)
    else:
        policy, trouble = _of_ping(policy, spec)
    notes = (*policy.notes, *levels.notes, *((spec.problem,) if spec.problem else ()))
    policy = replace(
        policy,
        origins=policy.origins + tuple(levels.origins.items()),
        notes=notes,
        flaw=around.flaw,
    )
    return policy, trouble or check_timetable(policy)


def _common(spec: Spec, levels: _Levels, *, now: datetime) -> Policy:
    grace = levels.find("gracePeriod", spec.grace, "grace-period", _duration)
    threshold = levels.find(
        "failureThreshold", spec.failure_threshold, "failure-threshold", _threshold
    )
    until = spec.suspend_until
    return Policy(
        source=spec.source,
        grace=BUILT_IN_GRACE if grace is None else grace,
        max_runtime=levels.find(
            "maxRuntime", spec.max_runtime, "max-runtime", _positive
        ),
        failure_threshold=threshold or 1,
        recovery_threshold=spec.recovery_threshold or 1,
        suspended=spec.suspend or (until is not None and now < until),
        resume_at=until if until is not None and now < until else None,
        history_limit=10 if spec.history_limit is None else spec.history_limit,
        severity=levels.find("severity", spec.severity, "severity", _text(63)),
        owner=levels.find("owner", spec.owner, "owner", _text(128)),
        description=levels.find(
            "description", spec.description, "description", _text(1024)
        ),
        runbook_url=levels.find(
            "runbookURL", spec.runbook_url, "runbook-url", _text(2048)
        ),
    )


def _of_cron_job(
    policy: Policy, spec: Spec, around: Surroundings
) -> tuple[Policy, Trouble | None]:
    facts = around.cron_job
    if facts is None:
        return _without_cron_job(policy, spec, around.last_known)
    zone = facts.time_zone or around.defaults.cluster_time_zone
    where = "CronJob" if facts.time_zone else "--cluster-time-zone"
    known = replace(
        policy,
        schedule=facts.schedule,
        time_zone=zone,
        active_deadline=facts.active_deadline,
        suspended=policy.suspended or facts.suspend,
        skips_while_running=facts.concurrency_policy == "Forbid",
        origins=(("schedule", "CronJob"), ("timeZone", where)),
    )
    return known, None


def _without_cron_job(
    policy: Policy, spec: Spec, last: Judged
) -> tuple[Policy, Trouble]:
    missing = f"There is no CronJob {spec.cron_job_name} in this namespace"
    if last.schedule is None:
        return policy, Trouble(
            Reason.CRON_JOB_NOT_FOUND, f"{missing}; create it, or correct the name."
        )
    kept = replace(
        policy, schedule=last.schedule, time_zone=last.time_zone, orphaned=True
    )
    return kept, Trouble(
        Reason.CRON_JOB_NOT_FOUND, f"{missing} any more; its last schedule stays armed."
    )


def _of_ping(policy: Policy, spec: Spec) -> tuple[Policy, Trouble | None]:
    known = replace(
        policy,
        schedule=spec.schedule,
        time_zone=(spec.time_zone or "UTC") if spec.schedule else None,
        interval=spec.interval,
        first_check_in_within=spec.first_check_in_within,
        skips_while_running=True,
        origins=(("schedule" if spec.schedule else "interval", "spec"),),
    )
    if spec.schedule is None and spec.interval is None:
        problem = spec.problem or "Write spec.schedule or spec.interval."
        return known, Trouble(Reason.INVALID_SPEC, problem)
    return known, None


def check_timetable(policy: Policy) -> Trouble | None:
    """Say what is wrong with a policy's schedule or zone, in words for its author."""
    if policy.schedule is None:
        return None
    zone = policy.time_zone or "UTC"
    try:
        parsed = cron.parse(policy.schedule, zone)
    except cron.UnknownTimeZoneError as error:
        return Trouble(Reason.UNKNOWN_TIME_ZONE, str(error))
    except cron.CronError as error:
        return Trouble(Reason.INVALID_SCHEDULE, str(error))
    if parsed.next_after(_EPOCH) is None:
        return Trouble(
            Reason.INVALID_SCHEDULE,
            f'The schedule "{policy.schedule}" never fires: no such day exists.',
        )
    return None


_EPOCH = datetime.fromisoformat("2024-01-01T00:00:00+00:00")
"""Any instant will do: a schedule that fires at all fires within five years."""


def _duration(text: str) -> timedelta:
    return durations.parse(text)


def _positive(text: str) -> timedelta:
    span = durations.parse(text)
    if span < timedelta(seconds=1):
        raise ValueError(f'"{text}" is too short; write 1s or more')
    return span


def _threshold(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_THRESHOLD):
        raise ValueError(f'"{text}" is not a number from 1 to 100')
    return int(text)


def _text(limit: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > limit:
            raise ValueError(f"is longer than {limit} characters")
        return text

    return read
