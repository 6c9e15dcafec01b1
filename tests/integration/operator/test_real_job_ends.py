"""How Jobs end when the real controllers end them: by each reason, in parallel, unkept.

The Jobs are those of a CronJob whose slot was half an hour ago: nobody waits for one.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from heartbeats.cluster import annotations
from support.kube import Kube, wait_until
from support.operators import RunningOperator
from support.resources import EVENTS, JOBS, MONITORS, Object
from support.restarts import last_slot, quiet_schedule
from support.workloads import (
    condition_of,
    cron_job,
    has_said,
    is_gone,
    run_of,
    state_is,
)

pytestmark = pytest.mark.integration

PATIENCE = 60.0
LONG = {"heartbeats.dev/max-runtime": "1h"}
"""Else a Job's own deadline is the monitor's, who may be quicker to say so."""

FAILS = {annotations.EXIT_CODE: "3", annotations.MESSAGE: "disk full"}
HANGS = {annotations.RUN_FOR: annotations.FOREVER}
INDEXED = {"completionMode": "Indexed", "completions": 3, "parallelism": 3}
ON_THREE = {
    "action": "FailJob",
    "onExitCodes": {"containerName": "work", "operator": "In", "values": [3]},
}
REASONS: Mapping[str, tuple[dict[str, str], Object]] = {
    "BackoffLimitExceeded": (FAILS, {}),
    "DeadlineExceeded": (HANGS, {"activeDeadlineSeconds": 1}),
    "PodFailurePolicy": (
        FAILS,
        {"backoffLimit": 6, "podFailurePolicy": {"rules": [ON_THREE]}},
    ),
    "FailedIndexes": (FAILS, {**INDEXED, "backoffLimitPerIndex": 0, "backoffLimit": 6}),
    "MaxFailedIndexesExceeded": (
        FAILS,
        {
            **INDEXED,
            "backoffLimitPerIndex": 0,
            "backoffLimit": 6,
            "maxFailedIndexes": 1,
        },
    ),
}
PARALLEL: Mapping[str, Object] = {
    "indexed": INDEXED,
    "any-three": {"completions": 3, "parallelism": 3},
    "one-after-another": {"completions": 3, "parallelism": 1},
    "work-queue": {"parallelism": 3},
}


def test_a_job_that_failed_says_by_which_of_the_five_reasons(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """The Job controller's word stands in the message, with the pod's if it has one."""
    jobs = {
        reason: runs(kube, namespace, reason.lower(), pod=pod, job=job)
        for reason, (pod, job) in REASONS.items()
    }
    for reason, job in jobs.items():
        found = ended(kube, namespace, reason.lower(), "Down")
        check_failed(kube, operator, found, job)
        message = condition_of(found, "Healthy")["message"]
        assert reason in message
        if reason != "DeadlineExceeded":  # its pod was killed: it had no last word
            assert "exit code 3" in message
            assert "disk full" in message
            assert found["status"]["lastExitCode"] == 3


def test_a_parallel_job_is_one_run_that_ends_with_its_last_pod(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """However its pods are counted, the Job counts once."""
    jobs = {
        name: runs(kube, namespace, name, job=job) for name, job in PARALLEL.items()
    }
    for name, job in jobs.items():
        check_succeeded(kube, operator, ended(kube, namespace, name, "Up"), job)


def test_a_job_that_nobody_keeps_is_counted_before_it_is_gone(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """History limits of 0 and a TTL of 0 delete it at its end; it was seen to end."""
    unkept: dict[str, Any] = {
        "successfulJobsHistoryLimit": 0,
        "failedJobsHistoryLimit": 0,
    }
    ttl = {"ttlSecondsAfterFinished": 0}
    good = runs(kube, namespace, "unkept-good", **unkept)
    short = runs(kube, namespace, "ttl-good", job=ttl)
    bad = runs(kube, namespace, "unkept-bad", pod=FAILS, **unkept)
    for job in (good, short, bad):
        wait_until(
            kube, JOBS, namespace, job["metadata"]["name"], is_gone, timeout=PATIENCE
        )
    for name in ("unkept-good", "ttl-good"):
        found = ended(kube, namespace, name, "Up")
        check_counted(kube, operator, found, "success")
    found = ended(kube, namespace, "unkept-bad", "Down")
    check_counted(kube, operator, found, "failure")
    assert found["status"]["incident"]["reason"] == "RunFailed"


# How


def runs(
    kube: Kube,
    namespace: str,
    name: str,
    *,
    pod: Mapping[str, str] | None = None,
    job: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """Create a CronJob and, once it is watched, the Job of its last slot."""
    stored = kube.create(
        cron_job(
            namespace,
            name,
            schedule=quiet_schedule(),
            annotations=LONG,
            pod_annotations=pod,
            job=job,
            **spec,
        )
    )
    wait_until(kube, MONITORS, namespace, f"{name}-cronjob", state_is("New"))
    slot = last_slot(stored["spec"]["schedule"])
    return kube.create(run_of(stored, f"{name}-run", slot))


def ended(kube: Kube, namespace: str, name: str, word: str) -> Any:
    """Return the monitor of a CronJob when it has said how the run ended."""
    return wait_until(
        kube, MONITORS, namespace, f"{name}-cronjob", has_said(word), timeout=PATIENCE
    )


def check_counted(
    kube: Kube, operator: RunningOperator, found: Object, outcome: str
) -> None:
    """Check that one run is counted, told in one line, and in an Event if it is bad."""
    status, metadata = found["status"], found["metadata"]
    (run,) = status["history"]
    assert (run["outcome"], run.get("inferred")) == (outcome, None)
    assert status["lastCheckIn"]["outcome"] == outcome
    assert status["lastCheckIn"]["time"] == run["time"]
    assert "activeRuns" not in status
    lines = operator.lines(metadata["namespace"], metadata["name"])
    (line,) = [each for each in lines if each["payload"]["status"] != "start"]
    assert line["payload"]["status"] == outcome
    assert line["payload"]["ts"][:19] == run["time"][:19]
    assert len(events(kube, found)) == (outcome == "failure")
    assert state_series(operator, found, status["state"]) == 1


def check_failed(
    kube: Kube, operator: RunningOperator, found: Object, job: Object
) -> None:
    """Check all that tells of a failure, and that it is told since the Job's end."""
    check_counted(kube, operator, found, "failure")
    metadata = job["metadata"]
    stored = kube.get(JOBS, metadata["namespace"], metadata["name"])
    ended_at = condition_of(stored, "Failed")["lastTransitionTime"]
    healthy = condition_of(found, "Healthy")
    assert (healthy["status"], healthy["reason"]) == ("False", "RunFailed")
    assert healthy["lastTransitionTime"] == ended_at
    assert found["status"]["lastCheckIn"]["time"] == ended_at
    (event,) = events(kube, found)
    assert (event["type"], event["reason"]) == ("Warning", "RunFailed")
    assert event["eventTime"][:19] == ended_at[:19]


def check_succeeded(
    kube: Kube, operator: RunningOperator, found: Object, job: Object
) -> None:
    """Check all that tells of a success, at the instant at which the Job completed."""
    check_counted(kube, operator, found, "success")
    metadata = job["metadata"]
    stored = kube.get(JOBS, metadata["namespace"], metadata["name"])
    assert condition_of(found, "Healthy")["reason"] == "OnSchedule"
    assert found["status"]["lastSuccessTime"] == stored["status"]["completionTime"]


def events(kube: Kube, found: Object) -> list[Object]:
    """Return the Events about a monitor."""
    return [
        each
        for each in kube.items(EVENTS, found["metadata"]["namespace"])
        if each["regarding"].get("uid") == found["metadata"]["uid"]
    ]


def state_series(operator: RunningOperator, found: Object, word: str) -> float | None:
    """Scrape whether a monitor is in a state."""
    metadata = found["metadata"]
    labels = {
        "namespace": metadata["namespace"],
        "heartbeatmonitor": metadata["name"],
    }
    return operator.series("heartbeat_monitor_state", state=word, **labels)
