"""A state machine beside a naive one: two simple monitors, told fact by fact.

The settings are such that plain rules say all there is to say: an hourly CronJob
whose runs take no time, and a ping interval without starts. The models count on
their fingers; they share no code with the product, nor its idea of a deadline.
"""

import json
from datetime import datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine as Machine
from hypothesis.stateful import initialize, invariant, precondition, rule
from msgspec.structs import replace

from heartbeats.core.model import CheckIn, Kind, Policy, Source, State, Uid
from heartbeats.core.schedule import next_deadline
from heartbeats.core.status import from_status, to_status
from heartbeats.core.transitions import JUDGED_AFTER, Subject, apply, arm, expire
from heartbeats.core.verdict import verdict
from support.builders import HOUR, MINUTE, NOW, SECOND

GRACE = 10 * MINUTE
THRESHOLDS = st.integers(1, 3)
OUTCOMES = st.sampled_from([Kind.SUCCESS, Kind.FAILURE])
WAITS = st.sampled_from([1, 14, 50, 300, 590, 1300, 3000, 3600, 9000])


class Watched(Machine):
    """What both monitors have in common: they differ in what is due when."""

    wanted: Policy
    late_after = 0 * SECOND

    @initialize(failing=THRESHOLDS, recovering=THRESHOLDS)
    def begin(self, failing: int, recovering: int) -> None:
        self.now = NOW + 30 * MINUTE
        self.policy = replace(
            self.wanted, failure_threshold=failing, recovery_threshold=recovering
        )
        self.state = arm(State(), self.subject, None, now=self.now)
        self.number = 0
        self.has_missed = False
        # The model: what a person with a pencil would note.
        self.due: datetime | None = self.first_due()
        self.bad = self.good = 0
        self.down: tuple[datetime, str] | None = None
        self.has_reported = False

    def first_due(self) -> datetime | None:
        raise NotImplementedError

    @property
    def subject(self) -> Subject:
        return Subject.of(Uid("monitor"), self.policy, None)

    # Facts

    @rule(seconds=WAITS)
    def time_passes(self, seconds: int) -> None:
        """Let time pass; the watchdog judges, and the model strikes out slots."""
        self.now += seconds * SECOND
        before = self.now - JUDGED_AFTER
        self.state = expire(self.state, self.subject, now=before).state
        while self.is_awaited and self.due is not None and self.due + GRACE <= before:
            self.count_bad(self.due + GRACE, "RunMissed")
            self.due += self.policy.interval or HOUR
            self.has_missed = True

    @rule(failing=THRESHOLDS, recovering=THRESHOLDS)
    def thresholds_are_edited(self, failing: int, recovering: int) -> None:
        """Count to other numbers from the next run on."""
        self.edit(failure_threshold=failing, recovery_threshold=recovering)

    @rule()
    def it_is_paused_or_resumed(self) -> None:
        """Suspend the monitor, or begin to judge anew."""
        self.edit(suspended=not self.policy.suspended)
        self.begin_anew()

    @rule()
    def the_operator_is_restarted(self) -> None:
        """Forget everything but the status."""
        table = self.subject.table
        status = to_status(self.state, self.policy, table, generation=1, now=self.now)
        self.state = from_status(json.loads(json.dumps(status)))
        self.state = arm(self.state, self.subject, None, now=self.now)

    def begin_anew(self) -> None:
        """Hold nothing against the monitor that was due earlier."""
        self.due = None if self.policy.suspended else self.first_due()
        self.has_missed = False

    def edit(self, **changes: Any) -> None:
        self.policy = replace(self.policy, **changes)
        self.state = arm(self.state, self.subject, None, now=self.now)

    def report(self, kind: Kind, **fields: Any) -> None:
        self.number += 1
        check_in = CheckIn(id=f"{self.number}", kind=kind, at=self.now, **fields)
        for _ in range(2):  # the second time it changes nothing
            self.state = apply(self.state, self.subject, check_in).state
        self.has_reported = True

    # The model

    @property
    def is_awaited(self) -> bool:
        return self.down is None and not self.policy.suspended

    def count(self, kind: Kind) -> None:
        if self.policy.suspended:
            return
        if kind is Kind.FAILURE:
            self.count_bad(self.now, "RunFailed")
            return
        self.good, self.bad = self.good + 1, 0
        if self.good >= self.policy.recovery_threshold:
            self.down = None

    def count_bad(self, at: datetime, why: str) -> None:
        self.bad, self.good = self.bad + 1, 0
        if self.down is not None:
            self.down = (self.down[0], why)
        elif self.bad >= self.policy.failure_threshold:
            self.down = (at, why)

    def word(self) -> tuple[str, str]:
        if self.policy.suspended:
            return "Paused", "Paused"
        if self.down is not None:
            return "Down", self.down[1]
        if not self.has_reported:
            return "New", "NeverReported"
        if self.due is not None and self.now >= self.due + self.late_after:
            return "Late", "Late"
        return "Up", "OnSchedule"

    # What must be equal

    @invariant()
    def they_say_the_same_word(self) -> None:
        said = verdict(self.state, self.policy, now=self.now)
        assert (said.health.value, said.reason.value) == self.word()

    @invariant()
    def they_count_the_same(self) -> None:
        counted = (self.state.consecutive_failures, self.state.consecutive_successes)
        assert counted == (self.bad, self.good)

    @invariant()
    def they_are_down_since_the_same_instant(self) -> None:
        incident = self.state.incident
        since = None if self.down is None else self.down[0]
        assert (incident and incident.opened_at) == since

    @invariant()
    def they_expect_the_same(self) -> None:
        """Compare what is due, and until when silence is no bad run."""
        deadline = next_deadline(self.state, self.policy, self.subject.table)
        awaited = self.due if self.is_awaited else None
        assert (deadline and deadline.at) == (awaited and awaited + GRACE)
        if self.is_awaited:
            assert self.state.next_expected_at == self.due


