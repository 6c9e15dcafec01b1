"""Runs that do not come: why, how many, and while somebody wanted them not to."""

from datetime import timedelta
from typing import Any

import pytest

from support.resources import CRON_JOBS, MONITORS, Object
from support.scenario import Scenario, assert_down, assert_up, at, text
from support.workloads import cron_job, cron_job_monitor

pytestmark = pytest.mark.integration

OURS, MINE = "job-cronjob", "mine"
START = at("2026-03-06 09:30")
TEN = at("2026-03-06 10:00")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
GRACE = timedelta(minutes=5)
PAST = timedelta(seconds=2)


async def daily(
    scenario: Scenario, annotations: dict[str, str] | None = None, **spec: Any
) -> Object:
    """Start half an hour before the first slot of a CronJob that runs daily at ten."""
    await scenario.start(START)
    return await scenario.monitored(
        cron_job(
            scenario.namespace,
            "job",
            schedule="0 10 * * *",
            annotations=annotations,
            **spec,
        )
    )


async def watched(scenario: Scenario, word: str = "New", **spec: Any) -> Object:
    """Start with a CronJob that runs daily at ten, and a monitor of its user's."""
    await scenario.create(cron_job_monitor(scenario.namespace, MINE, "job", **spec))
    await scenario.start(START)
    stored = await scenario.create(
        cron_job(scenario.namespace, "job", schedule="0 10 * * *")
    )
    await scenario.said(MINE, word)
    await scenario.settle()
    return stored


async def assert_silent(scenario: Scenario, name: str, warnings: int = 0) -> Object:
    """Check that no more Warnings were told than these; returns the status."""
    events = await scenario.events(name)
    assert len([each for each in events if each["type"] == "Warning"]) == warnings
    return await scenario.status(name)


async def test_a_missed_start_names_what_the_controller_said(
    scenario: Scenario,
) -> None:
    """Too late by startingDeadlineSeconds: why is in the message."""
    stored = await daily(scenario, startingDeadlineSeconds=60)
    await scenario.turn_to(TEN + timedelta(minutes=2))
    said = "Missed scheduled time to start a job: Fri, 06 Mar 2026 10:00:00 +0000"
    await scenario.controller_says(stored, "MissSchedule", said)
    await scenario.turn_to(TEN + GRACE + PAST)
    status = await assert_down(
        scenario, OURS, "RunMissed", TEN + GRACE, "MissSchedule", said
    )
    assert status["incident"]["slotTime"] == text(TEN)
    assert "lastCheckIn" not in status
    assert status["history"][0]["outcome"] == "missed"
    line = scenario.lines(OURS)[-1]
    assert line["state"] == "missing"
    assert said in line["payload"]["message"]
    assert said in (await scenario.events(OURS))[-1]["note"]


async def test_a_quota_that_refuses_the_job_is_named(scenario: Scenario) -> None:
    """No Job, no pod: only the CronJob's Events tell why."""
    stored = await daily(scenario)
    await scenario.succeeds(stored, TEN)
    slot = TEN + DAY
    await scenario.turn_to(slot + timedelta(minutes=1))
    said = (
        'Error creating job: jobs.batch "job-1" is forbidden: exceeded quota: '
        "jobs, requested: count/jobs.batch=1, used: 1, limited: 1"
    )
    await scenario.controller_says(stored, "FailedCreate", said)
    await scenario.turn_to(slot + GRACE + PAST)
    status = await assert_down(
        scenario, OURS, "RunMissed", slot + GRACE, "FailedCreate", "exceeded quota"
    )
    assert status["lastCheckIn"]["outcome"] == "success"
    assert [each["outcome"] for each in status["history"]] == ["missed", "success"]
    await scenario.succeeds(stored, slot + DAY)
    status = await scenario.said(OURS, "Up")
    assert_up(scenario, OURS, status, slot + DAY + timedelta(seconds=9))
    assert (await scenario.events(OURS))[-1]["reason"] == "Recovered"


