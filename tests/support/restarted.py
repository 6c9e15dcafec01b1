"""A random history, and two operators that hear of it: one of them is restarted.

One watches all along; the other is killed, stays away, and loses what it could not
store. In a careful history nothing happens unseen that no later list would show.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from heartbeats.core.cron import parse
from heartbeats.core.model import CheckIn, CronJobFacts, Kind, Spec
from heartbeats.core.presence import Presence
from heartbeats.edges.kube.jobs import slot_of
from heartbeats.edges.kube.objects import Job
from heartbeats.edges.kube.store import Change
from support.builders import HOUR, MINUTE, SECOND
from support.histories import Cluster, Json, Operator

SCHEDULES = ("0 * * * *", "*/20 * * * *", "30 */2 * * *")
ZONES = (None, "Asia/Kathmandu", "Europe/Berlin")


class Play:
    """A history: each step happens in the cluster, then the operators hear of it."""

    def __init__(self, cluster: Cluster, *, is_careful: bool = True) -> None:
        self.cluster = cluster
        self.constant = Operator(cluster, {})
        self.restarted: Operator | None = Operator(cluster, {})
        self.told: set[str] = set()
        self.stored: tuple[Json, Json] = ({}, {})
        self.stored_at = cluster.now
        self.unstored: list[tuple[datetime, datetime]] = []
        self.is_stalled = False
        self.is_careful = is_careful
        self.has_removed = False
        self._jobs = 0
        self.settle()

    def play(self, steps: Iterable[tuple[str, int, int]]) -> None:
        """Let some seconds pass before each step, and everybody hear of it."""
        for name, seconds, number in steps:
            self.wait(seconds)
            act: Callable[[int], None] = getattr(self, name)
            act(number)
            self.settle()

    def wait(self, seconds: int) -> None:
        self.cluster.now += seconds * SECOND
        for operator in self.operators:
            operator.turn()
        self.settle()

    @property
    def operators(self) -> list[Operator]:
        return [each for each in (self.constant, self.restarted) if each is not None]

    def settle(self) -> None:
        """Let everything that was learned be stored, if it can be."""
        self.constant.store()
        if self.restarted is not None and not self.is_stalled:
            self.stored = self.restarted.store()
            self.told.update(self.restarted.told)
            self.stored_at = self.cluster.now

    def stall(self, _number: int) -> None:
        """Have no write succeed from now on."""
        self.get_ready_all()
        self.settle()
        self.is_stalled = True

    def kill(self, number: int) -> None:
        """End the restarted operator; its last write may not have cleared the flips."""
        self.get_ready_all()
        self.settle()
        self.restarted = None
        self.stored = (self.stored[number % 2], self.stored[number % 2])
        self.is_stalled = False

    def revive(self, _number: int = 0) -> None:
        """Have an operator that stores what it knows."""
        if self.is_unwatched:
            self.unstored.append((self.stored_at, self.cluster.now))
        self.is_stalled = self.has_removed = False
        if self.restarted is None:
            self.restarted = Operator(self.cluster, self.stored[0])
        self.settle()

    def hear(self, job: Job, kind: Change = Change.MODIFIED) -> None:
        for operator in self.operators:
            operator.see_job(job, kind)

    def update(self, **changes: Any) -> None:
        """Change what the CronJob says."""
        assert self.cluster.cron_job is not None
        self.cluster.cron_job = replace(self.cluster.cron_job, **changes)
        for operator in self.operators:
            operator.see_cron_job()

    def create(self, number: int) -> None:
        """Have the controller start the newest slot."""
        if self.has_removed:
            self.revive()  # a newer Job would hide that there was one before it
        facts = self.cluster.cron_job
        assert facts is not None
        forbids = facts.concurrency_policy == "Forbid" and self.cluster.unfinished()
        slot_at = None if facts.suspend or forbids else self._newest_slot(facts)
        if slot_at is None:
            return
        if self.is_careful and self._passes_by(facts, slot_at):
            self.revive()  # behind a newer Job it could not be known what was missed
        self._jobs += 1
        self.hear(self.cluster.put_job(f"job-{self._jobs}", slot_at), Change.ADDED)
        self.update(last_schedule_at=slot_at)
        if number % 3 or self.is_unwatched:
            self.get_ready(-1)

    def _passes_by(self, facts: CronJobFacts, slot_at: datetime) -> bool:
        """Tell whether there are slots before this one that have no Job."""
        assert facts.last_schedule_at is not None
        table = parse(facts.schedule, facts.time_zone or "UTC")
        return table.next_after(facts.last_schedule_at) != slot_at

    def _newest_slot(self, facts: CronJobFacts) -> datetime | None:
        """Return the newest slot up to now that has no Job yet."""
        assert facts.last_schedule_at is not None
        table = parse(facts.schedule, facts.time_zone or "UTC")
        slot_at, due_at = None, table.next_after(facts.last_schedule_at)
        while due_at is not None and due_at <= self.cluster.now:
            slot_at, due_at = due_at, table.next_after(due_at)
        return slot_at

    @property
    def is_unwatched(self) -> bool:
        return self.restarted is None or self.is_stalled

    def get_ready(self, number: int) -> None:
        pending = self.cluster.pending()
        if pending:
            uid = pending[number % len(pending)]
            slot_at = slot_of(self.cluster.jobs[uid])
            self.hear(self.cluster.put_job(uid, slot_at, ready=1))

    def get_ready_all(self) -> None:
        """Leave no Job pending: when its pod gets ready would not be known."""
        while self.cluster.pending():
            self.get_ready(0)

    def run_by_hand(self, _number: int) -> None:
        if self.cluster.cron_job is not None:
            self._jobs += 1
            self.hear(self.cluster.put_job(f"job-{self._jobs}", None, ready=1))

    def succeed(self, number: int) -> None:
        self.end(number, failed=False)

    def fail(self, number: int) -> None:
        self.end(number, failed=True)

    def end(self, number: int, *, failed: bool) -> None:
        """End a run; a CronJob remembers its newest success."""
        unfinished = self.cluster.unfinished()
        if unfinished:
            uid = unfinished[number % len(unfinished)]
            slot_at = slot_of(self.cluster.jobs[uid])
            self.hear(self.cluster.end_job(uid, slot_at, failed=failed))
            if not failed:
                self.update(last_success_at=self.cluster.now)

    def remove(self, number: int) -> None:
        """Delete a Job that is over, or one that runs, after all have heard of it."""
        if self.is_careful:
            self.revive()
        self.get_ready_all()
        self.has_removed = self.is_unwatched
        if self.cluster.jobs:
            uid = sorted(self.cluster.jobs)[number % len(self.cluster.jobs)]
            self.hear(self.cluster.jobs.pop(uid), Change.DELETED)

    def edit(self, number: int) -> None:
        """Edit the monitor while everybody is watching."""
        if self.constant.entry.state.unseen_slot_at is not None:
            return  # who watched forgets the break with the window that it touched
        self.revive()
        self.cluster.spec = self._edited(self.cluster.spec, number)
        self.cluster.version += 1
        for operator in self.operators:
            operator.see_monitor()

    def edit_cron_job(self, number: int) -> None:
        """Edit the CronJob; who does not watch cannot know when."""
        if self.is_careful:
            self.revive()
        facts = self.cluster.cron_job
        assert facts is not None
        change: dict[str, Any] = (
            {"schedule": SCHEDULES[number // 3 % 3]},
            {"time_zone": ZONES[number // 3 % 3]},
            {"suspend": not facts.suspend},
        )[number % 3]
        self.update(generation=facts.generation + 1, **change)

    def _edited(self, spec: Spec, number: int) -> Spec:
        match number % 4:
            case 0:
                return replace(spec, suspend=not spec.suspend)
            case 1:
                return replace(spec, failure_threshold=1 + number // 4 % 3)
            case 2 if spec.interval is not None:
                return replace(spec, interval=(1 + number // 4 % 3) * HOUR)
            case _:
                return replace(spec, grace=(1 + number // 4 % 3) * 5 * MINUTE)

    def recover(self) -> None:
        """Have some scheduled runs succeed while everybody is watching."""
        self.revive()
        self.is_careful = True
        facts = self.cluster.cron_job
        assert facts is not None
        self.update(generation=facts.generation + 1, suspend=False)
        while self.cluster.unfinished():
            self.succeed(0)
        for _ in range(3):
            table, now = (
                parse(facts.schedule, facts.time_zone or "UTC"),
                self.cluster.now,
            )
            slot_at = table.next_after(now) or now
            self.wait((slot_at - now) // SECOND)
            self.play([("create", 1, 1), ("succeed", 10, 0)])

    def ping(self, number: int) -> None:
        """Have a client report something, with and without a run id."""
        revision = len(self.cluster.journal) + 1
        check_in = CheckIn(
            id=f"ping-{revision}",
            kind=(Kind.SUCCESS, Kind.START, Kind.FAILURE, Kind.LOG)[number % 4],
            at=self.cluster.now,
            run_id=(None, "a", "b")[number // 4 % 3],
            source=("curl", "wget")[number // 12 % 2],
            revision=revision,
        )
        self.cluster.journal.append(check_in)
        for operator in self.operators:
            operator.see_ping(check_in)

    def refuse(self, number: int) -> None:
        """Have nobody hear pings for a while, and somebody after it.

        Not in a pause: the window after it would be touched for the restarted only.
        """
        cluster = self.cluster
        if cluster.spec.suspend:
            return
        span = (20, 200, 2000, 9000)[number % 4]
        wakes_at = self.constant.ledger.wakes.next_at() or cluster.now
        if wakes_at <= cluster.now + span * SECOND:
            self.revive()  # a window is judged by what is known of the break so far
        cluster.unheard()
        cluster.is_refusing = True
        self.wait(span)
        cluster.is_refusing = False
        cluster.presences.append(Presence(cluster.now, cluster.now))
        for operator in self.operators:
            operator.check()
