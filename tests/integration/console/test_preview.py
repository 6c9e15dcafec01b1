"""`heartbeats preview` reads a real cluster, writes nothing, and the operator does so.

The cluster has no controllers: what runs left behind is written here. The API server's
own audit log tells what was asked of it.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from heartbeats.clock import SystemClock
from support.commands import Said, heartbeats
from support.control_plane import install
from support.kube import Kube, fresh_namespace, wait_until
from support.operators import account_kubeconfig, start_operator, stop_operator
from support.own_cluster import own_control_plane
from support.readers import Audit, reader
from support.resources import MONITORS, NAMESPACES, Object
from support.workloads import (
    annotate,
    complete,
    cron_job,
    cron_job_monitor,
    failed,
    ping_monitor,
    record_run,
    write_status,
)

pytestmark = pytest.mark.integration

READABLE = ("cronjobs", "jobs", "namespaces", "heartbeatmonitors")
HOUR = timedelta(hours=1)


class Bare:
    """A cluster of these tests alone, in which nothing of ours is installed."""

    def __init__(self, kube: Kube, admin: Path, audit: Audit) -> None:
        self.kube, self.admin, self.audit = kube, admin, audit


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    audit = Audit.in_folder(tmp_path_factory.mktemp("audit"))
    with (
        own_control_plane(audit.options) as plane,
        closing(Kube.from_kubeconfig(plane.kubeconfig)) as kube,
    ):
        yield Bare(kube, plane.kubeconfig, audit)


@pytest.fixture
def namespace(bare: Bare) -> Iterator[str]:
    with fresh_namespace(bare.kube) as name:
        yield name


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def newest_slot() -> datetime:
    """Return half an hour ago: far from both slots of an hourly schedule around."""
    now = SystemClock().now().replace(second=0, microsecond=0)
    return now - timedelta(minutes=30)


def hourly(slot_at: datetime) -> str:
    return f"{slot_at.minute} * * * *"


def with_run(kube: Kube, stored: Object, outcome: str, slot_at: datetime) -> None:
    """Leave a Job of a slot behind, and the CronJob's memory of it."""
    began, ended = written(slot_at), written(slot_at + timedelta(seconds=30))
    end = complete(began, ended) if outcome == "complete" else failed(began, ended)
    record_run(kube, stored, f"{stored['metadata']['name']}-run", began, **end)
    write_status(kube, stored, {"lastScheduleTime": began})


def fill(kube: Kube, namespace: str) -> None:
    """Create CronJobs of every kind that there is something to say about."""
    newest = newest_slot()
    annotate(kube, NAMESPACES, None, namespace, grace_period="7m")
    make = {
        "good": {},
        "bad": {"annotations": {"heartbeats.dev/max-runtime": "2h"}},
        "silent": {},
        "fresh": {"timeZone": "Europe/Berlin"},
        "impossible": {"schedule": "0 0 31 2 *"},
        "paused": {"suspend": True},
        "slip": {"annotations": {"heartbeats.dev/grace-period": "1d"}},
        "out": {"annotations": {"heartbeats.dev/monitor": "false"}},
    }
    stored = {
        name: kube.create(
            cron_job(namespace, name, **{"schedule": hourly(newest), **more})
        )
        for name, more in make.items()
    }
    with_run(kube, stored["good"], "complete", newest)
    with_run(kube, stored["bad"], "failed", newest)
    with_run(kube, stored["silent"], "complete", newest - 3 * HOUR)


def by_name(found: Said) -> dict[str, Object]:
    return {each["name"]: each for each in found.json["cronJobs"]}


def says(each: Object, when: str) -> str:
    return f"{each[when]['state']} {each[when]['reason']}"


def test_it_tells_everything_before_anything_is_installed_and_only_reads(
    bare: Bare, namespace: str, tmp_path: Path
) -> None:
    fill(bare.kube, namespace)
    with reader(bare.kube, bare.admin, tmp_path, *READABLE) as someone:
        found = heartbeats(someone.kubeconfig, "preview", "-o", "json")
        text = heartbeats(someone.kubeconfig, "preview", "-n", namespace, "-o", "wide")
        asked = bare.audit.of(someone.name)
    assert (found.code, found.err) == (0, "")
    assert found.json["isInstalled"] is False
    each = by_name(found)
    assert {name: (one["monitored"], one["because"]) for name, one in each.items()} == {
        **dict.fromkeys(each, (True, "Default")),
        "out": (False, "OptedOut"),
    }
    assert {
        name: says(one, "atFirst") for name, one in each.items() if name != "out"
    } == {
        **dict.fromkeys(
            ("good", "bad", "silent", "fresh", "slip"), "New NeverReported"
        ),
        "impossible": "Unknown InvalidSchedule",
        "paused": "Paused Paused",
    }
    lately = {name: says(one, "lately") for name, one in each.items() if name != "out"}
    assert lately == {
        "good": "Up OnSchedule",
        "bad": "Down RunFailed",
        "silent": "Down RunMissed",
        "fresh": "New NeverReported",
        "slip": "New NeverReported",
        "impossible": "Unknown InvalidSchedule",
        "paused": "Paused Paused",
    }
    assert each["bad"]["effective"]["maxRuntime"] == "2h"
    assert each["bad"]["effective"]["origins"]["gracePeriod"] == (
        "annotation on the Namespace"
    )
    assert each["fresh"]["effective"]["origins"]["timeZone"] == "CronJob"
    impossible, slip = found.json["notUnderstood"]
    assert "impossible: The schedule" in impossible
    assert "annotation heartbeats.dev/grace-period of the CronJob: the longest" in slip
    assert found.json["writes"]["monitorsCreated"] == 7
    assert text.code == 0
    assert (
        f"{namespace}/silent would be Down (RunMissed) had it been watched" in text.out
    )
    assert {verb for verb, _ in asked} == {"list", "get"}, asked
    assert any("heartbeatmonitors" in uri for _, uri in asked)


