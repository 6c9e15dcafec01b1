"""States and facts for tests of times in which nobody watched, or could be heard."""

from datetime import datetime

from heartbeats.core.model import (
    CheckIn,
    CronJobFacts,
    Kind,
    Policy,
    Source,
    State,
    Uid,
)
from heartbeats.core.subject import Subject
from heartbeats.core.transitions import arm
from support.told import MINUTE, NINE

UID = Uid("monitor")


def facts(**more: object) -> CronJobFacts:
    fields: dict[str, object] = {
        "uid": Uid("cj"),
        "name": "job",
        "namespace": "shop",
        "schedule": "0 * * * *",
        "generation": 1,
        **more,
    }
    return CronJobFacts(**fields)  # type: ignore[arg-type]


def armed(policy: Policy, at: datetime = NINE - 30 * MINUTE) -> tuple[State, Subject]:
    cron_job = facts() if policy.source is Source.CRON_JOB else None
    subject = Subject.of(UID, policy, None, cron_job)
    return arm(State(), subject, None, now=at), subject


def run_of(slot: datetime, kind: Kind, at: datetime) -> CheckIn:
    return CheckIn(
        id=f"{slot}-{kind}",
        kind=kind,
        at=at,
        run_id=f"run-{slot:%H}",
        slot_at=slot,
        started_at=slot,
    )


def ping(at: datetime, revision: int, kind: Kind = Kind.SUCCESS) -> CheckIn:
    return CheckIn(
        id=f"p{revision}", kind=kind, at=at, revision=revision, source=f"s{revision}"
    )
