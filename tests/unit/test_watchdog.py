"""The watchdog: one sleep, evidence before judgement, never a blind alarm."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from heartbeats import watchdog
from heartbeats.core.model import Health
from heartbeats.ledger import Entry
from heartbeats.watchdog import EvidenceError, Watchdog
from support.ledgers import Bench

NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
DEADLINE = datetime(2026, 11, 20, 13, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class LoopClock:
    """Tells the time of the event loop, which looptime turns."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self.lost = timedelta()
        """How long the loop was held."""

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic()) + self.lost

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Witness:
    """Evidence that can be withheld."""

    def __init__(self) -> None:
        self.missing = ""
        self.asked: list[int] = []
        self.readable = asyncio.Event()
        self.readable.set()
        self.given_up = False
        self.takes = 0.0
        self.asked_at: list[float] = []
        self.prepared_at: list[float] = []
        self.flaw: Exception | None = None

    def prepare(self, entries: Sequence[Entry]) -> None:
        assert entries
        self.prepared_at.append(asyncio.get_running_loop().time())

    async def complete(self, entries: Sequence[Entry]) -> None:
        self.asked.append(len(entries))
        self.asked_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes)
        if self.missing:
            raise EvidenceError(self.missing)

    async def explain(self, entries: Sequence[Entry]) -> None:
        self.explained = len(entries)
        if self.flaw is not None:
            raise self.flaw
        try:
            await self.readable.wait()
        except asyncio.CancelledError:
            self.given_up = True
            raise


class Tally:
    """Counts what the watchdog tells."""

    def __init__(self) -> None:
        self.blind_for = 0.0
        self.evaluations: list[datetime] = []

    def evaluated(self, at: datetime) -> None:
        self.evaluations.append(at)

    def blind(self, seconds: float) -> None:
        self.blind_for += seconds


class Kennel:
    """A watchdog with one monitor that will be missed."""

    def __init__(self) -> None:
        self.clock = LoopClock(NOON)
        self.bench = Bench(NOON)
        self.bench.cron_job()
        self.entry = self.bench.watching()
        self.witness = Witness()
        self.tally = Tally()
        self.dog = Watchdog(self.bench.ledger, self.witness, self.clock, self.tally)

    async def run_until(self, at: datetime) -> None:
        task = asyncio.create_task(self.dog.run())
        await asyncio.sleep((at - self.clock.now()).total_seconds())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    @property
    def health(self) -> Health:
        return self.entry.state.health


@pytest.mark.looptime
async def test_a_deadline_is_judged_one_second_after_it_has_passed() -> None:
    kennel = Kennel()
    await kennel.run_until(DEADLINE + SECOND / 2)
    assert kennel.health is Health.NEW
    await kennel.run_until(DEADLINE + 2 * SECOND)
    assert kennel.health is Health.DOWN
    assert kennel.entry.state.changed_at == DEADLINE


@pytest.mark.looptime
async def test_what_takes_long_to_prove_is_judged_in_time_all_the_same() -> None:
    """It is read when the deadline has passed, and not only when it is judged."""
    kennel = Kennel()
    kennel.witness.takes = 0.7
    await kennel.run_until(DEADLINE + 1.1 * SECOND)
    assert kennel.health is Health.DOWN
    [asked_at] = kennel.witness.asked_at
    assert NOON + asked_at * SECOND > DEADLINE


@pytest.mark.looptime
async def test_evidence_is_prepared_a_moment_before_the_deadline() -> None:
    kennel = Kennel()
    await kennel.run_until(DEADLINE + 30 * SECOND)
    [prepared_at] = kennel.witness.prepared_at
    [asked_at] = kennel.witness.asked_at
    assert prepared_at < (DEADLINE - NOON).total_seconds() < asked_at
    # A stream says a second after it was asked how far it is, and later than this.
    assert asked_at < prepared_at + 1.0


