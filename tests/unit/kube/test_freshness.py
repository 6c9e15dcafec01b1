"""Whether what is heard is fresh: a sign of every stream, or an answer when asked."""

from datetime import datetime, timedelta

import pytest

from heartbeats.edges.kube.errors import StaleError, Unreachable
from heartbeats.edges.kube.freshness import (
    CONFIRM_WITHIN,
    QUIET_SECONDS,
    STALE_SECONDS,
    Evaluations,
    Freshness,
)
from support.builders import NOW


class Heard:
    """A stream that the test lets speak, fall silent and answer."""

    def __init__(self) -> None:
        self.streaming = True
        self.last_activity: float | None = 1000.0
        self.error: Exception | None = None
        self.asked: list[timedelta] = []

    async def confirm(self, *, within: timedelta) -> None:
        self.asked.append(within)
        if self.error is not None:
            raise self.error


class Tally:
    """Counts what passes on to the metrics."""

    def __init__(self) -> None:
        self.evaluations: list[datetime] = []
        self.blind_for = 0.0

    def evaluated(self, at: datetime) -> None:
        self.evaluations.append(at)

    def blind(self, seconds: float) -> None:
        self.blind_for += seconds


class Bench:
    """Two streams and a clock; it is 1000 s."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.jobs, self.leases = Heard(), Heard()
        streams = {"jobs": self.jobs, "leases": self.leases}
        self.freshness = Freshness(streams, lambda: self.now)
        self.tally = Tally()
        self.evaluations = Evaluations(self.freshness, self.tally, lambda: self.now)

    def later(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_while_all_is_heard_nobody_is_asked(bench: Bench) -> None:
    bench.later(QUIET_SECONDS)
    await bench.freshness.look()
    assert bench.freshness.is_fresh
    assert bench.freshness.problem() is None
    assert not bench.jobs.asked


async def test_a_silent_stream_is_asked_and_its_answer_is_as_good(bench: Bench) -> None:
    bench.later(QUIET_SECONDS + 1)
    bench.leases.last_activity = bench.now
    assert not bench.freshness.is_fresh
    await bench.freshness.look()
    assert bench.jobs.asked == [CONFIRM_WITHIN]
    assert not bench.leases.asked
    assert bench.freshness.is_fresh


async def test_what_was_heard_before_a_stream_broke_off_proves_nothing(
    bench: Bench,
) -> None:
    bench.jobs.streaming = False
    assert not bench.freshness.is_fresh
    await bench.freshness.look()
    assert bench.freshness.is_fresh


async def test_after_two_minutes_without_a_sign_it_is_a_problem_with_its_cause(
    bench: Bench,
) -> None:
    bench.jobs.error = Unreachable("connection refused")
    bench.later(STALE_SECONDS)
    await bench.freshness.look()
    assert bench.freshness.problem() is None
    bench.later(1)
    bench.leases.last_activity = bench.now
    problem = bench.freshness.problem()
    assert problem == "jobs were last heard of 2m 1s ago: connection refused"


async def test_an_answer_in_between_puts_the_problem_off(bench: Bench) -> None:
    bench.later(STALE_SECONDS - 1)
    await bench.freshness.look()
    bench.later(STALE_SECONDS - 1)
    assert bench.freshness.problem() is None
    bench.jobs.error = StaleError("not within 10 s")
    bench.later(2)
    await bench.freshness.look()
    assert bench.freshness.problem() is not None
    bench.jobs.last_activity = bench.leases.last_activity = bench.now
    assert bench.freshness.problem() is None


async def test_of_what_was_never_read_others_tell(bench: Bench) -> None:
    bench.jobs.last_activity = None
    bench.leases.last_activity = bench.now + 10_000
    bench.later(10_000)
    assert bench.freshness.problem() is None
    assert not bench.freshness.is_fresh


def test_a_round_counts_while_what_is_heard_is_fresh(bench: Bench) -> None:
    bench.evaluations.evaluated(NOW)
    assert bench.tally.evaluations == [NOW]
    assert bench.evaluations.last == bench.now
    bench.later(QUIET_SECONDS + 1)
    bench.evaluations.evaluated(NOW + timedelta(seconds=76))
    assert bench.tally.evaluations == [NOW]
    assert bench.evaluations.last == 1000.0


def test_blindness_is_passed_on(bench: Bench) -> None:
    bench.evaluations.blind(3.0)
    assert bench.tally.blind_for == 3.0