async def test_a_cron_job_suspended_for_days_is_paused_then_judged_from_the_next_slot(
    scenario: Scenario,
) -> None:
    """Nothing that was skipped is ever missed."""
    stored = await daily(scenario)
    await scenario.succeeds(stored, TEN)
    await scenario.turn_to(TEN + HOUR)
    await scenario.edit(CRON_JOBS, "job", suspend=True)
    await paused_for_days(scenario, OURS)
    await scenario.edit(CRON_JOBS, "job", suspend=False)
    await resumed(scenario, OURS, stored)


async def test_a_monitor_suspended_for_days_is_paused_then_judged_from_the_next_slot(
    scenario: Scenario,
) -> None:
    """The CronJob runs on; its runs are recorded and judged by nobody."""
    stored = await watched(scenario)
    await scenario.succeeds(stored, TEN)
    await scenario.turn_to(TEN + HOUR)
    await scenario.edit(MONITORS, MINE, suspend=True)
    await scenario.fails(stored, TEN + DAY)
    status = await paused_for_days(scenario, MINE)
    assert status["lastCheckIn"]["outcome"] == "failure"
    assert [each["outcome"] for each in status["history"]] == ["failure", "success"]
    await scenario.edit(MONITORS, MINE, suspend=False)
    await resumed(scenario, MINE, stored)


async def paused_for_days(scenario: Scenario, name: str) -> Object:
    """Let three days pass in a pause; returns the status at their end."""
    status = await scenario.said(name, "Paused")
    assert scenario.lines(name)[-1]["state"] in {"paused", "reporting"}
    event = (await scenario.events(name))[-1]
    assert (event["reason"], event["type"]) == ("Paused", "Normal")
    for days in (1, 2, 3):
        await scenario.turn_to(TEN + days * DAY + HOUR)
        status = await assert_silent(scenario, name)
        assert status["state"] == "Paused"
        assert "deadline" not in status
    assert scenario.series("state", name, state="Paused") == 1
    assert scenario.series("deadline_timestamp_seconds", name) is None
    return status


async def resumed(scenario: Scenario, name: str, stored: Object) -> None:
    """Check that a monitor is judged from its next slot on."""
    status = await scenario.said(name, "Up")
    slot = TEN + 4 * DAY
    assert status["nextExpectedTime"] == text(slot)
    assert status["source"]["armedSince"][:13] == text(TEN + 3 * DAY + HOUR)[:13]
    await scenario.turn_to(slot + GRACE + PAST)
    await assert_down(scenario, name, "RunMissed", slot + GRACE)
    await scenario.succeeds(stored, slot + DAY)
    await scenario.said(name, "Up")


async def test_a_pause_that_ends_by_itself_arms_the_monitor(scenario: Scenario) -> None:
    """suspendUntil: nobody has to remember."""
    until = text(TEN + 2 * DAY + HOUR)
    stored = await watched(scenario, "Paused", suspendUntil=until)
    await scenario.turn_to(TEN + DAY + HOUR)
    status = await assert_silent(scenario, MINE)
    assert status["state"] == "Paused"
    await scenario.turn_to(TEN + 2 * DAY + HOUR + PAST)
    status = await scenario.said(MINE, "New")
    assert status["nextExpectedTime"] == text(TEN + 3 * DAY)
    await scenario.fails(stored, TEN + 3 * DAY)
    await assert_down(scenario, MINE, "RunFailed", TEN + 3 * DAY + timedelta(seconds=9))


