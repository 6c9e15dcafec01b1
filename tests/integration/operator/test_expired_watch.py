"""The watch is cut, and where it ended is forgotten: 410 of a real API server.

Everything that is watched must be listed again: what happened meanwhile is counted,
what was counted before is not counted again, and what is gone is noticed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.expiry import ExpiredWatches, forget_history, is_expired, newest_version
from support.fault_rig import FaultRig
from support.kube import Kube, fresh_namespace, wait_until
from support.own_cluster import Own
from support.resources import (
    CONFIG_MAPS,
    CRON_JOBS,
    EVENTS,
    JOBS,
    MONITORS,
    Object,
)
from support.restarts import (
    Apart,
    last_slot,
    moment,
    outcomes,
    quiet_schedule,
    send,
    wait_journal_empty,
)
from support.workloads import (
    RARELY,
    change,
    complete,
    condition_of,
    cron_job,
    cron_job_monitor,
    failed,
    has_said,
    ping_monitor,
    record_run,
    state_is,
)

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

WATCHED = (JOBS, CRON_JOBS, CONFIG_MAPS, MONITORS)
"""What an operator watches to judge; kopf watches the last."""


@pytest.fixture
def rig(own: Own) -> Iterator[FaultRig]:
    """Put the rig between the operator and the API server."""
    with FaultRig.running(own.admin) as found:
        yield found


@pytest.fixture
def apart(own: Own, rig: FaultRig, tmp_path: Path) -> Iterator[Apart]:
    """Run both roles; only the operator's requests go through the rig."""
    operator = rig.kubeconfig(own.operator, tmp_path / "operator")
    with Apart.running(own.through(operator), tmp_path / "events.jsonl") as running:
        yield running


@pytest.fixture
def namespace(own: Own) -> Iterator[str]:
    """Make a namespace of the test's own."""
    with fresh_namespace(own.kube) as name:
        yield name


def test_what_happened_while_the_watch_expired_is_counted_once(
    own: Own, rig: FaultRig, apart: Apart, namespace: str
) -> None:
    """Jobs, CronJobs, the journal's segments and the monitors are all listed again."""
    kube = own.kube
    hourly = begin(kube, apart, namespace)
    expired = ExpiredWatches()
    rig.listen(expired.hear)
    version = newest_version(kube)
    with rig.partition():
        let_happen(kube, apart, namespace, hourly)
        forget_history(own.plane, kube)
        for resource in WATCHED:
            assert is_expired(kube, resource, version), resource
    check_jobs(kube, apart, namespace)
    check_pings(kube, apart, namespace)
    check_monitors(kube, namespace)
    check_cron_jobs(kube, namespace)
    assert expired.collections >= {each.plural for each in WATCHED}
    check_new_watches(kube, apart, namespace, hourly)


def begin(kube: Kube, apart: Apart, namespace: str) -> Object:
    """Make what is watched, each with something counted; return the CronJob."""
    hourly = kube.create(cron_job(namespace, "hourly", schedule=quiet_schedule()))
    kube.create(cron_job(namespace, "doomed", schedule=RARELY))
    kube.create(cron_job_monitor(namespace, "of-doomed", "doomed"))
    for name in ("pinged", "edited"):
        kube.create(ping_monitor(namespace, name, interval="24h"))
    for name in ("hourly-cronjob", "of-doomed", "pinged", "edited"):
        wait_until(kube, MONITORS, namespace, name, state_is("New"))
    soon = moment(seconds=1)  # what ended before the monitor began is not counted
    record_run(kube, hourly, "first", slot_of(hourly), **complete(soon, soon))
    send(kube, apart.url, namespace, "pinged", f"?rid={uuid4()}")
    for name in ("hourly-cronjob", "pinged"):
        wait_until(kube, MONITORS, namespace, name, has_said("Up"))
    wait_journal_empty(kube)
    return hourly


