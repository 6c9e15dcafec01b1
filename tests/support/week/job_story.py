"""The controller of a CronJob, and its Jobs.

It behaves as the real one does: of several missed slots only the newest is started,
Forbid skips, Replace deletes, a starting deadline gives up, a resumed CronJob starts
its last slot at once.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from heartbeats.core.model import CheckIn, CronJobFacts, Kind, Uid
from support.ledgers import Bench
from support.week.cron_job import SimulatedCronJob
from support.week.job_oracle import CronJobOracle
from support.week.rules import DAY, HOUR, MINUTE, SECOND, Execution
from support.week.story import MAX_UNFINISHED, Monitor, seconds


class CronJobStory(SimulatedCronJob):
    """A CronJob, its controller, its Jobs and a monitor that watches it."""

    def monitor(self) -> Monitor:
        """Play it to its end."""
        self.happen()
        oracle = CronJobOracle(self.eras, self.runs, end=self.end)
        return Monitor(self.name, oracle, sorted(self.deliveries))

    # The controller

    def plan_sync(self, at: datetime) -> None:
        """Wake the controller at the next slot."""
        following = self._table.next_after(at)
        if following is None or self._next_sync == following:
            return
        self._next_sync = following
        self.plan(following + SECOND * self.rng.randint(0, 1), self.sync)

    def sync(self, at: datetime) -> None:
        """Do what the controller does whenever something changed or is due."""
        facts = self.facts
        if facts is None:
            return
        self.plan_sync(at)
        if self.suspended:
            return
        slot = self._most_recent(at, facts)
        if slot is None or slot in self._slots:
            return
        active = [run for run in self.active() if run.slot is not None]
        if active and self.character.policy == "Forbid":
            return
        if active and self.character.policy == "Replace":
            for run in active:
                self._vanish(run, at)
        if at < self.refused_until:
            self.plan(at + SECOND * self.rng.randint(5, 60), self.sync)
            return
        self._start(slot, at)

    def _most_recent(self, at: datetime, facts: CronJobFacts) -> datetime | None:
        earliest = facts.last_schedule_at or facts.created_at
        assert earliest is not None
        limit = self.character.starting_deadline
        if limit is not None:
            earliest = max(earliest, at - limit - SECOND)
        slots = list(self._table.between(earliest, at))
        if not slots or (limit is not None and slots[-1] + limit < at):
            return None
        return slots[-1]

    def _start(self, slot: datetime, at: datetime) -> None:
        assert self.facts is not None
        run = self._job(slot, at)
        self._slots.add(slot)
        self.facts = replace(self.facts, last_schedule_at=slot)
        uid = self.facts.uid
        self.tell(
            at,
            f"Job {run.uid} of {slot} created",
            lambda bench: _wait(bench, uid, slot),
        )
        if self.character.tells_last_schedule:
            self._tell_facts(at, f"lastScheduleTime {slot}")
        self._live(run, at)

    def _job(self, slot: datetime | None, at: datetime) -> Execution:
        run = Execution(
            uid=f"{self.name}-job-{next(self._jobs)}", slot=slot, started_at=at
        )
        self.runs.append(run)
        return run

    def run_by_hand(self, at: datetime) -> None:
        """Create a Job by hand."""
        if self.facts is not None:
            run = self._job(None, at)
            self._get_ready_later(run, at + 3 * SECOND)

    def _live(self, run: Execution, at: datetime) -> None:
        """Draw what becomes of a Job."""
        character, rng = self.character, self.rng
        if rng.random() < character.stuck and not self._is_crowded():
            self._give_up_later(run, at)
            return
        wait = SECOND * rng.randint(1, 9)
        if rng.random() < character.lazy:
            wait = seconds(self.grace * rng.uniform(0.5, 1.5))
        self._get_ready_later(run, at + wait)

    def _get_ready_later(self, run: Execution, at: datetime) -> None:
        length = self._length()
        if length is not None and length < 20 * SECOND and self.rng.random() < 0.5:
            self.plan(at + length, lambda now: self._end(run, now))
            return  # too short for anybody to see it ready
        self.plan(at, lambda now: self._get_ready(run, now, length))

    def _get_ready(
        self, run: Execution, at: datetime, length: timedelta | None
    ) -> None:
        if not self._exists(run):
            return
        limit = self.character.active_deadline
        if limit is not None and at >= run.started_at + limit:
            self._end(run, at, failed=True)
            return
        if at == self._ended_at or self._is_tie(run, at):
            self.plan(at + SECOND, lambda now: self._get_ready(run, now, length))
            return
        run.ready_at = self._ready_at = at
        self._report(run, Kind.START, run.started_at, at)
        if length is None:
            self._give_up_later(run, at)
        else:
            self.plan(at + length, lambda now: self._end(run, now))
            if self.rng.random() < self.character.vanishing:
                half = seconds(length / 2)
                self.plan(at + half, lambda now: self._delete_job(run, now))

    def _length(self) -> timedelta | None:
        """Draw how long a run takes; None: it hangs."""
        character, rng = self.character, self.rng
        dice = 1.0 if self._is_crowded() else rng.random()
        if dice < character.hanging:
            return None
        if dice >= character.hanging + character.slow:
            return seconds(min(character.period, DAY) * rng.uniform(0.002, 0.2))
        length = seconds(character.period * rng.uniform(0.7, 2.5))
        limit = character.active_deadline
        return None if limit is not None and length > limit - MINUTE else length

    def _is_crowded(self) -> bool:
        """Tell whether more open runs would be more than a status remembers."""
        return len(self.active()) > MAX_UNFINISHED

    def _give_up_later(self, run: Execution, at: datetime) -> None:
        """Have a run that hangs end some time by force."""
        limit = self.character.active_deadline
        if limit is not None:
            ends_at = run.started_at + limit + SECOND * self.rng.randint(0, 2)
            self.plan(max(ends_at, at), lambda now: self._end(run, now, failed=True))
        else:
            pause = seconds(self.character.period * self.rng.uniform(1, 8))
            self.plan(at + pause + HOUR, lambda now: self._delete_job(run, now))

    def _end(self, run: Execution, at: datetime, *, failed: bool = False) -> None:
        if not self._exists(run):
            return
        if at in {self._ended_at, self._ready_at} or self._is_tie(run, at):
            self.plan(at + SECOND, lambda now: self._end(run, now, failed=failed))
            return
        run.ended_at = self._ended_at = at
        run.succeeded = not failed and self.rng.random() >= self.character.failing
        self._report(run, Kind.SUCCESS if run.succeeded else Kind.FAILURE, at, at)
        self.sync(at)

    def _is_tie(self, run: Execution, at: datetime) -> bool:
        """Tell whether a run appears just when its window is judged.

        Nobody can say which came first: it would be a matter of luck.
        """
        if run.slot is None or run.appeared_at is not None:
            return False
        judged = at - self.grace - SECOND
        if self.character.policy == "Forbid":
            return self._table.has(judged)
        return run.slot == judged

    def _delete_job(self, run: Execution, at: datetime) -> None:
        if self._exists(run):
            self._vanish(run, at)
            self.sync(at)

    def _vanish(self, run: Execution, at: datetime) -> None:
        run.deleted_at = at
        self._report(run, Kind.VANISHED, at, at)

    def _exists(self, run: Execution) -> bool:
        return run.ended_at is None and run.deleted_at is None

    def _report(
        self, run: Execution, kind: Kind, happened_at: datetime, at: datetime
    ) -> None:
        if self.facts is None:
            return
        check_in, uid = report_of(run, kind, happened_at), self.facts.uid

        def deliver(bench: Bench) -> None:
            if kind is not Kind.VANISHED and run.slot is not None:
                bench.runs.pending.get(uid, {}).pop(run.slot, None)
            bench.ledger.check_in_run(uid, check_in, now=bench.now)

        self.tell(at, f"{kind} of {run.uid} for {run.slot}", deliver)


def report_of(run: Execution, kind: Kind, at: datetime) -> CheckIn:
    """Write a Job's report as the reflector of Jobs does."""
    started = kind is not Kind.VANISHED
    what = "end" if kind.is_outcome else kind.value
    return CheckIn(
        id=f"{run.uid}-{what}",
        kind=kind,
        at=at,
        run_id=run.uid,
        slot_at=run.slot,
        started_at=run.started_at if started else None,
        duration=at - run.started_at if kind.is_outcome else None,
        source=f"Job {run.uid}",
        scheduled=run.slot is not None,
    )


def _wait(bench: Bench, cron_job: Uid, slot: datetime) -> None:
    bench.runs.pending.setdefault(cron_job, {})[slot] = "Its pod is not ready."
