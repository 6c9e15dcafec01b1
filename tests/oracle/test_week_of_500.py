"""A week of 500 mixed monitors: a naive oracle agrees with every word of it."""

from support.week.fuzz import BEGINNINGS, play

SEED = 20261022
MONITORS = 500
LEAST_COMPARISONS = 250_000


def test_a_week_of_500_monitors_is_judged_as_by_the_oracle() -> None:
    week = play(SEED, MONITORS, BEGINNINGS[0])
    assert not week.differences, "\n".join(map(str, week.differences))
    assert week.compared > LEAST_COMPARISONS
