"""A week of CronJobs and pings, told in two ways: the ledger's word is the oracle's."""

from datetime import UTC, datetime, timedelta

from support.simulation import Population, Week

BEGINS_AT = datetime(2026, 10, 22, tzinfo=UTC)
"""The week crosses the end of European summer time."""
SPAN = (BEGINS_AT, BEGINS_AT + timedelta(days=7))
SEED = 16
MONITORS = 40
LEAST_COMPARISONS = 20_000


def test_a_week_of_forty_monitors_is_judged_as_by_the_oracle() -> None:
    week = Week(list(Population(SEED, SPAN).monitors(MONITORS)), SPAN, SEED)
    week.run()
    assert [str(each) for each in week.differences] == []
    assert week.compared > LEAST_COMPARISONS