def test_a_missing_right_is_named_and_the_rest_is_told(
    bare: Bare, namespace: str, tmp_path: Path
) -> None:
    bare.kube.create(cron_job(namespace, "nightly"))
    with reader(bare.kube, bare.admin, tmp_path, "cronjobs", "jobs") as some:
        found = heartbeats(some.kubeconfig, "preview", "-o", "json")
    assert found.code == 1
    assert by_name(found)["nightly"]["monitored"] is True
    assert 'cannot list resource "namespaces"' in found.err
    assert "Annotations on Namespaces are not known" in found.err
    assert len(found.json["notConsidered"]) == 2
    with reader(bare.kube, bare.admin, tmp_path, "jobs") as none:
        found = heartbeats(none.kubeconfig, "preview")
    assert (found.code, found.out) == (1, "")
    assert 'cannot list resource "cronjobs"' in found.err
    assert "`-n NAMESPACE` asks for one namespace only" in found.err


def test_rights_in_one_namespace_suffice_for_it(
    bare: Bare, namespace: str, tmp_path: Path
) -> None:
    bare.kube.create(cron_job(namespace, "nightly"))
    with reader(bare.kube, bare.admin, tmp_path, *READABLE, namespace=namespace) as one:
        found = heartbeats(one.kubeconfig, "preview", "-n", namespace)
        everywhere = heartbeats(one.kubeconfig, "preview")
    assert (found.code, found.err) == (0, "")
    assert "nightly  yes" in found.out
    assert everywhere.code == 1


def test_no_cluster_is_said_in_a_sentence(tmp_path: Path, bare: Bare) -> None:
    text = bare.admin.read_text()
    gone = tmp_path / "gone"
    server = next(line for line in text.splitlines() if "server:" in line)
    gone.write_text(text.replace(server, "    server: https://127.0.0.1:1"))
    found = heartbeats(gone, "preview")
    assert (found.code, found.out) == (1, "")
    assert "no answer from the API server" in found.err
    assert "Is the cluster up" in found.err
    assert "Traceback" not in found.err


def test_the_operator_then_does_what_was_told(
    bare: Bare, namespace: str, tmp_path: Path
) -> None:
    """This one installs, so it comes last in this module's cluster."""
    install(bare.kube)
    fill(bare.kube, namespace)
    bare.kube.create(cron_job(namespace, "theirs", schedule=hourly(newest_slot())))
    bare.kube.create(cron_job_monitor(namespace, "by-hand", "theirs", gracePeriod="1m"))
    bare.kube.create(ping_monitor(namespace, "laptop", interval="24h"))
    flags = (
        "--cluster-time-zone",
        "America/New_York",
        "--exclude-namespaces",
        "default",
    )
    told = heartbeats(bare.admin, "preview", "-n", namespace, "-o", "json", *flags)
    assert (told.code, told.err) == (0, "")
    account = account_kubeconfig(
        bare.kube, bare.admin, tmp_path / "operator", "heartbeats-operator"
    )
    running = start_operator(account, tmp_path / "run", *flags)
    try:
        for each in told.json["cronJobs"]:
            if each["monitored"]:
                _compare(bare.kube, namespace, each)
        there = {
            each["metadata"]["name"] for each in bare.kube.items(MONITORS, namespace)
        }
    finally:
        stop_operator(running)
    expected = {each["monitor"] for each in told.json["cronJobs"] if each["monitored"]}
    assert there == expected | {"laptop"}
    assert told.json["writes"] == {
        "monitorsCreated": 7,
        "monitorsDeleted": 0,
        "statuses": 9,
        "secrets": 1,
    }
    assert by_name(told)["theirs"]["because"] == "MonitoredByUser"
    off = heartbeats(bare.admin, "preview", "-n", namespace, "--auto-monitor=off")
    assert "HeartbeatMonitors: 0 created, 7 deleted" in off.out


def _compare(kube: Kube, namespace: str, told: Object) -> None:
    """Compare what was told of a monitor with what the operator made of it."""
    stored = wait_until(
        kube,
        MONITORS,
        namespace,
        told["monitor"],
        lambda found: bool(found and found.get("status", {}).get("state")),
    )
    assert stored is not None
    status = stored["status"]
    assert status["state"] == told["atFirst"]["state"], told
    wanted = {key: text for key, text in told["effective"].items() if text is not None}
    assert wanted.items() <= status["effective"].items(), told
    assert status.get("nextExpectedTime") == told.get("nextDue"), told
    assert status.get("deadline") == told.get("deadline"), told
