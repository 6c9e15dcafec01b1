"""When a run is due: weekends, days by two fields, clock changes, edits, mismatches."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from support.resources import CRON_JOBS, Object
from support.scenario import (
    Scenario,
    assert_down,
    assert_told,
    assert_up,
    at,
    text,
)
from support.workloads import cron_job

pytestmark = pytest.mark.integration

MONITOR = "job-cronjob"
GRACE = timedelta(minutes=5)
LATE = timedelta(seconds=30)
PAST = timedelta(seconds=2)
FRIDAY = "2026-03-06"
SATURDAY = "2026-03-07"
SUNDAY = "2026-03-08"
MONDAY = "2026-03-09"


async def job(
    scenario: Scenario, schedule: str, start: datetime, **spec: Any
) -> Object:
    """Start at an instant with one CronJob of this schedule."""
    await scenario.start(start)
    return await scenario.monitored(
        cron_job(scenario.namespace, "job", schedule=schedule, **spec)
    )


async def succeed(
    scenario: Scenario, stored: Object, slots: Iterable[datetime]
) -> None:
    """Let each slot's run succeed, and look at what is expected after each."""
    for slot in slots:
        await scenario.succeeds(stored, slot)
        status = await scenario.said(MONITOR, "Up")
        assert status["lastCheckIn"]["slotTime"] == text(slot)


async def expect(scenario: Scenario, slot: datetime) -> None:
    """Check which slot is due next, in the status and in the gauges."""
    status = await scenario.status(MONITOR)
    assert status["nextExpectedTime"] == text(slot), status
    assert status["deadline"] == text(slot + GRACE), status
    seen = scenario.series("next_expected_timestamp_seconds", MONITOR)
    assert seen == slot.timestamp()
    seen = scenario.series("deadline_timestamp_seconds", MONITOR)
    assert seen == (slot + GRACE).timestamp()


async def miss(scenario: Scenario, slot: datetime) -> None:
    """Let a slot pass: Late, then Down at its deadline and not before."""
    await expect(scenario, slot)
    told = await scenario.events(MONITOR)
    await scenario.turn_to(slot - PAST)
    assert (await scenario.status(MONITOR))["state"] == "Up"
    await scenario.turn_to(slot + LATE)
    assert (await scenario.status(MONITOR))["state"] == "Late"
    assert scenario.series("state", MONITOR, state="Late") == 1
    assert await scenario.events(MONITOR) == told
    await scenario.turn_to(slot + GRACE + PAST)
    status = await assert_down(
        scenario, MONITOR, "RunMissed", slot + GRACE, f"Due at {text(slot)}"
    )
    assert status["incident"]["slotTime"] == text(slot)
    assert status["history"][0]["outcome"] == "missed"
    assert status["history"][0]["slotTime"] == text(slot)
    assert status["lastCheckIn"]["outcome"] == "success"


async def test_weekdays_only_expects_nothing_on_a_weekend(scenario: Scenario) -> None:
    """After Friday comes Monday."""
    stored = await job(scenario, "0 9 * * 1-5", at(f"{FRIDAY} 08:00"))
    await succeed(scenario, stored, [at(f"{FRIDAY} 09:00")])
    await scenario.turn_to(at(f"{SATURDAY} 12:00"))
    await scenario.turn_to(at(f"{SUNDAY} 12:00"))
    assert (await scenario.status(MONITOR))["state"] == "Up"
    await miss(scenario, at(f"{MONDAY} 09:00"))


async def test_twice_a_day_expects_each_in_its_turn(scenario: Scenario) -> None:
    """At nine and at five, also on weekends."""
    stored = await job(scenario, "0 9,17 * * *", at(f"{FRIDAY} 08:00"))
    days = (FRIDAY, SATURDAY, SUNDAY)
    slots = [at(f"{day} {hour}:00") for day in days for hour in ("09", "17")]
    await succeed(scenario, stored, slots)
    assert len((await scenario.status(MONITOR))["history"]) == 6
    await miss(scenario, at(f"{MONDAY} 09:00"))


async def test_every_five_minutes_judges_each_slot(scenario: Scenario) -> None:
    """One that is lacking between others is not made up for by the next."""
    stored = await job(scenario, "*/5 * * * *", at(f"{SUNDAY} 23:50:30"))
    await succeed(scenario, stored, [at(f"{SUNDAY} 23:55"), at(f"{MONDAY} 00:00")])
    await miss(scenario, at(f"{MONDAY} 00:05"))
    # The deadline of 00:05 is the slot 00:10, whose run is good.
    await scenario.succeeds(stored, at(f"{MONDAY} 00:10"))
    status = await scenario.said(MONITOR, "Up")
    assert_up(scenario, MONITOR, status, at(f"{MONDAY} 00:10:09"))
    assert (await scenario.events(MONITOR))[-1]["reason"] == "Recovered"
    await expect(scenario, at(f"{MONDAY} 00:15"))


