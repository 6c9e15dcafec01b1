"""What happened while no operator ran, and CronJobs that leave and come back."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from support.resources import CRON_JOBS, JOBS, MONITORS, Object
from support.scenario import Scenario, assert_down, assert_told, at, text
from support.workloads import complete, cron_job, cron_job_monitor

pytestmark = pytest.mark.integration

OURS, MINE = "job-cronjob", "mine"
START = at("2026-03-06 09:30")
TEN = at("2026-03-06 10:00")
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
GRACE = timedelta(minutes=5)
PAST = timedelta(seconds=2)
TWO_HOURS = {"heartbeats.dev/grace-period": "2h"}


def has_an_open_run(found: Object | None) -> bool:
    """Wait for this before stopping: a start that is not stored was never seen."""
    return bool(found and found.get("status", {}).get("activeRuns"))


async def daily(
    scenario: Scenario, annotations: dict[str, str] | None = None, **spec: Any
) -> Object:
    """Start half an hour before the first slot of a CronJob that runs daily at ten."""
    await scenario.start(START)
    return await scenario.monitored(written(scenario, annotations, **spec))


def written(
    scenario: Scenario, annotations: dict[str, str] | None = None, **spec: Any
) -> Object:
    """Write a CronJob that runs daily at ten."""
    return cron_job(
        scenario.namespace,
        "job",
        schedule="0 10 * * *",
        annotations=annotations,
        **spec,
    )


@pytest.mark.parametrize(
    "keeping",
    [
        {"successfulJobsHistoryLimit": 0},
        {"job": {"ttlSecondsAfterFinished": 0}},
    ],
    ids=["history-limit-0", "ttl-0"],
)
async def test_a_success_whose_job_went_unseen_is_inferred(
    scenario: Scenario, keeping: dict[str, Any]
) -> None:
    """The CronJob's status is all that is left, and enough."""
    stored = await daily(scenario, **keeping)
    await scenario.succeeds(stored, TEN)
    await forget_jobs(scenario)
    await scenario.stop()
    slot, ended = TEN + DAY, TEN + DAY + MINUTE
    await scenario.schedule_says(
        stored, lastScheduleTime=text(slot), lastSuccessfulTime=text(ended)
    )
    await scenario.start(slot + timedelta(minutes=30))
    await scenario.settle()
    status = await scenario.status(OURS)
    assert status["state"] == "Up"
    newest = status["history"][0]
    assert (newest["outcome"], newest["inferred"]) == ("success", True)
    assert (newest["slotTime"], newest["time"]) == (text(slot), text(ended))
    assert status["lastCheckIn"]["inferred"] is True
    assert status["lastSuccessTime"] == text(ended)
    assert status["nextExpectedTime"] == text(slot + DAY)
    assert await scenario.events(OURS) == []
    assert scenario.series("state", OURS, state="Up") == 1


async def test_an_open_run_whose_job_went_unseen_with_a_success_is_inferred(
    scenario: Scenario,
) -> None:
    """It was running when we left; the CronJob tells that it succeeded."""
    stored = await daily(scenario, successfulJobsHistoryLimit=0)
    await scenario.starts(stored, TEN)
    await scenario.seen(OURS, has_an_open_run)
    await scenario.stop()
    await forget_jobs(scenario)
    ended = TEN + 10 * MINUTE
    await scenario.schedule_says(stored, lastSuccessfulTime=text(ended))
    await scenario.start(TEN + 20 * MINUTE)
    await scenario.settle()
    status = await scenario.status(OURS)
    assert status["state"] == "Up"
    assert status.get("activeRuns", []) == []
    assert status["history"][0]["inferred"] is True
    assert status["history"][0]["time"] == text(ended)


async def test_a_run_that_vanished_without_success_is_unknown_not_down(
    scenario: Scenario,
) -> None:
    """Its Job is gone and nobody saw how it ended; the next run settles it."""
    stored = await daily(scenario)
    await scenario.succeeds(stored, TEN)
    slot = TEN + DAY
    await scenario.starts(stored, slot)
    await scenario.seen(OURS, has_an_open_run)
    await scenario.stop()
    await forget_jobs(scenario)
    await scenario.start(slot + 30 * MINUTE)
    await scenario.settle()
    status = await assert_told(
        scenario,
        OURS,
        ("Unknown", "Unknown", "BlindWindow"),
        slot + timedelta(seconds=9),
    )
    assert "incident" not in status
    assert status["nextExpectedTime"] == text(slot + DAY)
    await scenario.succeeds(stored, slot + DAY)
    assert (await scenario.said(OURS, "Up"))["state"] == "Up"
    assert [e["type"] for e in await scenario.events(OURS)] == ["Warning", "Normal"]


async def test_a_slot_whose_job_vanished_without_success_is_unknown_not_down(
    scenario: Scenario,
) -> None:
    """The controller made a Job for it, which came and went while we were stopped."""
    stored = await daily(scenario)
    await scenario.succeeds(stored, TEN)
    await scenario.stop()
    slot = TEN + DAY
    await scenario.schedule_says(stored, lastScheduleTime=text(slot))
    await scenario.start(slot + 30 * MINUTE)
    await scenario.settle()
    status = await assert_told(
        scenario, OURS, ("Unknown", "Unknown", "BlindWindow"), slot
    )
    assert "incident" not in status
    await scenario.turn_to(slot + DAY + GRACE + PAST)
    await assert_down(scenario, OURS, "RunMissed", slot + DAY + GRACE)


