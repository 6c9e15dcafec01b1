"""A week of CronJobs and pings, told in two ways: the ledger's word is the oracle's.

Longer runs: HEARTBEATS_WEEK_MONITORS says how many monitors the random weeks have,
HEARTBEATS_WEEK_SEED repeats one of them.
"""

import os
import random
from datetime import UTC, datetime, timedelta

import pytest

from support.week.play import Week
from support.week.population import Population

# The end of European summer time; its beginning; the day Cairo has no midnight.
BEGINNINGS = tuple(
    datetime.fromisoformat(day).replace(tzinfo=UTC)
    for day in ("2026-10-22", "2026-03-26", "2026-04-21")
)
MONITORS = 500
LEAST_COMPARISONS = 100_000


def play(seed: int, monitors: int, begins_at: datetime) -> Week:
    span = (begins_at, begins_at + timedelta(days=7))
    week = Week(list(Population(seed, span).monitors(monitors)), span, seed)
    week.run()
    return week


def told(week: Week) -> str:
    return "\n".join(str(each) for each in week.differences)


def test_a_week_of_500_monitors_is_judged_as_by_the_oracle() -> None:
    week = play(20261022, MONITORS, BEGINNINGS[0])
    assert not week.differences, told(week)
    assert week.compared > LEAST_COMPARISONS


@pytest.mark.parametrize("begins_at", BEGINNINGS, ids=lambda at: f"{at:%B}")
def test_a_random_week_is_judged_as_by_the_oracle(begins_at: datetime) -> None:
    seed = int(
        os.environ.get("HEARTBEATS_WEEK_SEED") or random.SystemRandom().getrandbits(32)
    )
    monitors = int(os.environ.get("HEARTBEATS_WEEK_MONITORS") or 20)
    print(f"HEARTBEATS_WEEK_SEED={seed} HEARTBEATS_WEEK_MONITORS={monitors}")  # noqa: T201 - repeats it
    week = play(seed, monitors, begins_at)
    assert not week.differences, f"seed {seed}, {monitors} monitors\n{told(week)}"
    assert week.compared > 0
