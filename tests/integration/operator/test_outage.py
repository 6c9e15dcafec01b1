"""The API server is away for a while: nobody is Down for what could not be heard."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from heartbeats.cluster.controlplane import ControlPlane
from heartbeats.cluster.record import Component
from support.control_plane import install
from support.kube import Kube, fresh_namespace, wait_until
from support.operators import (
    RunningOperator,
    account_kubeconfig,
    ping_url,
    start_operator,
    stop_operator,
)
from support.own_cluster import own_control_plane
from support.resources import EVENTS, MONITORS, Object
from support.workloads import condition_of, cron_job, has_said, ping_monitor

OUTAGE_SECONDS = 20
LONG_OUTAGE_SECONDS = 120

pytestmark = pytest.mark.integration


@contextmanager
def watched(folder: Path) -> Iterator[tuple[ControlPlane, Kube, RunningOperator]]:
    """Run an operator on a whole control plane of its own."""
    with (
        own_control_plane() as control,
        closing(Kube.from_kubeconfig(control.kubeconfig)) as kube,
    ):
        install(kube)
        account = account_kubeconfig(
            kube, control.kubeconfig, folder / "kubeconfig", "heartbeats-operator"
        )
        operator = start_operator(account, folder)
        try:
            yield control, kube, operator
        finally:
            stop_operator(operator)


def answer_of(url: str) -> int:
    try:
        with urlopen(url, timeout=30) as answer:  # noqa: S310 - our own service
            return int(answer.status)
    except HTTPError as error:
        return error.code if error.headers["Retry-After"] else 0


def is_doubted(found: Object | None) -> bool:
    return bool(
        found
        and found.get("status", {}).get("state") == "Unknown"
        and condition_of(found, "Healthy")["reason"] == "BlindWindow"
    )


def alarms(kube: Kube, namespace: str, monitor: str) -> list[str]:
    return [
        each["note"]
        for each in kube.items(EVENTS, namespace)
        if each["regarding"]["name"] == monitor and "Down" in each["note"]
    ]


def survives(seconds: float, folder: Path) -> None:
    with (
        watched(folder) as (control, kube, operator),
        fresh_namespace(kube) as namespace,
    ):
        kube.create(ping_monitor(namespace, "job", interval="10s", gracePeriod="5s"))
        kube.create(cron_job(namespace, "minutely"))
        url = ping_url(kube, namespace, "job")
        assert answer_of(url) == HTTPStatus.OK
        wait_until(kube, MONITORS, namespace, "job", has_said("Up"))
        control.kill(Component.APISERVER)
        ends = time.monotonic() + seconds
        assert answer_of(url) == HTTPStatus.SERVICE_UNAVAILABLE
        time.sleep(max(ends - time.monotonic(), 0))  # the outage itself
        # Who cannot renew its Lease leads no more, and tells of no monitor at all.
        assert operator.series("heartbeat_monitor_state", state="Down") is None
        assert not operator.leads()
        control.start(Component.APISERVER)
        wait_until(kube, MONITORS, namespace, "job", is_doubted, timeout=60)
        assert answer_of(url) == HTTPStatus.OK
        wait_until(kube, MONITORS, namespace, "job", has_said("Up"))
        assert alarms(kube, namespace, "job") == []
        wait_until(
            kube, MONITORS, namespace, "minutely-cronjob", has_said("Up"), timeout=120
        )
        assert alarms(kube, namespace, "minutely-cronjob") == []
        assert operator.is_ready()


def test_twenty_seconds_without_the_api_server_alarm_nobody(tmp_path: Path) -> None:
    """A ping that is refused says so; its window is Unknown, never Down."""
    survives(OUTAGE_SECONDS, tmp_path)


@pytest.mark.slow
def test_two_minutes_without_the_api_server_alarm_nobody(tmp_path: Path) -> None:
    """As above, past every back-off."""
    survives(LONG_OUTAGE_SECONDS, tmp_path)
