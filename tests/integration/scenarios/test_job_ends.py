"""How Jobs end: by each reason there is, after retries, in parallel."""

from datetime import timedelta

import pytest

from support.resources import Object
from support.scenario import Scenario, assert_down, assert_up, at, text
from support.workloads import complete, cron_job, ended_by

pytestmark = pytest.mark.integration

START = at("2026-03-02 09:30")
TEN = at("2026-03-02 10:00")
END = TEN + timedelta(minutes=3)
INDEXED = {"completionMode": "Indexed", "completions": 3, "parallelism": 3}
PER_INDEX = {**INDEXED, "backoffLimitPerIndex": 0, "backoffLimit": 6}

REASONS: dict[str, tuple[Object, Object]] = {
    "BackoffLimitExceeded": ({}, {"failed": 1}),
    "DeadlineExceeded": ({"activeDeadlineSeconds": 180}, {"failed": 1}),
    "PodFailurePolicy": ({}, {"failed": 1}),
    "MaxFailedIndexesExceeded": (
        {**PER_INDEX, "maxFailedIndexes": 1},
        {"failed": 2, "failedIndexes": "0,2"},
    ),
    "FailedIndexes": (
        PER_INDEX,
        {"failed": 1, "succeeded": 2, "completedIndexes": "0,1", "failedIndexes": "2"},
    ),
}


@pytest.mark.parametrize("reason", REASONS)
async def test_a_job_that_failed_is_down_and_says_why(
    scenario: Scenario, reason: str
) -> None:
    """Each of the five reasons stands in the message, with the pod's exit code."""
    job, counts = REASONS[reason]
    await scenario.start(START)
    hourly = await scenario.monitored(
        cron_job(scenario.namespace, "hourly", schedule="0 * * * *", job=job)
    )
    run = await scenario.starts(hourly, TEN)
    await scenario.dies(run, "work", exit_code=3, message="disk full")
    await scenario.turn_to(END)
    conditions = [
        {**ended_by(kind, text(END)), "reason": reason, "message": "as it happens"}
        for kind in ("FailureTarget", "Failed")
    ]
    started = text(TEN + timedelta(seconds=9))
    await scenario.ends(run, {"startTime": started, "conditions": conditions, **counts})
    status = await scenario.said("hourly-cronjob", "Down")
    await assert_down(
        scenario, "hourly-cronjob", "RunFailed", END, reason, "exit code 3", "disk full"
    )
    assert status["lastCheckIn"]["outcome"] == "failure"
    assert status["lastCheckIn"]["time"] == text(END)
    assert status["lastCheckIn"]["exitCode"] == 3
    assert status["history"][0]["outcome"] == "failure"
    assert status["history"][0]["slotTime"] == text(TEN)
    assert status["history"][0]["durationMilliseconds"] == 171_000
    payload = scenario.lines("hourly-cronjob")[-1]["payload"]
    assert (payload["status"], payload["exit_code"]) == ("failure", 3)
    assert reason in payload["message"]
    assert scenario.series("last_run_exit_code", "hourly-cronjob") == 3


async def test_a_failed_pod_whose_retry_succeeds_is_no_failure(
    scenario: Scenario,
) -> None:
    """`status.failed` counts pods, not Jobs."""
    await scenario.start(START)
    hourly = await scenario.monitored(
        cron_job(scenario.namespace, "hourly", schedule="0 * * * *")
    )
    run = await scenario.starts(hourly, TEN)
    began = text(TEN + timedelta(seconds=9))
    await scenario.ends(run, {"startTime": began, "active": 1, "failed": 1})
    await scenario.turn_to(TEN + timedelta(minutes=10))
    status = await scenario.status("hourly-cronjob")
    assert status["state"] == "New"
    assert [run["slotTime"] for run in status["activeRuns"]] == [text(TEN)]
    ended = TEN + timedelta(minutes=12)
    await scenario.turn_to(ended)
    await scenario.ends(run, {**complete(began, text(ended)), "failed": 1})
    status = await scenario.said("hourly-cronjob", "Up")
    assert_up(scenario, "hourly-cronjob", status, ended)
    assert [each["outcome"] for each in status["history"]] == ["success"]
    assert await scenario.events("hourly-cronjob") == []


async def test_a_parallel_job_succeeds_when_all_its_pods_have(
    scenario: Scenario,
) -> None:
    """Between its first pod's success and its last one's it is one open run."""
    await scenario.start(START)
    hourly = await scenario.monitored(
        cron_job(scenario.namespace, "hourly", schedule="0 * * * *", job=INDEXED)
    )
    run = await scenario.starts(hourly, TEN)
    began = text(TEN + timedelta(seconds=9))
    partly = {"startTime": began, "active": 1, "ready": 1, "succeeded": 2}
    await scenario.ends(run, {**partly, "completedIndexes": "0,1"})
    await scenario.turn_to(TEN + timedelta(minutes=20))
    status = await scenario.status("hourly-cronjob")
    assert len(status["activeRuns"]) == 1
    assert "history" not in status or status["history"] == []
    ended = TEN + timedelta(minutes=25)
    await scenario.turn_to(ended)
    whole = {"succeeded": 3, "completedIndexes": "0-2"}
    await scenario.ends(run, {**complete(began, text(ended)), **whole})
    status = await scenario.said("hourly-cronjob", "Up")
    assert_up(scenario, "hourly-cronjob", status, ended)
    assert len(status["history"]) == 1
    assert status.get("activeRuns", []) == []
    reports = [line["payload"]["status"] for line in scenario.lines("hourly-cronjob")]
    assert reports == ["start", "success"]