async def test_day_of_month_or_day_of_week_fires_on_either(scenario: Scenario) -> None:
    """The 7th is a Saturday; Monday the 9th fires by its weekday."""
    stored = await job(scenario, "0 9 7 * 1", at(f"{FRIDAY} 08:00"))
    await succeed(scenario, stored, [at(f"{SATURDAY} 09:00")])
    await scenario.turn_to(at(f"{SUNDAY} 12:00"))
    assert (await scenario.status(MONITOR))["state"] == "Up"
    await miss(scenario, at(f"{MONDAY} 09:00"))


async def test_the_hour_that_spring_takes_is_not_missed(scenario: Scenario) -> None:
    """In Berlin 02:30 does not exist on 2026-03-29: that day nothing is due."""
    stored = await job(
        scenario, "30 2 * * *", at("2026-03-27 12:00"), timeZone="Europe/Berlin"
    )
    await succeed(scenario, stored, [at("2026-03-28 01:30")])
    await scenario.turn_to(at("2026-03-29 12:00"))
    status = await scenario.status(MONITOR)
    assert status["state"] == "Up"
    assert status["effective"]["timeZone"] == "Europe/Berlin"
    await miss(scenario, at("2026-03-30 00:30"))


async def test_the_hour_that_autumn_repeats_is_due_twice(scenario: Scenario) -> None:
    """In Berlin 02:30 comes twice on 2026-10-25, and so do the runs."""
    stored = await job(
        scenario, "30 2 * * *", at("2026-10-24 12:00"), timeZone="Europe/Berlin"
    )
    await succeed(scenario, stored, [at("2026-10-25 00:30")])
    await miss(scenario, at("2026-10-25 01:30"))
    await scenario.succeeds(stored, at("2026-10-26 01:30"))
    assert_up(
        scenario,
        MONITOR,
        await scenario.said(MONITOR, "Up"),
        at("2026-10-26 01:30:09"),
    )


async def test_an_edited_schedule_is_judged_from_the_edit_on(
    scenario: Scenario,
) -> None:
    """What the old one had due is not asked for any more, nor is the new one's past."""
    stored = await job(scenario, "0 10 * * *", at(f"{FRIDAY} 09:00"))
    await succeed(scenario, stored, [at(f"{FRIDAY} 10:00")])
    await scenario.turn_to(at(f"{SATURDAY} 10:02"))  # due, and Late
    assert (await scenario.status(MONITOR))["state"] == "Late"
    await scenario.edit(CRON_JOBS, "job", schedule="0 9,15 * * *")
    status = await scenario.status(MONITOR)
    assert status["state"] == "Up"
    assert status["source"]["schedule"] == "0 9,15 * * *"
    assert status["source"]["armedSince"][:16] == f"{SATURDAY}T10:02"
    await miss(scenario, at(f"{SATURDAY} 15:00"))


async def test_an_edited_zone_moves_the_slots(scenario: Scenario) -> None:
    """Nine in New York is not nine in Berlin."""
    stored = await job(
        scenario, "0 9 * * *", at(f"{FRIDAY} 07:00"), timeZone="Europe/Berlin"
    )
    await succeed(scenario, stored, [at(f"{FRIDAY} 08:00")])
    await scenario.turn_to(at(f"{SATURDAY} 07:00"))
    await scenario.edit(CRON_JOBS, "job", timeZone="America/New_York")
    status = await scenario.status(MONITOR)
    assert status["effective"]["timeZone"] == "America/New_York"
    await miss(scenario, at(f"{SATURDAY} 14:00"))


async def test_a_slot_that_our_schedule_lacks_is_a_mismatch_not_an_alarm(
    scenario: Scenario,
) -> None:
    """The controller lives in another zone than we believe; then it is put right."""
    stored = await job(scenario, "0 10 * * *", at(f"{FRIDAY} 07:00"))
    slot = at(f"{FRIDAY} 09:00")  # ten o'clock in Berlin
    await scenario.succeeds(stored, slot)
    status = await assert_told(
        scenario,
        MONITOR,
        ("Unknown", "Unknown", "ScheduleMismatch"),
        slot + timedelta(seconds=9),
        "--cluster-time-zone",
    )
    assert status["lastCheckIn"]["outcome"] == "success"
    assert "deadline" not in status
    await scenario.turn_to(at(f"{FRIDAY} 12:00"))
    assert (await scenario.status(MONITOR))["state"] == "Unknown"
    assert len(await scenario.events(MONITOR)) == 1
    await scenario.edit(CRON_JOBS, "job", timeZone="Europe/Berlin")
    await scenario.said(MONITOR, "Up")
    await miss(scenario, at(f"{SATURDAY} 09:00"))


async def test_a_run_of_a_slot_that_we_know_ends_a_mismatch(
    scenario: Scenario,
) -> None:
    """One odd run is forgiven when the next is where it should be."""
    stored = await job(scenario, "0 10 * * *", at(f"{FRIDAY} 07:00"))
    await scenario.succeeds(stored, at(f"{FRIDAY} 09:00"))
    await scenario.said(MONITOR, "Unknown")
    await scenario.succeeds(stored, at(f"{SATURDAY} 10:00"))
    status = await scenario.said(MONITOR, "Up")
    assert_up(scenario, MONITOR, status, at(f"{SATURDAY} 10:00:09"))
    await expect(scenario, at(f"{SUNDAY} 10:00"))
