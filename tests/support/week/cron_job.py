"""A CronJob as its owners treat it: created, edited, paused, deleted."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from msgspec.structs import replace

from heartbeats.core.model import CronJobFacts, Spec, Uid
from support.ledgers import NAMESPACE, Bench
from support.week.rules import DAY, HOUR, MINUTE, Execution, Rules
from support.week.story import Story, see_monitor
from support.week.timetable import Timetable


@dataclass(frozen=True, kw_only=True)
class Character:
    """What a simulated CronJob is like."""

    schedule: str
    period: timedelta
    zone: str | None = None
    hidden_zone: str | None = None
    """The zone of the controller, when the CronJob names none."""
    policy: str = "Allow"
    starting_deadline: timedelta | None = None
    active_deadline: timedelta | None = None
    tells_last_schedule: bool = False
    slow: float = 0.0
    """How often a run takes about as long as its period, or longer."""
    failing: float = 0.03
    hanging: float = 0.0
    stuck: float = 0.0
    lazy: float = 0.02
    """How often a pod takes about as long as the grace to become ready."""
    vanishing: float = 0.0


class SimulatedCronJob(Story):
    """A CronJob and a monitor that watches it; its controller is to be added."""

    def __init__(
        self,
        name: str,
        character: Character,
        spec: Spec,
        span: tuple[datetime, datetime],
        rng: random.Random,
    ) -> None:
        super().__init__(name, *span)
        self.character, self.spec, self.rng = character, spec, rng
        self.grace = spec.grace or 5 * MINUTE
        self.schedule, self.zone = character.schedule, character.zone
        self.runs: list[Execution] = []
        self.facts: CronJobFacts | None = None
        self.suspended = False
        self.paused_by_spec = False
        self.refused_until = span[0]
        self._uids = count(1)
        self._jobs = count(1)
        self._slots: set[datetime] = set()
        self._next_sync: datetime | None = None
        self._ended_at: datetime | None = None
        self._ready_at: datetime | None = None
        self._table = self._true_table(span[0])

    def sync(self, at: datetime) -> None:
        """Have the controller look at it."""
        raise NotImplementedError

    def plan_sync(self, at: datetime) -> None:
        """Have the controller look at it when it is due next."""
        raise NotImplementedError

    def active(self) -> list[Execution]:
        """Return its Jobs that have not ended."""
        return [
            run
            for run in self.runs[-400:]
            if run.ended_at is None and run.deleted_at is None
        ]

    # What is wanted

    def begin_at(self, at: datetime) -> None:
        """Create the CronJob and its monitor."""
        first = self.rng.random() < 0.5
        if first:
            self._tell_spec(at)
        self._create(at, created_at=at - timedelta(seconds=self.rng.randint(1, 3600)))
        if not first:
            self._tell_spec(at)

    def _rules(self) -> Rules:
        facts, spec, character = self.facts, self.spec, self.character
        return Rules(
            schedule=self.schedule,
            zone=self.zone or "UTC",
            anchor_at=self._anchor_at,
            grace=self.grace,
            max_runtime=spec.max_runtime,
            active_deadline=character.active_deadline if facts else None,
            failure_threshold=spec.failure_threshold or 1,
            recovery_threshold=spec.recovery_threshold or 1,
            forbid=facts is not None and character.policy == "Forbid",
            suspended=self.paused_by_spec or (facts is not None and self.suspended),
            gone=facts is None,
        )

    def _true_table(self, anchor_at: datetime) -> Timetable:
        """Return the slots as the controller has them."""
        zone = self.zone or self.character.hidden_zone or "UTC"
        self._anchor_at = anchor_at
        return Timetable(Rules(schedule=self.schedule, zone=zone, anchor_at=anchor_at))

    def _tell_spec(self, at: datetime) -> None:
        spec, name = self.spec, self.name
        self.tell(at, f"spec {spec}", lambda bench: see_monitor(bench, name, spec))

    def _tell_facts(self, at: datetime, text: str) -> None:
        facts = self.facts
        assert facts is not None
        self.tell(
            at, text, lambda bench: bench.ledger.see_cron_job(facts, now=bench.now)
        )

    def _create(self, at: datetime, *, created_at: datetime) -> None:
        before = list(Timetable(self._plain()).between(at - DAY, created_at))
        last = before[-1] if before and created_at < at else None
        self._table = self._true_table(last or created_at)
        self.facts = CronJobFacts(
            uid=Uid(f"cj-{self.name}-{next(self._uids)}"),
            name=self.name,
            namespace=NAMESPACE,
            schedule=self.schedule,
            generation=1,
            time_zone=self.zone,
            suspend=self.suspended,
            concurrency_policy=self.character.policy,
            active_deadline=self.character.active_deadline,
            created_at=created_at,
            last_schedule_at=last or (self._table_last(created_at, at)),
        )
        self._tell_facts(at, f"CronJob {self.facts.uid} created")
        self.rule(at, self._rules())
        self.plan_sync(at)

    def _plain(self) -> Rules:
        zone = self.zone or self.character.hidden_zone or "UTC"
        return Rules(schedule=self.schedule, zone=zone)

    def _table_last(self, created_at: datetime, at: datetime) -> datetime | None:
        """Return the slot that was started last before the monitor came."""
        slots = list(self._table.between(created_at, at))
        return slots[-1] if slots else None

    def edit(self, at: datetime, schedule: str, zone: str | None) -> None:
        """Change the schedule of the CronJob."""
        if self.facts is None or (schedule, zone) == (self.schedule, self.zone):
            return
        self.schedule, self.zone = schedule, zone
        facts = self.facts
        self._table = self._true_table(facts.last_schedule_at or facts.created_at or at)
        self.facts = replace(
            facts, schedule=schedule, time_zone=zone, generation=facts.generation + 1
        )
        self._tell_facts(at, f"CronJob edited: {schedule} {zone}")
        self.rule(at, self._rules())
        self._next_sync = None
        self.sync(at)

    def suspend(self, at: datetime, wanted: bool) -> None:
        """Suspend the CronJob or let it go on."""
        if self.facts is None or wanted == self.suspended:
            return
        self.suspended = wanted
        self.facts = replace(
            self.facts, suspend=wanted, generation=self.facts.generation + 1
        )
        self._tell_facts(at, f"CronJob suspend={wanted}")
        self.rule(at, self._rules())
        self._next_sync = None
        self.sync(at)

    def pause(self, at: datetime, until: datetime | None, wanted: bool) -> None:
        """Suspend the monitor, perhaps until an instant, or let it go on."""
        if wanted == self.paused_by_spec:
            return
        self.spec = replace(
            self.spec,
            suspend=wanted and until is None,
            suspend_until=until if wanted else None,
        )
        self.paused_by_spec = wanted
        self._tell_spec(at)
        self.rule(at, self._rules())
        if until is not None:
            self.plan(until, self._resume_by_itself)

    def _resume_by_itself(self, at: datetime) -> None:
        if self.paused_by_spec:
            self.paused_by_spec = False
            self.rule(at, self._rules())

    def delete(self, at: datetime) -> None:
        """Delete the CronJob; its Jobs go with it."""
        facts = self.facts
        if facts is None:
            return
        self.facts = None
        for run in self.active():
            run.deleted_at = at

        def deliver(bench: Bench) -> None:
            bench.runs.forget(facts)
            bench.ledger.lose_cron_job(facts, now=bench.now)

        self.tell(at, "CronJob deleted", deliver)
        self.rule(at, self._rules())

    @property
    def may_be_recreated(self) -> bool:
        """Tell whether its slots stay the same when it is created again."""
        hidden = self.character.hidden_zone is not None
        return not hidden and not self.schedule.startswith("@every")

    def refuse(self, at: datetime, until: datetime) -> None:
        """Have a quota refuse every Job for some hours."""
        self.refused_until = min(until, at + 5 * HOUR)

    def recreate(self, at: datetime) -> None:
        """Create the CronJob again under its name."""
        if self.facts is None:
            self.suspended = False
            self._create(at, created_at=at)
