"""Every CronJob gets a monitor, unless somebody decided otherwise."""

from typing import Any

import pytest

from support.kube import Kube, wait_until
from support.operators import RunningOperator, ping_url
from support.resources import CRON_JOBS, MONITORS, NAMESPACES, Object
from support.workloads import (
    RARELY,
    annotate,
    change,
    condition_of,
    cron_job,
    cron_job_monitor,
    is_gone,
    ping_monitor,
    state_is,
)

pytestmark = pytest.mark.integration


def test_our_monitor_is_owned_labelled_and_says_nothing_of_policy(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """It dies with its CronJob, is no drift to Argo CD, and leaves policy to levels."""
    owner = kube.create(
        cron_job(
            namespace,
            "nightly",
            schedule=RARELY,
            annotations={"heartbeats.dev/grace-period": "7m", "private": "secret"},
        )
    )
    found = wait_monitor(kube, namespace, "nightly")
    metadata = found["metadata"]
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "name": "nightly",
            "uid": owner["metadata"]["uid"],
            "controller": True,
        }
    ]
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "heartbeats"
    assert metadata["annotations"] == {
        "argocd.argoproj.io/ignore-resource-updates": "true"
    }
    assert found["spec"] == {"cronJob": {"name": "nightly"}}
    assert found["status"]["effective"]["gracePeriod"] == "7m"
    assert "finalizers" not in metadata


