"""Jobs that the API server refuses: the CronJob's own Events say why."""

from typing import Any

import pytest

from support.kube import Kube, wait_until
from support.operators import RunningOperator
from support.quotas import forbid
from support.resources import JOBS, MONITORS, Object
from support.workloads import condition_of, cron_job, has_said, told

pytestmark = pytest.mark.integration

NAME = "refused-cronjob"
A_MINUTE = 150.0
"""Seconds in which a minutely CronJob has certainly run or been missed."""

GRACE = {"heartbeats.dev/grace-period": "30s"}
WHY = ("FailedCreate", "exceeded quota: none", "count/jobs.batch=1")


def test_a_quota_that_refuses_the_job_is_named(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """No Job, no pod: the controller's word stands in the condition's message."""
    forbid(kube, namespace, "jobs.batch")
    kube.create(cron_job(namespace, "refused", annotations=GRACE))
    found: Any = wait_until(
        kube, MONITORS, namespace, NAME, has_said("Down"), timeout=A_MINUTE
    )
    healthy, incident = condition_of(found, "Healthy"), found["status"]["incident"]
    assert (healthy["status"], healthy["reason"]) == ("False", "RunMissed")
    assert incident["slotTime"].endswith(":00Z")
    assert incident["openedTime"].endswith(":30Z")
    assert healthy["lastTransitionTime"] == incident["openedTime"]
    assert "lastCheckIn" not in found["status"]
    assert [run["outcome"] for run in found["status"]["history"]] == ["missed"]
    assert kube.items(JOBS, namespace) == []
    check_told(kube, operator, found, incident["openedTime"])


def check_told(
    kube: Kube, operator: RunningOperator, found: Object, opened: str
) -> None:
    """Check that condition, Event and line say why, and since when; and the gauge."""
    namespace = found["metadata"]["namespace"]
    event = told(kube, namespace, NAME, "RunMissed")
    assert event["type"] == "Warning"
    assert event["eventTime"][:19] == opened[:19]
    (line,) = operator.lines(namespace, NAME)
    assert line["state"] == "missing"
    assert line["payload"]["ts"][:19] == opened[:19]
    said = condition_of(found, "Healthy")["message"]
    for text in (said, event["note"], line["payload"]["message"]):
        for word in WHY:
            assert word in text
    labels = {"namespace": namespace, "heartbeatmonitor": NAME}
    assert operator.series("heartbeat_monitor_state", state="Down", **labels) == 1
