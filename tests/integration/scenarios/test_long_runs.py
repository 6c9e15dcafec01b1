"""Runs that hang: with a limit, without one, and measured by the longest success."""

from datetime import datetime, timedelta

import pytest

from support.resources import JOBS
from support.scenario import Scenario, assert_down, assert_up, at, text
from support.workloads import complete, cron_job

pytestmark = pytest.mark.integration

START = at("2026-03-02 09:30")
TEN = at("2026-03-02 10:00")
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


async def test_a_hung_run_with_max_runtime_is_down_when_that_is_over(
    scenario: Scenario,
) -> None:
    """It counts from the run's start; the run ends after all and the word is Up."""
    await scenario.start(START)
    daily = await scenario.monitored(
        cron_job(
            scenario.namespace,
            "daily",
            schedule="0 10 * * *",
            annotations={"heartbeats.dev/max-runtime": "2h"},
        )
    )
    run = await scenario.starts(daily, TEN)
    deadline = TEN + timedelta(hours=2, seconds=9)
    await quiet_until(scenario, deadline - SECOND)
    await scenario.turn_to(deadline + 2 * SECOND)
    await assert_hung(scenario, deadline)
    ended = TEN + timedelta(hours=3)
    await scenario.turn_to(ended)
    began = text(TEN + timedelta(seconds=9))
    await scenario.ends(run, complete(began, text(ended)))
    status = await scenario.said("daily-cronjob", "Up")
    assert_up(scenario, "daily-cronjob", status, ended)
    reasons = [each["reason"] for each in await scenario.events("daily-cronjob")]
    assert reasons == ["RunOverdue", "Recovered"]


async def test_a_hung_run_with_an_active_deadline_is_down_when_that_is_over(
    scenario: Scenario,
) -> None:
    """The Job's own limit is taken for the monitor's when that has none."""
    await scenario.start(START)
    daily = await scenario.monitored(
        cron_job(
            scenario.namespace,
            "daily",
            schedule="0 10 * * *",
            job={"activeDeadlineSeconds": 5400},
        )
    )
    await scenario.starts(daily, TEN)
    deadline = TEN + timedelta(minutes=90, seconds=9)
    await quiet_until(scenario, deadline - SECOND)
    await scenario.turn_to(deadline + 2 * SECOND)
    await assert_hung(scenario, deadline)


async def test_a_hung_run_without_any_limit_has_six_hours(scenario: Scenario) -> None:
    """No run ever succeeded, so nothing tells what is usual."""
    await scenario.start(START)
    hourly = await scenario.monitored(
        cron_job(
            scenario.namespace,
            "daily",
            schedule="0 * * * *",
            concurrencyPolicy="Forbid",
        )
    )
    await scenario.starts(hourly, TEN)
    deadline = TEN + timedelta(hours=6, seconds=9)
    await quiet_until(scenario, deadline - SECOND)
    await scenario.turn_to(deadline + 2 * SECOND)
    await assert_hung(scenario, deadline)


async def test_a_hung_run_has_twice_the_longest_success(scenario: Scenario) -> None:
    """A run of 50 minutes was good once: 100 minutes are not too long yet."""
    await scenario.start(START)
    hourly = await scenario.monitored(
        cron_job(
            scenario.namespace,
            "daily",
            schedule="0 * * * *",
            concurrencyPolicy="Forbid",
        )
    )
    await scenario.succeeds(hourly, TEN, took=timedelta(minutes=50))
    await scenario.succeeds(hourly, TEN + HOUR, took=timedelta(minutes=5))
    await scenario.starts(hourly, TEN + 2 * HOUR)
    deadline = TEN + 2 * HOUR + timedelta(minutes=100, seconds=9)
    await quiet_until(scenario, deadline - SECOND)
    await scenario.turn_to(deadline + 2 * SECOND)
    status = await assert_hung(scenario, deadline, slot=text(TEN + 2 * HOUR))
    assert status["longestSuccessMilliseconds"] == 50 * 60_000


async def test_a_run_has_until_the_next_slot_and_its_grace(scenario: Scenario) -> None:
    """A daily run that usually takes a minute may take a day: then the next is due."""
    await scenario.start(START)
    daily = await scenario.monitored(
        cron_job(
            scenario.namespace,
            "daily",
            schedule="0 10 * * *",
            concurrencyPolicy="Forbid",
        )
    )
    await scenario.succeeds(daily, TEN)
    slot = TEN + timedelta(days=1)
    run = await scenario.starts(daily, slot)
    deadline = slot + timedelta(days=1, minutes=5)
    await quiet_until(scenario, deadline - SECOND)
    await scenario.turn_to(deadline + 2 * SECOND)
    await assert_hung(scenario, deadline, slot=text(slot))
    await scenario.delete(JOBS, run["metadata"]["name"])
    assert (await scenario.status("daily-cronjob"))["state"] == "Down"


async def quiet_until(scenario: Scenario, when: datetime) -> None:
    """Turn the clock to just before a deadline: nothing may be said before it."""
    assert not [e for e in await scenario.events("daily-cronjob") if is_alarm(e)]
    await scenario.turn_to(when)
    status = await scenario.status("daily-cronjob")
    assert status["state"] in {"New", "Up"}, status
    assert not [e for e in await scenario.events("daily-cronjob") if is_alarm(e)]


def is_alarm(event: dict[str, object]) -> bool:
    return event["type"] == "Warning"


async def assert_hung(
    scenario: Scenario, deadline: datetime, slot: str = text(TEN)
) -> dict[str, object]:
    """Check that a run is overdue since its deadline, with all that tells so."""
    status = await assert_down(
        scenario,
        "daily-cronjob",
        "RunOverdue",
        deadline,
        "has not ended by",
    )
    assert status["incident"]["slotTime"] == slot
    assert status["history"][0]["outcome"] == "missed"
    assert status["history"][0]["reason"] == "RunOverdue"
    assert status["lastCheckIn"]["kind"] == "start"
    assert len(status["activeRuns"]) == 1
    assert scenario.series("active_runs", "daily-cronjob") == 1
    return status
