"""Clocks that are wrong, jump or sleep: deadlines hold, and nothing is told twice."""

from datetime import datetime, timedelta

import pytest

from support.resources import Object
from support.scenario import Scenario, assert_down, assert_up, at, text
from support.workloads import complete, cron_job, run_of, write_status

pytestmark = pytest.mark.integration

MONITOR = "job-cronjob"
START = at("2026-03-06 09:30")
TEN = at("2026-03-06 10:00")
HOUR = timedelta(hours=1)
GRACE = timedelta(minutes=5)
PAST = timedelta(seconds=2)


async def hourly(scenario: Scenario) -> Object:
    """Start with an hourly CronJob whose first run was good."""
    await scenario.start(START)
    stored = await scenario.monitored(
        cron_job(scenario.namespace, "job", schedule="0 * * * *")
    )
    await scenario.succeeds(stored, TEN)
    await scenario.said(MONITOR, "Up")
    return stored


def skew(scenario: Scenario) -> float:
    """Return how far the machine's clock is ahead, as the metric tells it."""
    found = scenario.metrics.registry.get_sample_value(
        "heartbeat_operator_clock_skew_seconds"
    )
    assert found is not None
    return found


@pytest.mark.parametrize("hours", [-1, 1], ids=["back", "forward"])
async def test_a_machine_whose_clock_steps_an_hour_judges_by_the_servers(
    scenario: Scenario, hours: int
) -> None:
    """The Date header puts it right: no alarm too soon, none too late, none twice."""
    stored = await hourly(scenario)
    await scenario.turn_to(TEN + HOUR - timedelta(minutes=10))
    scenario.clock.step(hours * HOUR)
    await scenario.settle()
    assert skew(scenario) == pytest.approx(hours * 3600, abs=2)
    status = await scenario.status(MONITOR)
    assert status["state"] == "Up"
    assert await scenario.events(MONITOR) == []
    deadline = TEN + HOUR + GRACE
    await scenario.turn_to(deadline - PAST)
    assert (await scenario.status(MONITOR))["state"] == "Late"
    await scenario.turn_to(deadline + 2 * PAST)
    await assert_down(scenario, MONITOR, "RunMissed", deadline)
    scenario.clock.step(timedelta())  # and somebody sets it right again
    await scenario.settle()
    assert abs(skew(scenario)) <= 2
    await scenario.turn_to(TEN + HOUR + 30 * PAST + GRACE)
    assert len(await scenario.events(MONITOR)) == 1
    assert [each["state"] for each in scenario.lines(MONITOR)].count("missing") == 1
    await scenario.succeeds(stored, TEN + 2 * HOUR)
    status = await scenario.said(MONITOR, "Up")
    assert_up(scenario, MONITOR, status, TEN + 2 * HOUR + timedelta(seconds=9))


async def test_a_whole_cluster_that_goes_back_an_hour_fires_nothing_twice(
    scenario: Scenario,
) -> None:
    """What was judged stays judged when the same hour comes again."""
    stored = await hourly(scenario)
    deadline = TEN + HOUR + GRACE
    await scenario.turn_to(deadline + PAST)
    await assert_down(scenario, MONITOR, "RunMissed", deadline)
    await scenario.turn_to(deadline - HOUR)
    assert (await scenario.status(MONITOR))["state"] == "Down"
    await scenario.turn_to(deadline + PAST)
    status = await assert_down(scenario, MONITOR, "RunMissed", deadline)
    assert [each["outcome"] for each in status["history"]] == ["missed", "success"]
    assert len(await scenario.events(MONITOR)) == 1
    assert [each["state"] for each in scenario.lines(MONITOR)].count("missing") == 1
    await scenario.succeeds(stored, TEN + 2 * HOUR)
    await scenario.said(MONITOR, "Up")


async def test_a_whole_cluster_that_goes_forward_an_hour_is_down_once(
    scenario: Scenario,
) -> None:
    """The hour that never was had no run: said once, since its deadline."""
    await hourly(scenario)
    await scenario.turn_to(TEN + 2 * HOUR + GRACE + PAST)
    await assert_down(scenario, MONITOR, "RunMissed", TEN + HOUR + GRACE)
    await scenario.turn_to(TEN + 3 * HOUR)
    assert len(await scenario.events(MONITOR)) == 1


async def test_a_machine_that_slept_judges_when_it_wakes(scenario: Scenario) -> None:
    """The run that came while it slept is heard before its deadline is judged."""
    stored = await hourly(scenario)
    slot = TEN + HOUR
    # None of these calls lets the event loop go on: the process sleeps.
    scenario.clock.turn_to(slot + timedelta(minutes=40))
    job = scenario.kube.create(run_of(stored, "job-asleep", text(slot)))
    write_status(scenario.kube, job, complete(text(slot), text(slot + PAST)))
    await scenario.settle()
    status = await scenario.said(MONITOR, "Up")
    assert_up(scenario, MONITOR, status, slot + PAST)
    assert await scenario.events(MONITOR) == []


async def test_a_minute_of_skew_is_shown_and_changes_nothing(
    scenario: Scenario,
) -> None:
    """An operator that starts with a wrong clock is right from its first answer on."""
    scenario.clock.step(timedelta(seconds=60))
    stored = await hourly(scenario)
    assert skew(scenario) == pytest.approx(60, abs=2)
    status = await scenario.status(MONITOR)
    armed_at = datetime.fromisoformat(status["source"]["armedSince"])
    assert abs(armed_at - START) < timedelta(seconds=10)  # not a minute off
    await scenario.turn_to(TEN + HOUR + GRACE - PAST)
    assert (await scenario.status(MONITOR))["state"] == "Late"
    await scenario.turn_to(TEN + HOUR + GRACE + 2 * PAST)
    await assert_down(scenario, MONITOR, "RunMissed", TEN + HOUR + GRACE)
    await scenario.succeeds(stored, TEN + 2 * HOUR)
    await scenario.said(MONITOR, "Up")
