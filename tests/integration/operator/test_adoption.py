"""Installing into a namespace full of old, broken CronJobs causes no storm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heartbeats.cluster import annotations
from support.kube import Kube, fresh_namespace, wait_until
from support.operators import RunningOperator, start_operator, stop_operator
from support.own_cluster import Own
from support.resources import CRON_JOBS, JOBS, MONITORS, Object
from support.workloads import (
    RARELY,
    complete,
    cron_job,
    failed,
    has_said,
    owned_by,
    ping_monitor,
    record_run,
    wait_for_any,
    warnings,
    write_status,
)

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

OLD = "2026-01-15T02:00:00Z"
OLD_END = "2026-01-15T02:00:09Z"
SLOTS = ("2026-01-13T02:00:00Z", "2026-01-14T02:00:00Z", OLD)
STUCK = {annotations.STUCK: "ImagePullBackOff"}


def test_old_broken_cron_jobs_are_new_or_paused_and_nobody_is_alarmed(
    own: Own, tmp_path: Path
) -> None:
    """What happened before the monitor is not its business: the next slot is.

    One CronJob is due within the minute, and hangs: it shows that the others are
    quiet because they may be, not because nobody looks.
    """
    kube = own.kube
    for left in kube.items(MONITORS):  # nobody has been here before
        kube.delete(MONITORS, left["metadata"]["namespace"], left["metadata"]["name"])
    with fresh_namespace(kube) as namespace:
        expected = {name: make(kube, namespace, name) for name, make in RUINS.items()}
        hanging = make_hanging(kube, namespace)
        operator = start_operator(own.operator, tmp_path)
        try:
            check_adopted(kube, operator, namespace, expected)
            check_next_slot(kube, namespace, hanging, expected)
        finally:
            stop_operator(operator)


def check_adopted(
    kube: Kube, operator: RunningOperator, namespace: str, expected: dict[str, str]
) -> None:
    """Check every word; then that no Warning was posted, none of them being due."""
    for name, word in expected.items():
        found: Any = wait_until(
            kube, MONITORS, namespace, f"{name}-cronjob", has_said(word)
        )
        status = found["status"]
        assert "incident" not in status, name
        assert status.get("consecutiveFailures", 0) == 0, name
        assert status.get("history", []) == [], name
        if word == "New":
            assert status["nextExpectedTime"] > status["source"]["armedSince"], name
        labels = {"namespace": namespace, "heartbeatmonitor": f"{name}-cronjob"}
        assert operator.series("heartbeat_monitor_state", state="Down", **labels) == 0
    pass_by(kube, namespace)
    assert set(alarms(kube, namespace)) == {("fence", "RunMissed")}
    for name in expected:
        lines = operator.lines(namespace, f"{name}-cronjob")
        assert "missing" not in {each["state"] for each in lines}, name


def pass_by(kube: Kube, namespace: str) -> None:
    """Return when a deadline has passed and was told: earlier ones were as well."""
    kube.create(
        ping_monitor(namespace, "fence", interval="24h", firstCheckInWithin="1s")
    )
    wait_until(kube, MONITORS, namespace, "fence", has_said("Down"))


def check_next_slot(
    kube: Kube, namespace: str, hanging: str, expected: dict[str, str]
) -> None:
    """Check that the one whose slot came is Down, and that it alone is."""
    found: Any = wait_until(
        kube, MONITORS, namespace, f"{hanging}-cronjob", has_said("Down"), timeout=110
    )
    incident = found["status"]["incident"]
    assert incident["slotTime"] > found["status"]["source"]["armedSince"]
    told = {monitor for monitor, _ in alarms(kube, namespace)}
    assert told == {f"{hanging}-cronjob", "fence"}
    for name, word in expected.items():
        found = kube.get(MONITORS, namespace, f"{name}-cronjob")
        assert found["status"]["state"] == word, name


def alarms(kube: Kube, namespace: str) -> list[tuple[str, str]]:
    """Return monitor and reason of every Warning, but of one that is no alarm.

    Whoever wrote a schedule that never fires may be told so at once.
    """
    told = [
        (each["regarding"]["name"], each["reason"])
        for each in warnings(kube, namespace)
    ]
    return [each for each in told if each != ("february-31-cronjob", "InvalidSchedule")]


# What stands there. Each returns the word that its monitor must say.

Maker = Callable[[Kube, str, str], str]


def plain(kube: Kube, namespace: str, name: str, **spec: Any) -> Object:
    """Create a CronJob whose next slot is far away."""
    return kube.create(cron_job(namespace, name, schedule=RARELY, **spec))


def with_failures_only(kube: Kube, namespace: str, name: str) -> str:
    stored = plain(kube, namespace, name, failedJobsHistoryLimit=10)
    for number, slot in enumerate(SLOTS):
        record_run(kube, stored, f"{name}-{number}", slot, **failed(slot, slot))
    return "New"


def whose_last_run_failed(kube: Kube, namespace: str, name: str) -> str:
    stored = plain(kube, namespace, name)
    record_run(kube, stored, f"{name}-good", SLOTS[0], **complete(SLOTS[0], SLOTS[0]))
    record_run(kube, stored, f"{name}-bad", OLD, **failed(OLD, OLD_END))
    return "New"


def suspended_long_ago(kube: Kube, namespace: str, name: str) -> str:
    stored = plain(kube, namespace, name, suspend=True)
    record_run(kube, stored, f"{name}-bad", OLD, **failed(OLD, OLD_END))
    write_status(kube, stored, {"lastScheduleTime": OLD})
    return "Paused"


def hung_under_forbid(kube: Kube, namespace: str, name: str) -> str:
    stored = plain(kube, namespace, name, concurrencyPolicy="Forbid")
    record_run(kube, stored, f"{name}-hung", OLD, startTime=OLD, active=1, ready=1)
    return "New"


def never_ready_under_forbid(kube: Kube, namespace: str, name: str) -> str:
    stored = plain(kube, namespace, name, concurrencyPolicy="Forbid")
    record_run(kube, stored, f"{name}-stuck", OLD, startTime=OLD, active=1)
    return "New"


def long_past_its_deadline(kube: Kube, namespace: str, name: str) -> str:
    settings = {"heartbeats.dev/max-runtime": "1s", "heartbeats.dev/grace-period": "0s"}
    stored = plain(
        kube,
        namespace,
        name,
        annotations=settings,
        job={"activeDeadlineSeconds": 1},
        concurrencyPolicy="Replace",
    )
    record_run(kube, stored, f"{name}-hung", OLD, startTime=OLD, active=1, ready=1)
    return "New"


def that_missed_many_slots(kube: Kube, namespace: str, name: str) -> str:
    # Its controller gave up on them: they are too old to be started.
    stored = plain(kube, namespace, name, startingDeadlineSeconds=10)
    write_status(kube, stored, {"lastScheduleTime": "2019-01-01T00:00:00Z"})
    return "New"


def that_never_ran(kube: Kube, namespace: str, name: str) -> str:
    plain(kube, namespace, name)
    return "New"


def started_by_hand(kube: Kube, namespace: str, name: str) -> str:
    stored = plain(kube, namespace, name)
    record_run(kube, stored, f"{name}-manual", "", **failed(OLD, OLD_END))
    return "New"


def that_never_fires(kube: Kube, namespace: str, name: str) -> str:
    kube.create(cron_job(namespace, name, schedule="* * 31 2 *"))
    return "Unknown"


RUINS: dict[str, Maker] = {
    "failures-only": with_failures_only,
    "last-failed": whose_last_run_failed,
    "suspended": suspended_long_ago,
    "hung": hung_under_forbid,
    "never-ready": never_ready_under_forbid,
    "overdue": long_past_its_deadline,
    "missed-many": that_missed_many_slots,
    "never-ran": that_never_ran,
    "by-hand": started_by_hand,
    "february-31": that_never_fires,
}


def has_active(cron_job: Object | None) -> bool:
    """Tell whether a CronJob says that a Job of it is under way."""
    return bool(cron_job and cron_job["status"].get("active"))


def make_hanging(kube: Kube, namespace: str) -> str:
    """Create a minutely CronJob that an old stuck run keeps from ever running."""
    stored = kube.create(
        cron_job(
            namespace,
            "hanging",
            pod_annotations=STUCK,
            annotations={"heartbeats.dev/grace-period": "5s"},
            concurrencyPolicy="Forbid",
        )
    )
    wait_for_any(kube, JOBS, namespace, owned_by("hanging"), timeout=70)
    wait_until(kube, CRON_JOBS, namespace, "hanging", has_active)
    name: str = stored["metadata"]["name"]
    return name