def slot_of(hourly: Object) -> str:
    """Return the newest slot of the CronJob."""
    return last_slot(hourly["spec"]["schedule"])


def let_happen(kube: Kube, apart: Apart, namespace: str, hourly: Object) -> None:
    """Create, change and delete what the operator cannot see now."""
    soon = moment(seconds=2)
    record_run(kube, hourly, "second", slot_of(hourly), **complete(soon, soon))
    later = moment(seconds=3)
    record_run(kube, hourly, "third", slot_of(hourly), **failed(soon, later))
    for _ in range(2):
        send(kube, apart.url, namespace, "pinged", f"/fail?rid={uuid4()}")
    kube.create(ping_monitor(namespace, "created", interval="24h"))
    change(kube, MONITORS, namespace, "edited", {"spec": {"suspend": True}})
    kube.create(cron_job(namespace, "late", schedule=RARELY))
    kube.delete(CRON_JOBS, namespace, "doomed")


def check_jobs(kube: Kube, apart: Apart, namespace: str) -> None:
    """Check that the Jobs that were known and those that were not count once."""
    name = "hourly-cronjob"
    found: Any = wait_until(kube, MONITORS, namespace, name, has_said("Down"))
    assert outcomes(found) == ["failure", "success", "success"]
    assert found["status"]["consecutiveFailures"] == 1
    assert condition_of(found, "Healthy")["reason"] == "RunFailed"
    assert len(found["status"]["history"]) == len(apart.line_ids(namespace, name))
    assert reasons(kube, namespace, name) == ["RunFailed"]


def check_pings(kube: Kube, apart: Apart, namespace: str) -> None:
    """Check that the segments stored meanwhile are applied once, and deleted."""
    wait_journal_empty(kube)
    found: Any = wait_until(kube, MONITORS, namespace, "pinged", has_said("Down"))
    assert outcomes(found) == ["failure", "failure", "success"]
    assert found["status"]["consecutiveFailures"] == 2
    told = apart.line_ids(namespace, "pinged")
    assert len(told) == len(set(told)) == 3
    assert reasons(kube, namespace, "pinged") == ["RunFailed"]


def check_monitors(kube: Kube, namespace: str) -> None:
    """Check that kopf told of what was created and of what was changed."""
    wait_until(kube, MONITORS, namespace, "created", has_said("New"))
    wait_until(kube, MONITORS, namespace, "edited", has_said("Paused"))


def check_cron_jobs(kube: Kube, namespace: str) -> None:
    """Check that a new CronJob is monitored, and that one is known to be gone."""
    wait_until(kube, MONITORS, namespace, "late-cronjob", has_said("New"))

    def is_orphaned(found: Object | None) -> bool:
        ready = condition_of(found or {}, "Ready")
        return (ready["status"], ready["reason"]) == ("False", "CronJobNotFound")

    wait_until(kube, MONITORS, namespace, "of-doomed", is_orphaned)


def check_new_watches(kube: Kube, apart: Apart, namespace: str, hourly: Object) -> None:
    """Check that both roles go on from there: a Job, a ping, an edit are heard of."""
    later = moment(seconds=4)
    record_run(kube, hourly, "fourth", slot_of(hourly), **complete(later, later))
    found: Any = wait_until(kube, MONITORS, namespace, "hourly-cronjob", has_said("Up"))
    assert outcomes(found) == ["success", "failure", "success", "success"]
    send(kube, apart.url, namespace, "created", f"?rid={uuid4()}")
    wait_until(kube, MONITORS, namespace, "created", has_said("Up"))
    change(kube, MONITORS, namespace, "edited", {"spec": {"suspend": False}})
    wait_until(kube, MONITORS, namespace, "edited", has_said("New"))


def reasons(kube: Kube, namespace: str, name: str) -> list[str]:
    """Return the reasons of the Events about a monitor."""
    found = kube.items(EVENTS, namespace)
    return [each["reason"] for each in found if each["regarding"].get("name") == name]