class HourlyCronJob(Watched):
    """Every full hour a Job may come; it ends as it appears."""

    wanted = Policy(source=Source.CRON_JOB, schedule="0 * * * *", grace=GRACE)
    late_after = 15 * SECOND
    ran: datetime | None = None

    def first_due(self) -> datetime:
        return self.full_hour() + HOUR

    @precondition(lambda self: self.is_open())
    @rule(kind=OUTCOMES)
    def a_job_ends(self, kind: Kind) -> None:
        """Have the Job of the newest slot appear and end now."""
        self.ran = slot_at = self.full_hour()
        self.report(kind, run_id=f"job-{slot_at}", slot_at=slot_at, started_at=slot_at)
        self.count(kind)
        if self.due is not None:
            self.due = slot_at + HOUR

    @rule(kind=OUTCOMES)
    def a_run_by_hand_ends(self, kind: Kind) -> None:
        """Have a run end that stands for no slot: it can only do good."""
        was_down = self.down is not None
        self.report(kind, run_id=f"by-hand-{self.number}", scheduled=False)
        if kind is Kind.SUCCESS:
            self.count(kind)
        recovered = was_down and self.is_awaited
        while recovered and self.due and self.due + GRACE <= self.now:
            self.due += HOUR  # the incident stood for it

    def full_hour(self) -> datetime:
        return self.now.replace(minute=0, second=0)

    def is_open(self) -> bool:
        """Tell whether the newest slot may still run and has not."""
        slot_at = self.full_hour()
        return self.ran != slot_at and slot_at < self.now < slot_at + GRACE


class HourlyPing(Watched):
    """A client that pings every hour or so, and starts nothing."""

    wanted = Policy(source=Source.PING, interval=HOUR, grace=GRACE)
    last: tuple[Kind, datetime] | None = None

    def first_due(self) -> datetime | None:
        """Return an interval after the last ping, or from now on if that is over."""
        if self.last is None:
            return None  # who never pinged is not late
        interval = self.policy.interval or HOUR
        due = self.last[1] + interval
        return due if due >= self.now else self.now + interval

    @rule(hours=st.integers(1, 3))
    def the_interval_is_edited(self, hours: int) -> None:
        """Expect pings in another rhythm."""
        if self.policy.interval != hours * HOUR:
            self.edit(interval=hours * HOUR)
            self.begin_anew()

    @rule(kind=OUTCOMES)
    def a_ping_comes(self, kind: Kind) -> None:
        """Count a ping, unless it is an echo or the missing end of a missed run."""
        is_echo = self.last is not None and self.last[0] is kind
        is_echo = is_echo and self.last is not None and self.now - self.last[1] < MINUTE
        is_its = self.has_missed and self.due is not None and self.now < self.due
        self.last = (kind, self.now)
        self.report(kind, revision=self.number + 1, source="curl")
        if kind is Kind.FAILURE and is_its and not is_echo:
            self.down = self.down and (self.down[0], "RunFailed")
        elif not is_echo:
            self.count(kind)
        if not self.policy.suspended:
            self.due = self.now + (self.policy.interval or HOUR)
            self.has_missed = False


STEPS = settings(deadline=None, max_examples=60, stateful_step_count=40)
TestHourlyCronJob = HourlyCronJob.TestCase
TestHourlyPing = HourlyPing.TestCase
TestHourlyCronJob.settings = TestHourlyPing.settings = STEPS