def test_a_cron_job_opts_out_and_in_again(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """The annotation rules at any time: level, not the order of events, decides."""
    kube.create(
        cron_job(
            namespace,
            "shy",
            schedule=RARELY,
            annotations={"heartbeats.dev/monitor": "false"},
        )
    )
    pass_by(kube, namespace)
    assert monitor_of(kube, namespace, "shy") is None
    annotate(kube, CRON_JOBS, namespace, "shy", monitor=None)
    first = wait_monitor(kube, namespace, "shy")
    annotate(kube, CRON_JOBS, namespace, "shy", monitor="false")
    wait_until(kube, MONITORS, namespace, "shy-cronjob", is_gone)
    annotate(kube, CRON_JOBS, namespace, "shy", monitor="true")
    second = wait_monitor(kube, namespace, "shy")
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


def test_a_namespace_opts_out_and_a_cron_job_in_it_goes_first(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """What is written on the CronJob beats what is written on its Namespace."""
    kube.create(cron_job(namespace, "plain", schedule=RARELY))
    wait_monitor(kube, namespace, "plain")
    annotate(kube, NAMESPACES, None, namespace, monitor="false")
    wait_until(kube, MONITORS, namespace, "plain-cronjob", is_gone)
    kube.create(cron_job(namespace, "later", schedule=RARELY))
    pass_by(kube, namespace)  # it says "true" itself
    assert monitor_of(kube, namespace, "later") is None
    annotate(kube, NAMESPACES, None, namespace, monitor=None)
    for name in ("plain", "later"):
        wait_monitor(kube, namespace, name)


def test_a_monitor_that_a_user_wrote_takes_the_place_of_ours(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """One monitor a CronJob: the user's, and ours again when the user's is gone."""
    kube.create(cron_job(namespace, "nightly", schedule=RARELY))
    wait_monitor(kube, namespace, "nightly")
    kube.create(cron_job_monitor(namespace, "mine", "nightly", gracePeriod="1h"))
    wait_until(kube, MONITORS, namespace, "nightly-cronjob", is_gone)
    found: Any = wait_until(kube, MONITORS, namespace, "mine", state_is("New"))
    assert found["status"]["effective"]["gracePeriod"] == "1h"
    pass_by(kube, namespace)
    assert monitor_of(kube, namespace, "nightly") is None
    kube.delete(MONITORS, namespace, "mine")
    wait_monitor(kube, namespace, "nightly")


def test_a_users_field_on_ours_stays(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Reconciling adds what is missing and takes nothing back."""
    kube.create(cron_job(namespace, "nightly", schedule=RARELY))
    before = wait_monitor(kube, namespace, "nightly")
    wanted = {"gracePeriod": "42m", "severity": "critical"}
    patch = {"spec": wanted, "metadata": {"labels": {"team": "shop"}}}
    change(kube, MONITORS, namespace, "nightly-cronjob", patch)
    annotate(kube, CRON_JOBS, namespace, "nightly", grace_period="9m", owner="shop")

    def follows(found: Object | None) -> bool:
        effective = (found or {}).get("status", {}).get("effective", {})
        return (effective.get("gracePeriod"), effective.get("owner")) == ("42m", "shop")

    wait_until(kube, MONITORS, namespace, "nightly-cronjob", follows)
    pass_by(kube, namespace)
    after = kube.get(MONITORS, namespace, "nightly-cronjob")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == {"cronJob": {"name": "nightly"}, **wanted}
    assert after["metadata"]["labels"]["team"] == "shop"
    labels = {"namespace": namespace, "heartbeatmonitor": "nightly-cronjob"}
    info = operator.series("heartbeat_monitor_info", severity="critical", **labels)
    assert info == 1


def test_a_cron_job_made_anew_is_monitored_anew(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Ours dies with its CronJob; the next of that name gets one of its own."""
    kube.create(cron_job(namespace, "nightly", schedule=RARELY))
    first = wait_monitor(kube, namespace, "nightly")
    kube.delete(CRON_JOBS, namespace, "nightly")
    again = kube.create(cron_job(namespace, "nightly", schedule=RARELY))

    def is_of_the_new_one(found: Object | None) -> bool:
        owners = (found or {}).get("metadata", {}).get("ownerReferences", [])
        return [one["uid"] for one in owners] == [again["metadata"]["uid"]]

    second = wait_until(
        kube, MONITORS, namespace, "nightly-cronjob", is_of_the_new_one, timeout=60
    )
    assert second is not None
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    found: Any = wait_until(
        kube, MONITORS, namespace, "nightly-cronjob", state_is("New")
    )
    assert condition_of(found, "Ready")["reason"] == "Accepted"


def test_ours_goes_with_its_cron_job_and_a_users_stays_armed(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Whoever wrote a monitor is told that its CronJob is gone."""
    for name in ("ours", "theirs"):
        kube.create(cron_job(namespace, name, schedule=RARELY))
        wait_monitor(kube, namespace, name)
    kube.create(cron_job_monitor(namespace, "kept", "theirs"))
    wait_until(kube, MONITORS, namespace, "theirs-cronjob", is_gone)
    wait_until(kube, MONITORS, namespace, "kept", state_is("New"))
    for name in ("ours", "theirs"):
        kube.delete(CRON_JOBS, namespace, name)
    wait_until(kube, MONITORS, namespace, "ours-cronjob", is_gone, timeout=60)

    def is_orphaned(found: Object | None) -> bool:
        return found is not None and condition_of(found, "Ready")["status"] == "False"

    found: Any = wait_until(kube, MONITORS, namespace, "kept", is_orphaned)
    assert condition_of(found, "Ready")["reason"] == "CronJobNotFound"
    assert found["status"]["effective"]["schedule"] == RARELY
    assert "deadline" in found["status"]


def test_a_name_that_is_taken_by_something_else_is_left_alone(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """Somebody's own `<name>-cronjob` stays; once it is gone, ours comes."""
    stranger = kube.create(ping_monitor(namespace, "nightly-cronjob", interval="24h"))
    kube.create(cron_job(namespace, "nightly", schedule=RARELY))
    pass_by(kube, namespace)
    found = kube.get(MONITORS, namespace, "nightly-cronjob")
    assert found["metadata"]["uid"] == stranger["metadata"]["uid"]
    assert found["spec"] == stranger["spec"]
    assert not found["metadata"].get("ownerReferences")
    kube.delete(MONITORS, namespace, "nightly-cronjob")
    ours = wait_monitor(kube, namespace, "nightly")
    assert ours["metadata"]["ownerReferences"][0]["name"] == "nightly"


def test_a_terminating_namespace_makes_no_noise(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    """No monitor can be created in it: that is no error, and nobody insists."""
    dying = f"{namespace}-dying"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": dying}})
    held = cron_job(dying, "nightly", schedule=RARELY)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    kube.create(held)
    wait_monitor(kube, dying, "nightly")
    kube.create(ping_monitor(dying, "backup", interval="24h"))
    ping_url(kube, dying, "backup")
    try:
        kube.delete(NAMESPACES, None, dying)
        wait_until(kube, MONITORS, dying, "nightly-cronjob", is_gone, timeout=60)
        # The CronJob is still there, wants a monitor, and changes.
        for turn in range(3):
            annotate(kube, CRON_JOBS, dying, "nightly", owner=f"team-{turn}")
        pass_by(kube, namespace)
        noise = [line for line in operator.log.splitlines() if dying in line]
    finally:
        let_go = {"metadata": {"finalizers": None}}
        change(kube, CRON_JOBS, dying, "nightly", let_go)
    wait_until(kube, NAMESPACES, None, dying, is_gone, timeout=60)
    assert noise == []


def monitor_of(kube: Kube, namespace: str, cron_job_name: str) -> Object | None:
    """Return our monitor of a CronJob, if there is one."""
    name = f"{cron_job_name}-cronjob"
    found = (
        i for i in kube.items(MONITORS, namespace) if i["metadata"]["name"] == name
    )
    return next(found, None)


def wait_monitor(kube: Kube, namespace: str, cron_job_name: str) -> Any:
    """Wait until a CronJob has our monitor, and it has its first word."""
    return wait_until(
        kube, MONITORS, namespace, f"{cron_job_name}-cronjob", state_is("New")
    )


def pass_by(kube: Kube, namespace: str) -> None:
    """Return when all that happened before has been looked at.

    CronJobs are looked at in the order of their changes: a new one's monitor is there
    after everything before it.
    """
    name = f"fence-{len(kube.items(CRON_JOBS, namespace))}"
    wanted = {"heartbeats.dev/monitor": "true"}
    kube.create(cron_job(namespace, name, schedule=RARELY, annotations=wanted))
    wait_monitor(kube, namespace, name)
