"""Watches that break off again and again, and such that are open and say nothing."""

from typing import Any

import pytest

from support.kube import wait_until
from support.resources import MONITORS, Object
from support.restarts import send
from support.rigged import Rigged
from support.scrapes import total
from support.vigil import JOB, Vigil, assert_well
from support.workloads import has_said, ping_monitor

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

CUTS, PAUSE = 14, 0.6
RUN = "run"


def test_watches_that_are_cut_again_and_again_miss_nothing(
    vigil: Vigil, rigged: Rigged
) -> None:
    """Each goes on from the last version it has seen."""
    cut = 0
    for number in range(CUTS):
        cut += rigged.rig.cut_watches()
        if number == CUTS // 2:
            vigil.let_run_end_well()
        vigil.lasts(PAUSE)
    assert cut > 5 * CUTS
    vigil.check()
    assert vigil.job.statuses == {200}
    said = rigged.apart.operator.said
    assert "The watch was interrupted: no answer" in said
    assert total(rigged.apart.operator, "watch_restarts_total") > CUTS


def test_a_watch_that_is_open_and_silent_makes_nobody_down(
    vigil: Vigil, rigged: Rigged
) -> None:
    """What ended in time is found by asking, before its deadline is judged."""
    kube, namespace = vigil.kube, vigil.namespace
    kube.create(ping_monitor(namespace, RUN, interval="24h", maxRuntime="20s"))
    send(kube, rigged.apart.url, namespace, RUN, "/start")
    wait_until(kube, MONITORS, namespace, RUN, is_running)
    assert rigged.rig.mute_watches() >= 5
    send(kube, rigged.apart.url, namespace, RUN, "")
    found: Any = wait_until(kube, MONITORS, namespace, RUN, has_said("Up"))
    assert found["status"]["consecutiveSuccesses"] == 1
    vigil.lasts(12)  # deadlines of what pings all the time pass too
    assert vigil.alarms(RUN) == vigil.alarms(JOB) == []
    assert_well(rigged.apart.operator)


def is_running(found: Object | None) -> bool:
    """Tell whether a monitor knows of a run that has not ended."""
    return bool((found or {}).get("status", {}).get("activeRuns"))
