"""`kubectl heartbeats`, called through the real kubectl, beside a running operator."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest

from heartbeats.cli.wait import TOO_LATE
from support.commands import Said, heartbeats, kubectl
from support.kube import Kube, wait_until
from support.operators import RunningOperator, ping_url
from support.readers import reader
from support.resources import MONITORS
from support.workloads import (
    RARELY,
    cron_job,
    has_said,
    ping_monitor,
    run_of,
)

pytestmark = pytest.mark.integration


class Plugin:
    """`kubectl heartbeats` in a namespace."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._kubeconfig, self._where = kubeconfig, ("-n", namespace)

    def __call__(self, command: str, *arguments: str) -> Said:
        where = () if "-A" in arguments else self._where
        return kubectl(self._kubeconfig, "heartbeats", command, *where, *arguments)


@pytest.fixture
def plugin(cluster: Path, operator: RunningOperator, namespace: str) -> Plugin:
    return Plugin(cluster, namespace)


def test_kubectl_knows_the_plugin_and_completes_it(
    kube: Kube, cluster: Path, namespace: str
) -> None:
    kube.create(ping_monitor(namespace, "laptop", interval="24h"))
    assert "kubectl-heartbeats" in kubectl(cluster, "plugin", "list").out
    usage = kubectl(cluster, "heartbeats", "explain", "--help").out
    assert usage.startswith("Usage: kubectl heartbeats explain [OPTIONS] [NAME]")
    assert "\n    kubectl heartbeats explain nightly -n shop\n" in usage
    words = kubectl(cluster, "__complete", "heartbeats", "ex").out.splitlines()
    assert words[0].startswith("explain\t")
    names = kubectl(
        cluster, "__complete", "heartbeats", "explain", "-n", namespace, "l"
    ).out
    assert names.splitlines() == ["laptop", ":4"]


def test_a_ping_monitor_from_its_first_ping_to_an_incident_and_back(
    kube: Kube, plugin: Plugin, namespace: str
) -> None:
    kube.create(ping_monitor(namespace, "laptop", interval="24h"))
    url = ping_url(kube, namespace, "laptop")
    assert plugin("url", "laptop").out == f"{url}\n"
    new = plugin("explain", "laptop").out
    assert f"{namespace}/laptop is New since" in new
    assert "It becomes Up with the first success ping." in new

    with ThreadPoolExecutor(1) as waiting:
        heard = waiting.submit(
            plugin, "wait", "laptop", "--for=check-in", "--timeout=60s"
        )
        wait_until(kube, MONITORS, namespace, "laptop", bool)
        while not heard.done():
            assert plugin("ping", "laptop").code == 0
        assert (heard.result().code, heard.result().err) == (0, "")
    assert plugin("wait", "laptop", "--for=up", "--timeout=60s").code == 0

    with ThreadPoolExecutor(1) as waiting:
        down = waiting.submit(plugin, "wait", "laptop", "--for=down", "--timeout=60s")
        urlopen(f"{url}/3", timeout=30).close()  # noqa: S310 - our own service
        assert (down.result().code, down.result().err) == (0, "")
    assert f"{namespace}/laptop is Down since" in down.result().out
    assert "RunFailed: The run failed with exit code 3" in down.result().out
    told = plugin("explain", "laptop", "-o", "json").json
    assert (told["state"], told["reason"]) == ("Down", "RunFailed")
    assert told["cure"] == "It recovers with the next success ping."

    urlopen(url, timeout=30).close()  # noqa: S310 - our own service
    up = plugin("wait", "laptop", "--timeout=60s")
    assert f"{namespace}/laptop is Up since" in up.out