async def test_a_slot_without_a_job_while_stopped_is_down_since_its_deadline(
    scenario: Scenario,
) -> None:
    """The controller made no Job: that can be known afterwards."""
    stored = await daily(scenario)
    await scenario.succeeds(stored, TEN)
    await scenario.stop()
    await scenario.start(TEN + DAY + 30 * MINUTE)
    await assert_down(scenario, OURS, "RunMissed", TEN + DAY + GRACE)
    assert len(await scenario.events(OURS)) == 1


async def test_a_cron_job_back_within_the_hour_is_the_same_job(
    scenario: Scenario,
) -> None:
    """What it owed it owes: deadline and history are inherited."""
    stored = await daily(scenario, TWO_HOURS)
    await scenario.succeeds(stored, TEN)
    due = TEN + DAY
    await away(scenario, stored, due - 10 * MINUTE, due + 40 * MINUTE)
    status = await scenario.status(OURS)
    assert status["state"] in {"Up", "Late"}
    assert [each["outcome"] for each in status["history"]] == ["success"]
    assert status["nextExpectedTime"] == text(due)
    assert status["deadline"] == text(due + timedelta(hours=2))
    await scenario.turn_to(due + timedelta(hours=2) + PAST)
    await assert_down(scenario, OURS, "RunMissed", due + timedelta(hours=2))


async def test_a_cron_job_back_after_an_hour_is_another_job(
    scenario: Scenario,
) -> None:
    """It is New and owes nothing before its next slot."""
    stored = await daily(scenario, TWO_HOURS)
    await scenario.succeeds(stored, TEN)
    due = TEN + DAY
    await away(scenario, stored, due - 10 * MINUTE, due + 70 * MINUTE)
    status = await scenario.said(OURS, "New")
    assert status.get("history", []) == []
    assert status["nextExpectedTime"] == text(due + DAY)
    await scenario.turn_to(due + timedelta(hours=2) + PAST)
    assert (await scenario.status(OURS))["state"] == "New"


async def test_an_incident_outlives_a_cron_job_that_is_back_within_the_hour(
    scenario: Scenario,
) -> None:
    """Down since the same instant, and nobody is told a second time."""
    stored = await daily(scenario, TWO_HOURS)
    await scenario.fails(stored, TEN)
    failed_at = TEN + timedelta(seconds=9)
    await assert_down(scenario, OURS, "RunFailed", failed_at)
    await away(scenario, stored, TEN + 10 * MINUTE, TEN + 30 * MINUTE)
    status = await scenario.said(OURS, "Down")
    assert status["incident"]["openedTime"] == text(failed_at)
    assert [each["outcome"] for each in status["history"]] == ["failure"]
    assert len(await scenario.events(OURS)) == 1


async def test_a_users_monitor_of_a_cron_job_that_is_gone_is_down_at_its_deadline(
    scenario: Scenario,
) -> None:
    """The last schedule stays armed; a CronJob back too late does not heal it."""
    await scenario.create(cron_job_monitor(scenario.namespace, MINE, "job"))
    await scenario.start(START)
    stored = await scenario.create(written(scenario))
    await scenario.said(MINE, "New")
    await scenario.succeeds(stored, TEN)
    due = TEN + DAY
    await scenario.turn_to(due - 10 * MINUTE)
    await scenario.delete(CRON_JOBS, "job")
    status = await scenario.status(MINE)
    assert status["state"] == "Up"
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "CronJobNotFound")
    await scenario.turn_to(due + GRACE + PAST)
    await assert_down(
        scenario, MINE, "CronJobNotFound", due + GRACE, "the CronJob is gone"
    )
    await scenario.turn_to(due + 2 * DAY)
    again = await scenario.create(written(scenario))
    await scenario.settle()
    assert (await scenario.status(MINE))["state"] == "Down"
    await scenario.succeeds(again, due + 3 * DAY)
    await scenario.said(MINE, "Up")
    assert (await scenario.events(MINE))[-1]["reason"] == "Recovered"


async def test_a_run_finished_while_stopped_counts_once_by_its_own_time(
    scenario: Scenario,
) -> None:
    """A Job that is still there tells for itself, however often we start."""
    stored = await daily(scenario)
    run = await scenario.starts(stored, TEN)
    await scenario.seen(OURS, has_an_open_run)
    await scenario.stop()
    began, ended = text(TEN + timedelta(seconds=9)), TEN + 3 * MINUTE
    await scenario.ends(run, complete(began, text(ended)))
    for days in (1, 2):
        await scenario.start(TEN + days * 10 * MINUTE)
        await scenario.settle()
        status = await scenario.status(OURS)
        assert status["state"] == "Up"
        assert [each["time"] for each in status["history"]] == [text(ended)]
        assert "inferred" not in status["history"][0]
        await scenario.stop()
    told = [line["payload"]["status"] for line in scenario.lines(OURS)]
    assert told == ["start", "success"]


async def away(
    scenario: Scenario, stored: Object, gone_at: datetime, back_at: datetime
) -> None:
    """Delete a CronJob, with what it owns as the garbage collector does; create it."""
    await scenario.turn_to(gone_at)
    await forget_jobs(scenario)
    await scenario.delete(CRON_JOBS, "job")
    await scenario.delete(MONITORS, OURS)
    await scenario.turn_to(back_at)
    annotations = stored["metadata"]["annotations"]
    fresh = {
        "namespace": scenario.namespace,
        "name": "job",
        "annotations": annotations,
    }
    await scenario.create({**stored, "metadata": fresh, "status": {}})
    await scenario.seen(OURS, lambda found: bool(found and found.get("status")))
    await scenario.settle()


async def forget_jobs(scenario: Scenario) -> None:
    """Delete every Job, as history limits, TTLs and the garbage collector do."""
    for item in await scenario.ask(scenario.kube.items, JOBS, scenario.namespace):
        await scenario.delete(JOBS, item["metadata"]["name"])
