"""A CronJob is deleted and created again while a user's own monitor watches it."""

from datetime import datetime, timedelta

import pytest

from support.resources import CRON_JOBS, Object
from support.scenario import Scenario, assert_down, assert_up, at, text
from support.workloads import condition_of, cron_job, cron_job_monitor

pytestmark = pytest.mark.integration

MINE = "mine"
START = at("2026-03-06 09:30")
TEN = at("2026-03-06 10:00")
DUE = at("2026-03-07 10:00")
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
GRACE = timedelta(hours=2)
PAST = timedelta(seconds=2)


async def gone_before_it_was_due(scenario: Scenario) -> Object:
    """Delete a CronJob that ran well, ten minutes before its next slot."""
    await scenario.create(
        cron_job_monitor(scenario.namespace, MINE, "job", gracePeriod="2h")
    )
    await scenario.start(START)
    stored = await scenario.create(
        cron_job(scenario.namespace, "job", schedule="0 10 * * *")
    )
    await scenario.said(MINE, "New")
    await scenario.succeeds(stored, TEN)
    await scenario.turn_to(DUE - 10 * MINUTE)
    await scenario.delete(CRON_JOBS, "job")
    status = await scenario.status(MINE)
    assert ready(status) == ("False", "CronJobNotFound")
    assert status["deadline"] == text(DUE + GRACE)
    return stored


async def back_at(scenario: Scenario, stored: Object, when: datetime) -> Object:
    """Create the CronJob again; returns it as stored."""
    await scenario.turn_to(when)
    fresh = {"namespace": scenario.namespace, "name": "job"}
    again = await scenario.create({**stored, "metadata": fresh, "status": {}})
    await scenario.settle()
    return again


def ready(status: Object) -> tuple[str, str]:
    """Return status and reason of the condition Ready."""
    found = condition_of({"status": status}, "Ready")
    return found["status"], found["reason"]


async def alarms(scenario: Scenario) -> list[str]:
    """Return the reasons of the Warnings about the monitor."""
    events = await scenario.events(MINE)
    return [each["reason"] for each in events if each["type"] == "Warning"]


async def test_a_cron_job_back_within_the_hour_still_owes_its_run(
    scenario: Scenario,
) -> None:
    """Its monitor goes on: the slot that came meanwhile must be served or is missed."""
    stored = await gone_before_it_was_due(scenario)
    again = await back_at(scenario, stored, DUE + 40 * MINUTE)
    status = await scenario.status(MINE)
    assert ready(status) == ("True", "Accepted")
    assert status["source"]["uid"] == again["metadata"]["uid"]
    assert status["deadline"] == text(DUE + GRACE)
    await scenario.turn_to(DUE + GRACE + PAST)
    status = await assert_down(
        scenario, MINE, "RunMissed", DUE + GRACE, f"Due at {text(DUE)}"
    )
    assert status["incident"]["slotTime"] == text(DUE)
    assert [each["outcome"] for each in status["history"]] == ["missed", "success"]
    assert status["lastCheckIn"]["time"] == text(TEN + timedelta(seconds=9))
    await scenario.succeeds(again, DUE + DAY)
    status = await scenario.said(MINE, "Up")
    assert_up(scenario, MINE, status, DUE + DAY + timedelta(seconds=9))
    assert (await scenario.events(MINE))[-1]["reason"] == "Recovered"
    assert await alarms(scenario) == ["RunMissed"]


async def test_a_cron_job_back_after_an_hour_owes_what_is_due_from_then_on(
    scenario: Scenario,
) -> None:
    """What it did not do while it did not exist is nobody's alarm."""
    stored = await gone_before_it_was_due(scenario)
    again = await back_at(scenario, stored, DUE + 70 * MINUTE)
    status = await scenario.status(MINE)
    assert ready(status) == ("True", "Accepted")
    assert status["source"]["uid"] == again["metadata"]["uid"]
    assert status["source"]["armedSince"][:16] == text(DUE + 70 * MINUTE)[:16]
    assert status["nextExpectedTime"] == text(DUE + DAY)
    await scenario.turn_to(DUE + GRACE + PAST)
    status = await scenario.status(MINE)
    assert status["state"] == "Up"
    assert [each["outcome"] for each in status["history"]] == ["success"]
    assert await alarms(scenario) == []
    assert [line["payload"]["status"] for line in scenario.lines(MINE)] == ["success"]
    await scenario.turn_to(DUE + DAY + GRACE + PAST)
    status = await assert_down(scenario, MINE, "RunMissed", DUE + DAY + GRACE)
    assert status["incident"]["slotTime"] == text(DUE + DAY)
