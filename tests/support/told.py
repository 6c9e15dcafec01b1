"""A monitor told fact by fact, for tests of the state machine."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from heartbeats.core.model import (
    CheckIn,
    Health,
    Kind,
    Policy,
    Reason,
    Source,
    State,
    Trouble,
    Uid,
)
from heartbeats.core.schedule import next_deadline
from heartbeats.core.silence import Hindrances
from heartbeats.core.transitions import Subject, apply, arm, expire
from heartbeats.core.verdict import verdict

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
UID = Uid("monitor-uid")

HOURLY = Policy(source=Source.CRON_JOB, schedule="0 * * * *", time_zone="UTC")
PINGED = Policy(source=Source.PING, interval=HOUR, skips_while_running=True)
NIGHTLY_PING = Policy(
    source=Source.PING, schedule="0 2 * * *", time_zone="UTC", skips_while_running=True
)


class Story:
    """A monitor told fact by fact; every expectation is read off its state."""

    def __init__(self, policy: Policy, *, at: datetime = NINE - 30 * MINUTE) -> None:
        self.subject = Subject.of(UID, policy, None)
        self.now = at
        self.revision = 0
        self.state = arm(State(), self.subject, None, now=at)

    def at(self, at: datetime) -> "Story":
        self.now = at
        return self

    def rules(self, policy: Policy, trouble: Trouble | None = None) -> "Story":
        self.subject = Subject.of(UID, policy, trouble)
        self.state = arm(self.state, self.subject, trouble, now=self.now)
        return self

    def job(self, kind: Kind, slot: datetime | None, **more: object) -> "Story":
        run_id = str(more.pop("run", f"job-{slot}"))
        fields: dict[str, object] = {
            "id": f"{run_id}-{kind}",
            "kind": kind,
            "at": self.now,
            "run_id": run_id,
            "slot_at": slot,
            "started_at": slot or self.now,
            "scheduled": slot is not None,
        }
        check_in = CheckIn(**{**fields, **more})  # type: ignore[arg-type]
        self.state = apply(self.state, self.subject, check_in).state
        return self

    def ping(self, kind: Kind = Kind.SUCCESS, **more: object) -> "Story":
        self.revision += 1
        fields: dict[str, object] = {
            "id": f"ping-{self.revision}",
            "kind": kind,
            "at": self.now,
            "revision": self.revision,
            "source": "curl",
        }
        check_in = CheckIn(**{**fields, **more})  # type: ignore[arg-type]
        self.state = apply(self.state, self.subject, check_in).state
        return self

    def silence(self, until: datetime, **stuck: str) -> "Story":
        self.now = until
        whys = Hindrances({NINE: stuck["stuck"]} if stuck else {})
        self.state = expire(self.state, self.subject, whys, now=until).state
        return self

    @property
    def word(self) -> Health:
        return verdict(self.state, self.subject.policy, now=self.now).health

    @property
    def reason(self) -> Reason:
        return verdict(self.state, self.subject.policy, now=self.now).reason

    @property
    def deadline(self) -> datetime | None:
        found = next_deadline(self.state, self.subject.policy, self.subject.table)
        return found.at if found else None

    @property
    def flips(self) -> list[tuple[Health, Health]]:
        return [(flip.before, flip.after) for flip in self.state.pending_flips]


FORBID = replace(HOURLY, skips_while_running=True)
