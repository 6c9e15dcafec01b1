"""concurrencyPolicy Replace: the controller deletes a run that takes too long."""

from datetime import datetime, timedelta

import pytest

from support.resources import JOBS, Object
from support.scenario import Scenario, assert_down, assert_up, at, text
from support.workloads import complete, cron_job

pytestmark = pytest.mark.integration

OURS = "job-cronjob"
START = at("2026-03-06 09:30")
TEN = at("2026-03-06 10:00")
HOUR = timedelta(hours=1)
SOON = timedelta(seconds=9)
SECOND = timedelta(seconds=1)


async def hourly(scenario: Scenario) -> Object:
    """Start half an hour before the first slot of an hourly CronJob that replaces."""
    await scenario.start(START)
    return await scenario.monitored(
        cron_job(
            scenario.namespace,
            "job",
            schedule="0 * * * *",
            concurrencyPolicy="Replace",
        )
    )


async def replaced(
    scenario: Scenario, stored: Object, run: Object, slot: datetime
) -> Object:
    """Let the controller delete a run at the next slot, and start that one's."""
    await scenario.turn_to(slot)
    await scenario.delete(JOBS, run["metadata"]["name"])
    return await scenario.starts(stored, slot)


async def test_a_replaced_run_is_made_good_by_the_one_that_replaced_it(
    scenario: Scenario,
) -> None:
    """It neither failed nor succeeded: nothing is told of it, and nothing is owed."""
    stored = await hourly(scenario)
    first = await scenario.starts(stored, TEN)
    second = await replaced(scenario, stored, first, TEN + HOUR)
    status = await scenario.status(OURS)
    assert status["state"] == "New"
    assert status.get("history", []) == []
    assert await scenario.events(OURS) == []
    ended = TEN + HOUR + timedelta(minutes=20)
    await scenario.turn_to(ended)
    await scenario.ends(second, complete(text(TEN + HOUR + SOON), text(ended)))
    status = await scenario.said(OURS, "Up")
    assert_up(scenario, OURS, status, ended)
    assert [each["slotTime"] for each in status["history"]] == [text(TEN + HOUR)]
    assert status["lastCheckIn"]["slotTime"] == text(TEN + HOUR)
    assert status.get("activeRuns", []) == []
    assert status["nextExpectedTime"] == text(TEN + 2 * HOUR)
    assert await scenario.events(OURS) == []
    told = [line["payload"]["status"] for line in scenario.lines(OURS)]
    assert told == ["start", "start", "success"]


async def test_replacing_for_ever_extends_nothing(scenario: Scenario) -> None:
    """Every run starts in time and none ends: overdue since the first one's limit."""
    stored = await hourly(scenario)
    run = await scenario.starts(stored, TEN)
    for hours in range(1, 7):
        run = await replaced(scenario, stored, run, TEN + hours * HOUR)
        assert await scenario.events(OURS) == [] or hours == 6
    deadline = TEN + 6 * HOUR + SOON  # six hours: no run ever succeeded
    await scenario.turn_to(deadline + 2 * SECOND)
    status = await assert_down(
        scenario, OURS, "RunOverdue", deadline, "has not ended by"
    )
    assert status["incident"]["slotTime"] == text(TEN)
    assert status["lastCheckIn"]["kind"] == "start"
    assert [each["outcome"] for each in status["history"]] == ["missed"]
    ended = TEN + 6 * HOUR + timedelta(minutes=30)
    await scenario.turn_to(ended)
    began = text(TEN + 6 * HOUR + SOON)
    await scenario.ends(run, complete(began, text(ended)))
    status = await scenario.said(OURS, "Up")
    assert_up(scenario, OURS, status, ended)
    reasons = [each["reason"] for each in await scenario.events(OURS)]
    assert reasons == ["RunOverdue", "Recovered"]
