"""A clock that is put right by the API server's, and only where that is proven."""

from datetime import UTC, datetime, timedelta

import pytest

from heartbeats.clock import CorrectedClock

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Machine:
    """Two clocks that tests turn; the true time is `true`."""

    def __init__(self, error: timedelta) -> None:
        self.true = NOON
        self.error = error

    def now(self) -> datetime:
        return self.true + self.error

    def monotonic(self) -> float:
        return (self.true - NOON).total_seconds()


def ask(clock: CorrectedClock, machine: Machine, answer_in: float = 0.02) -> None:
    """Send a request; the server's Date is the true time, cut to whole seconds."""
    sent_at = clock.now()
    machine.true += timedelta(seconds=answer_in / 2)
    date = machine.true.replace(microsecond=0)
    machine.true += timedelta(seconds=answer_in / 2)
    clock.compare(date, sent_at=sent_at, received_at=clock.now())
    machine.true += timedelta(seconds=0.37)


@pytest.mark.parametrize("error", [0.0, 0.2, -0.3])
def test_a_clock_that_is_right_within_a_fraction_stays_as_it_is(error: float) -> None:
    machine = Machine(timedelta(seconds=error))
    clock = CorrectedClock(machine)
    ask(clock, machine)
    assert abs(clock.offset) <= timedelta(seconds=0.4)


@pytest.mark.parametrize("minutes", [-60, -1, 1, 60])
def test_a_clock_that_is_wrong_is_put_right_within_a_second(minutes: int) -> None:
    machine = Machine(timedelta(minutes=minutes))
    clock = CorrectedClock(machine)
    ask(clock, machine)
    assert abs(clock.now() - machine.true) <= SECOND
    for _ in range(20):
        ask(clock, machine)
    assert abs(clock.now() - machine.true) <= SECOND / 4


def test_slow_answers_bound_nothing_wrongly() -> None:
    machine = Machine(timedelta())
    clock = CorrectedClock(machine)
    for _ in range(10):
        ask(clock, machine, answer_in=5)
    assert clock.offset == timedelta()


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_is_put_right_by_the_next_answer(hours: int) -> None:
    machine = Machine(timedelta())
    clock = CorrectedClock(machine)
    ask(clock, machine)
    machine.error = timedelta(hours=hours)
    ask(clock, machine)
    assert abs(clock.now() - machine.true) <= SECOND


def test_a_clock_that_drifts_is_followed() -> None:
    machine = Machine(timedelta())
    clock = CorrectedClock(machine)
    for _ in range(3000):
        machine.error += timedelta(milliseconds=2)
        ask(clock, machine)
    assert abs(clock.now() - machine.true) <= SECOND
