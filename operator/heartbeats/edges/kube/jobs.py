"""Jobs and CronJobs as the core knows them: reports about runs, facts about slots.

Pure translation from what the API server says; see `jobbook` for what is
remembered. Nothing here may write to a Job or a CronJob, nor read a clock.

A Job's end is the condition Complete or Failed with status True, wherever it
stands in the list: SuccessCriteriaMet and FailureTarget come first and are not an
end, and `status.failed` counts pods that may be retried.
"""

import re
from datetime import UTC, datetime, timedelta
from sys import intern

from msgspec.structs import replace

from heartbeats.core.model import CheckIn, CronJobFacts, Kind, Uid
from heartbeats.edges.kube.objects import (
    Condition,
    CronJob,
    Job,
    OwnerReference,
    parse_time,
)

SLOT_ANNOTATION = "batch.kubernetes.io/cronjob-scheduled-timestamp"
MANUAL_ANNOTATION = "cronjob.kubernetes.io/instantiate"
_SLOT_IN_NAME = re.compile(r"-(\d{8})$")
COPIED_ANNOTATIONS = "heartbeats.dev/"


def facts_of(cron_job: CronJob) -> CronJobFacts:
    """Translate a CronJob."""
    meta, spec, status = cron_job.metadata, cron_job.spec, cron_job.status
    limit = spec.job_template.spec.active_deadline_seconds
    ours = (
        (key, value)
        for key, value in sorted(meta.annotations.items())
        if key.startswith(COPIED_ANNOTATIONS)
    )
    return CronJobFacts(
        uid=Uid(meta.uid),
        name=meta.name,
        namespace=meta.namespace,
        schedule=spec.schedule,
        generation=meta.generation,
        time_zone=spec.time_zone,
        suspend=spec.suspend,
        concurrency_policy=spec.concurrency_policy,
        active_deadline=None if limit is None else _seconds(limit),
        created_at=_utc(meta.creation_timestamp),
        last_schedule_at=_utc(status.last_schedule_time),
        last_success_at=_utc(status.last_successful_time),
        annotations=tuple(ours),
        labels=tuple(sorted(meta.labels.items())),
    )


LONGEST = timedelta(days=3660)


def _seconds(count: int) -> timedelta:
    """Return a span; nobody waits for more than ten years, and sums overflow."""
    return timedelta(seconds=min(count, round(LONGEST.total_seconds())))


def owner_of(job: Job) -> Uid | None:
    """Return the uid of the CronJob that controls a Job."""
    owner = job.metadata.controller("CronJob")
    return None if owner is None else Uid(owner.uid)


def is_manual(job: Job) -> bool:
    """Tell whether a person started this run."""
    return slot_of(job) is None


def slot_of(job: Job) -> datetime | None:
    """Return the slot a Job was created for; None for one started by hand.

    Older clusters write no annotation; there the name ends with the slot in
    minutes since 1970.
    """
    annotations = job.metadata.annotations
    if MANUAL_ANNOTATION in annotations:
        return None
    text = annotations.get(SLOT_ANNOTATION)
    if text is not None:
        try:
            return parse_time(text)
        except ValueError:
            return None
    found = _SLOT_IN_NAME.search(job.metadata.name)
    return datetime.fromtimestamp(int(found[1]) * 60, UTC) if found else None


def end_of(job: Job) -> Condition | None:
    """Return the condition that ended a Job."""
    for condition in job.status.conditions:
        if condition.type in {"Complete", "Failed"} and condition.status == "True":
            return condition
    return None


def has_failed(job: Job) -> bool:
    """Tell whether a Job ended in failure."""
    end = end_of(job)
    return end is not None and end.type == "Failed"


def has_started(job: Job) -> bool:
    """Tell whether a pod of this Job has been running."""
    status = job.status
    return status.ready > 0 or status.succeeded > 0 or status.failed > 0


def report(
    job: Job, *, exit_code: int | None = None, message: str = ""
) -> CheckIn | None:
    """Say what a Job reports: its end, else its start; None while it is pending."""
    end = end_of(job)
    if end is not None:
        return _outcome(job, end, exit_code, message)
    if not has_started(job):
        return None
    started_at = _utc(job.status.start_time) or _created_at(job)
    return CheckIn(
        id=f"{job.metadata.uid}-start",
        kind=Kind.START,
        at=started_at,
        run_id=job.metadata.uid,
        slot_at=slot_of(job),
        started_at=started_at,
        source=f"Job {job.metadata.name}",
        scheduled=not is_manual(job),
    )


def lean(job: Job) -> Job:
    """Return a Job that tells the same in half the room: there are three a CronJob.

    What all Jobs of a kind or of an owner have in common is held once, and what is
    not read here is left out.
    """
    meta = job.metadata
    owner = meta.controller("CronJob")
    kept = {
        intern(name): text
        for name, text in meta.annotations.items()
        if name in {SLOT_ANNOTATION, MANUAL_ANNOTATION}
    }
    end = end_of(job)
    conditions = [_lean_condition(end)] if end else job.status.conditions
    return replace(
        job,
        metadata=replace(
            meta,
            uid=intern(meta.uid),
            namespace=intern(meta.namespace),
            labels=_NO_LABELS,
            annotations=kept,
            owner_references=[_lean_owner(owner)] if owner else [],
        ),
        status=replace(job.status, conditions=conditions),
    )


_NO_LABELS: dict[str, str] = {}


def _lean_owner(owner: OwnerReference) -> OwnerReference:
    # Only the kind and the uid are read; the Jobs of a CronJob share them.
    return OwnerReference(kind="CronJob", uid=intern(owner.uid), controller=True)


def _lean_condition(end: Condition) -> Condition:
    return replace(
        end,
        type=intern(end.type),
        status=intern(end.status),
        reason=intern(end.reason),
        message=intern(end.message),
    )


def vanished(job: Job, *, now: datetime) -> CheckIn:
    """Say that a Job was deleted before it ended."""
    return CheckIn(
        id=f"{job.metadata.uid}-vanished",
        kind=Kind.VANISHED,
        at=now,
        run_id=job.metadata.uid,
        slot_at=slot_of(job),
        source=f"Job {job.metadata.name}",
        scheduled=not is_manual(job),
    )


def _outcome(job: Job, end: Condition, exit_code: int | None, message: str) -> CheckIn:
    succeeded = end.type == "Complete"
    started_at = _utc(job.status.start_time) or _created_at(job)
    # completionTime exists for successes only; a failure ends with its condition.
    ended_at = _utc(job.status.completion_time) if succeeded else None
    at = ended_at or _utc(end.last_transition_time) or started_at
    return CheckIn(
        id=f"{job.metadata.uid}-end",
        kind=Kind.SUCCESS if succeeded else Kind.FAILURE,
        at=at,
        run_id=job.metadata.uid,
        slot_at=slot_of(job),
        started_at=started_at,
        duration=max(at - started_at, timedelta()),
        exit_code=0 if succeeded else exit_code,
        source=f"Job {job.metadata.name}",
        message="" if succeeded else _why(end, message),
        scheduled=not is_manual(job),
    )


def _why(end: Condition, message: str) -> str:
    said = message or end.message
    return f"{end.reason}: {said}" if said else end.reason


def _created_at(job: Job) -> datetime:
    created_at = _utc(job.metadata.creation_timestamp)
    if created_at is None:  # only a hand-made object has none
        raise ValueError(f"Job {job.metadata.name} has no creationTimestamp")
    return created_at


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)