async def test_a_monitor_that_is_down_stays_down_after_a_pause(
    scenario: Scenario,
) -> None:
    """A pause is no recovery: only a good run is."""
    stored = await watched(scenario)
    await scenario.fails(stored, TEN)
    failed_at = TEN + timedelta(seconds=9)
    await assert_down(scenario, MINE, "RunFailed", failed_at)
    await scenario.edit(MONITORS, MINE, suspend=True)
    await scenario.said(MINE, "Paused")
    await scenario.turn_to(TEN + 2 * DAY + HOUR)
    await scenario.edit(MONITORS, MINE, suspend=False)
    status = await scenario.said(MINE, "Down")
    assert status["incident"]["openedTime"] == text(failed_at)
    await scenario.succeeds(stored, TEN + 3 * DAY)
    status = await scenario.said(MINE, "Up")
    assert_up(scenario, MINE, status, TEN + 3 * DAY + timedelta(seconds=9))


async def test_three_silent_slots_in_a_row_are_down_two_are_not(
    scenario: Scenario,
) -> None:
    """With failureThreshold 3 each expired window is one bad run, told in the log."""
    stored = await daily(scenario, {"heartbeats.dev/failure-threshold": "3"})
    await scenario.succeeds(stored, TEN)
    for missed in (1, 2):
        await scenario.turn_to(TEN + missed * DAY + GRACE + PAST)
        status = await assert_silent(scenario, OURS)
        assert status["state"] == "Up"
        assert status["consecutiveFailures"] == missed
        assert scenario.series("consecutive_failures", OURS) == missed
        line = scenario.lines(OURS)[-1]
        assert line["state"] == "missing"
        assert line["payload"]["slot"][:19] + "Z" == text(TEN + missed * DAY)
    deadline = TEN + 3 * DAY + GRACE
    await scenario.turn_to(deadline + PAST)
    status = await assert_down(scenario, OURS, "RunMissed", deadline)
    assert [each["outcome"] for each in status["history"]] == [
        *("missed", "missed", "missed", "success")
    ]
    await scenario.turn_to(TEN + 6 * DAY)
    assert len(scenario.lines(OURS)) == 4  # while Down, nothing more is told
    assert len(await scenario.events(OURS)) == 1


async def test_two_good_runs_in_a_row_are_up_one_is_not(scenario: Scenario) -> None:
    """With recoveryThreshold 2 a bad one between them starts the count anew."""
    stored = await watched(scenario, recoveryThreshold=2)
    await scenario.fails(stored, TEN)
    await scenario.succeeds(stored, TEN + DAY)
    assert (await scenario.status(MINE))["state"] == "Down"
    await scenario.fails(stored, TEN + 2 * DAY)
    await scenario.succeeds(stored, TEN + 3 * DAY)
    status = await scenario.status(MINE)
    assert (status["state"], status["consecutiveSuccesses"]) == ("Down", 1)
    await scenario.succeeds(stored, TEN + 4 * DAY)
    status = await scenario.said(MINE, "Up")
    assert_up(scenario, MINE, status, TEN + 4 * DAY + timedelta(seconds=9))
    reasons = [each["reason"] for each in await scenario.events(MINE)]
    assert reasons[-2:] == ["RunFailed", "Recovered"]
    assert len(set(reasons)) == len(reasons)


async def test_an_old_cron_job_is_judged_from_its_next_slot_on(
    scenario: Scenario,
) -> None:
    """What failed and what is lacking from before is nobody's alarm."""
    stored = await scenario.create(
        cron_job(scenario.namespace, "job", schedule="0 10 * * *")
    )
    for days in (5, 3):  # and nothing since
        slot = TEN - days * DAY
        await scenario.runs(
            stored,
            slot,
            {
                "startTime": text(slot),
                "failed": 1,
                "conditions": [
                    {"type": kind, "status": "True", "lastTransitionTime": text(slot)}
                    for kind in ("FailureTarget", "Failed")
                ],
            },
        )
    await scenario.start(START)
    status = await scenario.said(OURS, "New")
    assert status.get("history", []) == []
    assert status["nextExpectedTime"] == text(TEN)
    assert await scenario.events(OURS) == []
    await scenario.turn_to(TEN + GRACE + PAST)
    await assert_down(scenario, OURS, "RunMissed", TEN + GRACE)