@pytest.mark.looptime
async def test_it_is_prepared_too_where_a_run_is_late_and_overdue_at_once() -> None:
    kennel = Kennel()
    kennel.bench.ledger.lose_monitor(kennel.entry.uid)
    hasty = kennel.bench.watching(grace=10 * SECOND)
    overdue = hasty.state.next_expected_at
    assert overdue is not None
    await kennel.run_until(overdue + 12 * SECOND)
    assert hasty.state.health is Health.DOWN
    [prepared_at] = kennel.witness.prepared_at
    assert NOON + prepared_at * SECOND < overdue + 10 * SECOND


@pytest.mark.looptime
async def test_verdicts_are_worked_out_while_there_is_time_and_not_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The evidence is read in time all the same."""
    monkeypatch.setattr(watchdog, "FORETOLD_AT_ONCE", 1)
    kennel, told = Kennel(), 0
    for number in range(9):
        kennel.bench.pinged(f"job-{number}", first_check_in_within=DEADLINE - NOON)

    def foretell(entries: Sequence[Entry]) -> Iterator[Entry]:
        nonlocal told
        for entry in entries:
            kennel.clock.lost += SECOND / 4
            told += 1
            yield entry

    monkeypatch.setattr(kennel.bench.ledger, "foretell", foretell)
    await kennel.run_until(DEADLINE + 2 * SECOND)
    assert told == 4
    assert kennel.health is Health.DOWN


@pytest.mark.looptime
async def test_nothing_is_prepared_for_what_is_only_late() -> None:
    kennel = Kennel()
    pinged = kennel.bench.pinged(interval=timedelta(minutes=1), grace=30 * SECOND)
    kennel.bench.ping(pinged.uid)
    await kennel.run_until(NOON + 80 * SECOND)
    assert kennel.witness.prepared_at == []


@pytest.mark.looptime
async def test_what_was_heard_while_the_evidence_was_read_counts() -> None:
    kennel = Kennel()
    pinged = kennel.bench.pinged(interval=timedelta(minutes=1), grace=SECOND)
    kennel.bench.ping(pinged.uid)
    kennel.witness.takes = 0.7
    await kennel.run_until(NOON + 61.5 * SECOND)
    assert kennel.witness.asked == [1]
    kennel.bench.now = NOON + 61 * SECOND
    kennel.bench.ping(pinged.uid)
    await kennel.run_until(NOON + 100 * SECOND)
    assert pinged.state.health is Health.UP
    assert kennel.witness.asked == [1]


@pytest.mark.looptime
async def test_evidence_of_one_deadline_is_none_of_the_next() -> None:
    kennel = Kennel()
    pinged = kennel.bench.pinged(interval=timedelta(seconds=10), grace=timedelta())
    kennel.bench.ping(pinged.uid)
    await kennel.run_until(NOON + 10.5 * SECOND)
    assert kennel.witness.asked == [1]
    kennel.bench.now = NOON + 10 * SECOND
    kennel.bench.ping(pinged.uid)
    kennel.witness.missing = "the API server does not answer"
    await kennel.run_until(NOON + 30 * SECOND)
    assert pinged.state.health is Health.UP
    assert len(kennel.witness.asked) > 2


@pytest.mark.looptime
async def test_evidence_that_is_missing_ahead_is_asked_for_again_in_time() -> None:
    kennel = Kennel()
    kennel.witness.missing = "the API server does not answer"
    await kennel.run_until(DEADLINE + 0.5 * SECOND)
    kennel.witness.missing = ""
    await kennel.run_until(DEADLINE + 1.1 * SECOND)
    assert kennel.health is Health.DOWN
    assert kennel.tally.blind_for == 0


@pytest.mark.looptime
async def test_without_evidence_nothing_is_down_and_the_time_is_counted() -> None:
    kennel = Kennel()
    kennel.witness.missing = "the API server does not answer"
    await kennel.run_until(DEADLINE + 60 * SECOND)
    assert kennel.health is Health.NEW
    assert kennel.tally.blind_for == pytest.approx(57, abs=3)
    assert kennel.tally.evaluations[-1] <= DEADLINE + SECOND


@pytest.mark.looptime
async def test_evidence_that_comes_back_is_used_within_seconds() -> None:
    kennel = Kennel()
    kennel.witness.missing = "the API server does not answer"
    await kennel.run_until(DEADLINE + 60 * SECOND)
    kennel.witness.missing = ""
    await kennel.run_until(DEADLINE + 64 * SECOND)
    assert kennel.health is Health.DOWN
    assert kennel.entry.state.changed_at == DEADLINE


@pytest.mark.looptime
async def test_evidence_is_asked_for_once_a_batch() -> None:
    kennel = Kennel()
    for number in range(50):
        kennel.bench.cron_job(f"job-{number}")
        kennel.bench.watching(f"job-{number}")
    await kennel.run_until(DEADLINE + 2 * SECOND)
    assert kennel.witness.asked == [51]


@pytest.mark.looptime
async def test_a_deadline_that_comes_nearer_wakes_the_watchdog() -> None:
    kennel = Kennel()
    task = asyncio.create_task(kennel.dog.run())
    await asyncio.sleep(1)
    kennel.bench.now = kennel.clock.now()
    urgent = kennel.bench.pinged(interval=timedelta(seconds=1), grace=timedelta())
    kennel.bench.ping(urgent.uid)
    kennel.dog.wake()
    await asyncio.sleep(3)
    assert urgent.state.health is Health.DOWN
    task.cancel()


@pytest.mark.looptime
async def test_a_wall_clock_that_jumps_forward_is_noticed_within_five_seconds() -> None:
    kennel = Kennel()
    task = asyncio.create_task(kennel.dog.run())
    await asyncio.sleep(1)
    kennel.clock._start += timedelta(hours=1)
    await asyncio.sleep(5)
    assert kennel.health is Health.DOWN
    assert kennel.entry.state.changed_at == DEADLINE
    task.cancel()


@pytest.mark.looptime
async def test_no_verdict_waits_for_its_explanation() -> None:
    kennel = Kennel()
    kennel.witness.readable.clear()
    await kennel.run_until(DEADLINE + 1.5 * SECOND)
    assert kennel.health is Health.DOWN
    assert kennel.witness.given_up


@pytest.mark.looptime
async def test_an_explanation_that_cannot_be_read_stops_no_verdict() -> None:
    kennel = Kennel()
    kennel.witness.flaw = ValueError("a bug")
    await kennel.run_until(DEADLINE + 1.5 * SECOND)
    assert kennel.health is Health.DOWN


@pytest.mark.looptime
async def test_rounds_go_on_when_nothing_is_due() -> None:
    kennel = Kennel()
    await kennel.run_until(NOON + 60 * SECOND)
    assert kennel.witness.asked == []
    assert kennel.tally.evaluations[-1] >= NOON + 55 * SECOND


@pytest.mark.looptime
@pytest.mark.parametrize("end", ["it is deleted", "it reports itself after all"])
async def test_blindness_ends_with_the_last_window_that_could_not_be_judged(
    end: str,
) -> None:
    """Else it would last until the next deadline of anybody, perhaps for a day."""
    kennel = Kennel()
    kennel.bench.ledger.lose_monitor(kennel.entry.uid)
    pinged = kennel.bench.pinged(interval=timedelta(hours=1), grace=timedelta())
    kennel.bench.ping(pinged.uid)
    due = NOON + timedelta(hours=1)
    kennel.witness.missing = "the API server does not answer"
    await kennel.run_until(due + 10 * SECOND)
    kennel.bench.now = kennel.clock.now()
    if end == "it is deleted":
        kennel.bench.ledger.lose_monitor(pinged.uid)
    else:
        kennel.bench.ping(pinged.uid)
    await kennel.run_until(due + 120 * SECOND)
    assert kennel.tally.evaluations[-1] >= due + 110 * SECOND
    assert 0 < kennel.tally.blind_for <= 20
