"""Weeks of CronJobs and pings, told in two ways: the ledger's word is the oracle's.

`make test-oracle` plays a week of 500 monitors, `make fuzz-week` random ones.
"""

from datetime import date

import pytest

from support.week.fuzz import BEGINNINGS, play

SEED = 16
MONITORS = 20
LEAST_COMPARISONS = 5_000


@pytest.mark.parametrize("begins_on", BEGINNINGS, ids=lambda day: f"{day:%B}")
def test_a_week_is_judged_as_by_the_oracle(begins_on: date) -> None:
    week = play(SEED, MONITORS, begins_on)
    assert not week.differences, "\n".join(map(str, week.differences))
    assert week.compared > LEAST_COMPARISONS
