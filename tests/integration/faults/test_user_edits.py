"""A user writes to a monitor between the moment it is judged and that of its status."""

from collections.abc import Callable
from typing import Any

import pytest

from support.kube import Kube, wait_until
from support.nonsense import NONSENSE
from support.resources import EVENTS, MONITORS
from support.rigged import Rigged, status_stored
from support.scrapes import total
from support.traps import When
from support.workloads import change, condition_of, has_said, ping_monitor

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

JOB = "job"
Edit = Callable[[Kube, str], object]


def edit_spec(kube: Kube, namespace: str) -> object:
    """Edit what is wanted."""
    spec = {"description": "edited meanwhile", "gracePeriod": "7m"}
    return change(kube, MONITORS, namespace, JOB, {"spec": spec})


def edit_status(kube: Kube, namespace: str) -> object:
    """Write nonsense into what is known."""
    monitor = {
        "apiVersion": MONITORS.api_version,
        "kind": MONITORS.kind,
        "metadata": {"name": JOB, "namespace": namespace},
        "status": NONSENSE,
    }
    return kube.apply(monitor, subresource="status", manager="somebody")


@pytest.mark.parametrize("edit", [edit_spec, edit_status])
def test_a_status_that_crosses_an_edit_is_written_anew_and_told_once(
    kube: Kube, rigged: Rigged, namespace: str, edit: Edit
) -> None:
    """It carries the version it was derived from, so the edit is never written over."""
    spec = {"interval": "24h", "firstCheckInWithin": "3s"}
    with rigged.rig.trap(status_stored(namespace, JOB), When.BEFORE) as trap:
        kube.create(ping_monitor(namespace, JOB, **spec))
        trap.wait(within=60)
        edit(kube, namespace)
        trap.let_pass()
    found: Any = wait_until(kube, MONITORS, namespace, JOB, has_said("Down"))
    status, meta = found["status"], found["metadata"]
    assert condition_of(found, "Healthy")["reason"] == "RunMissed"
    assert status["consecutiveFailures"] == 1
    assert status["observedGeneration"] == meta["generation"]
    assert status["formatVersion"] == 1
    if edit is edit_spec:
        assert found["spec"]["description"] == "edited meanwhile"
        assert status["effective"]["gracePeriod"] == "7m"
    told = kube.items(EVENTS, namespace)
    assert [each["reason"] for each in told] == ["RunMissed"]
    assert total(rigged.apart.operator, "api_writes_total", code="409") > 0
