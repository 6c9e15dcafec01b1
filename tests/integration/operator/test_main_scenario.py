"""The main job: runs that succeed, fail, sleep, stop and come back."""

from typing import Any
from urllib.request import urlopen

import pytest

from heartbeats.cluster import annotations
from support.kube import Kube, wait_until
from support.operators import RunningOperator, ping_url
from support.resources import MONITORS, Object
from support.workloads import cron_job, has_said, ping_monitor, told

pytestmark = pytest.mark.integration

A_MINUTE = 100.0
"""Seconds in which a minutely CronJob has certainly run."""


def test_a_cron_job_that_succeeds_becomes_up(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Nobody wrote a monitor: it comes by itself."""
    kube.create(cron_job(namespace, "good"))
    found = wait_until(
        kube, MONITORS, namespace, "good-cronjob", has_said("Up"), timeout=A_MINUTE
    )
    status = found["status"]
    assert status["lastCheckIn"]["kind"] == "success"
    assert status["history"][0]["outcome"] == "success"
    assert status["history"][0]["slotTime"].endswith(":00Z")
    assert condition(found, "Healthy")["status"] == "True"
    assert condition(found, "Ready")["reason"] == "Accepted"
    labels = {"namespace": namespace, "heartbeatmonitor": "good-cronjob"}
    assert operator.series("heartbeat_monitor_state", state="Up", **labels) == 1
    lines = operator.lines(namespace, "good-cronjob")
    assert [line["payload"]["status"] for line in lines][-1] == "success"


def test_a_cron_job_whose_pods_fail_is_down_with_exit_code_event_and_gauge(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """The pod's own words reach whoever is woken."""
    pod = {annotations.EXIT_CODE: "3", annotations.MESSAGE: "disk full"}
    kube.create(cron_job(namespace, "bad", pod_annotations=pod))
    found = wait_until(
        kube, MONITORS, namespace, "bad-cronjob", has_said("Down"), timeout=A_MINUTE
    )
    healthy = condition(found, "Healthy")
    assert (healthy["status"], healthy["reason"]) == ("False", "RunFailed")
    assert "exit code 3" in healthy["message"]
    assert "disk full" in healthy["message"]
    assert found["status"]["lastExitCode"] == 3
    labels = {"namespace": namespace, "heartbeatmonitor": "bad-cronjob"}
    assert operator.series("heartbeat_monitor_state", state="Down", **labels) == 1
    event = told(kube, namespace, "bad-cronjob", "RunFailed")
    assert event["type"] == "Warning"
    assert event["regarding"]["uid"] == found["metadata"]["uid"]


def test_a_suspended_cron_job_is_paused(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Suspension on the CronJob is enough."""
    kube.create(cron_job(namespace, "asleep", suspend=True))
    wait_until(kube, MONITORS, namespace, "asleep-cronjob", has_said("Paused"))
    labels = {"namespace": namespace, "heartbeatmonitor": "asleep-cronjob"}
    assert operator.series("heartbeat_monitor_state", state="Paused", **labels) == 1


def test_a_job_that_stops_pinging_is_late_then_down_and_recovers(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """The whole life of an incident, seen from outside."""
    kube.create(ping_monitor(namespace, "backup", interval="20s", gracePeriod="20s"))
    url = ping_url(kube, namespace, "backup")
    with urlopen(url, timeout=30) as answer:  # noqa: S310 - our own service
        assert (answer.status, answer.read()) == (200, b"OK")
    for state in ("Up", "Late", "Down"):
        found = wait_until(kube, MONITORS, namespace, "backup", has_said(state))
    down = condition(found, "Healthy")
    assert down["reason"] == "RunMissed"
    deadline = found["status"]["incident"]["openedTime"]
    assert down["lastTransitionTime"][:19] == deadline[:19]
    assert told(kube, namespace, "backup", "RunMissed")["type"] == "Warning"
    with urlopen(url, timeout=30):  # noqa: S310 - our own service
        pass
    found = wait_until(kube, MONITORS, namespace, "backup", has_said("Up"))
    assert "incident" not in found["status"]
    assert told(kube, namespace, "backup", "Recovered")["type"] == "Normal"
    states = [line["state"] for line in operator.lines(namespace, "backup")]
    assert states == ["reporting", "missing", "reporting"]


def condition(found: Object, kind: str) -> Any:
    """Return a condition by its type."""
    conditions = found["status"]["conditions"]
    return next(each for each in conditions if each["type"] == kind)