def test_the_cure_that_is_told_works(
    kube: Kube, plugin: Plugin, namespace: str
) -> None:
    """A run that somebody starts by hand ends the incident of a CronJob."""
    exits = {"kwok.heartbeats.dev/exit-code": "3"}
    broken = cron_job(namespace, "nightly", pod_annotations=exits)
    kube.create(broken)
    name = "nightly-cronjob"
    wait_until(kube, MONITORS, namespace, name, has_said("Down"), timeout=150)
    listed = plugin("list", "--state=Down,Unknown").out.splitlines()
    assert listed[0].split()[:2] == ["NAME", "STATE"]
    assert listed[1].split()[:3] == [name, "Down", "RunFailed"]
    assert plugin("list", "--state=Up", "-o", "name").out == ""
    everywhere = plugin("list", "-A", "-o", "name").out
    assert f"heartbeatmonitor.heartbeats.dev/{name}\n" in everywhere
    told = plugin("explain").out
    assert (
        "It recovers with the next successful run, scheduled or started by hand."
        in told
    )

    text = plugin("describe", name).out
    assert "Source:        CronJob nightly" in text
    assert "Schedule:            * * * * * (from: CronJob)" in text
    assert "✗" in text
    assert "Warning  RunFailed" in text

    healed = cron_job(namespace, "nightly", schedule=RARELY)
    stored = kube.apply(healed, manager="tests-heal")
    template = stored["spec"]["jobTemplate"]["spec"]["template"]
    template["metadata"]["annotations"] = {}
    with ThreadPoolExecutor(1) as waiting:
        up = waiting.submit(plugin, "wait", name, "--for=up", "--timeout=120s")
        kube.create(run_of(stored, "by-hand", ""))
        assert (up.result().code, up.result().err) == (0, "")


def test_waiting_ends_when_the_time_is_up(
    kube: Kube, plugin: Plugin, namespace: str
) -> None:
    kube.create(ping_monitor(namespace, "laptop", interval="24h"))
    wait_until(kube, MONITORS, namespace, "laptop", has_said("New"))
    late = plugin("wait", "laptop", "--for=success", "--timeout=1s")
    assert (late.code, late.out) == (TOO_LATE, "")
    assert f"not success within 1s: {namespace}/laptop is New since" in late.err
    once = plugin("wait", "laptop", "--for=down", "--timeout=0s")
    assert once.code == TOO_LATE


def test_what_cannot_be_done_is_said_in_sentences(
    kube: Kube, cluster: Path, plugin: Plugin, namespace: str, tmp_path: Path
) -> None:
    name = f"laptop-{namespace}"  # a name no test beside this one may have used
    kube.create(ping_monitor(namespace, name, interval="24h"))
    near = plugin("explain", f"{name}p")
    assert (near.code, near.out) == (1, "")
    assert near.err == (
        f"heartbeats: There is no HeartbeatMonitor {name}p in namespace {namespace}. "
        f"Did you mean {name}?\n"
    )
    elsewhere = heartbeats(cluster, "describe", name, "-n", "default")
    assert elsewhere.code == 1
    assert f"There is {namespace}/{name}" in elsewhere.err
    empty = heartbeats(cluster, "list", "-n", "kube-public")
    assert (empty.code, empty.out) == (0, "")
    assert empty.err == (
        "There are no monitors in namespace kube-public; -A looks in all.\n"
    )
    with reader(kube, cluster, tmp_path, "jobs") as nobody:
        for command in (("list", "-A"), ("explain", f"{namespace}/{name}")):
            refused = heartbeats(nobody.kubeconfig, *command)
            assert (refused.code, refused.out) == (1, "")
            assert "You lack a right: heartbeatmonitors.heartbeats.dev" in refused.err
            assert "ClusterRole heartbeats-view" in refused.err


def test_a_right_to_read_monitors_is_enough(
    kube: Kube, cluster: Path, operator: RunningOperator, namespace: str, tmp_path: Path
) -> None:
    kube.create(ping_monitor(namespace, "laptop", interval="24h"))
    wait_until(kube, MONITORS, namespace, "laptop", has_said("New"))
    with reader(kube, cluster, tmp_path, "heartbeatmonitors") as someone:
        listed = heartbeats(someone.kubeconfig, "list", "-A")
        text = heartbeats(someone.kubeconfig, "describe", f"{namespace}/laptop")
    assert listed.code == 0
    assert (text.code, text.err) == (0, "")
    assert "Events:\n  not readable: events is forbidden" in text.out
