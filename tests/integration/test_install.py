"""What is shipped, installed by kubectl on a real API server, works and goes again.

The pods that the Deployments make are simulated; the same commands run as processes,
under the accounts and with the arguments of these pods.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from heartbeats.cluster import annotations
from heartbeats.cluster.progress import Progress
from support.control_plane import ROOT, SYSTEM
from support.foreign_crds import foreign_crds
from support.kube import Kube, RefusedError, fresh_namespace, wait_until
from support.kubectl import Kubectl, rendered
from support.operators import account_kubeconfig, ping_url
from support.own_cluster import own_control_plane
from support.processes import Process, ask, until_answers
from support.programs import CommandError
from support.resources import (
    BUDGETS,
    CONFIG_MAPS,
    CRON_JOBS,
    MONITORS,
    NAMESPACES,
    PODS,
    QUOTAS,
    Object,
    read_manifests,
)
from support.restarts import HEALTH, OPENED, PATIENCE, PINGS
from support.shipped import run_shipped
from support.workloads import condition_of, cron_job, has_said, ping_monitor, told

pytestmark = pytest.mark.integration

A_MINUTE = 100.0
"""Seconds in which a minutely CronJob has certainly run."""

METRICS = r'The metrics listener is at ([^\s"]+)'
SERVER_SIDE = ("apply", "--server-side")
DRY = (*SERVER_SIDE, "--dry-run=server", "--force-conflicts")


@dataclass(frozen=True, slots=True)
class Installed:
    """A cluster into which kubectl has put Heartbeats."""

    kube: Kube
    kubectl: Kubectl
    kubeconfig: Path
    said: str
    """What kubectl wrote while it installed."""

    def deployments(self) -> list[Object]:
        """Return the Deployments as they are stored."""
        stored = self.kubectl("-n", SYSTEM, "get", "deployments", "-o", "json")
        found: list[Object] = json.loads(stored)["items"]
        return found


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    """Install as the README says."""
    with (
        own_control_plane() as plane,
        closing(Kube.from_kubeconfig(plane.kubeconfig)) as kube,
    ):
        kubectl = Kubectl(plane.kubeconfig)
        crds = kubectl(*SERVER_SIDE, "-k", str(ROOT / "crds"))
        rest = kubectl(*SERVER_SIDE, "-k", str(ROOT / "manifests"))
        for role in ("operator", "ping"):
            wait_rolled_out(kubectl, role)
        yield Installed(kube, kubectl, plane.kubeconfig, crds + rest)


def wait_rolled_out(kubectl: Kubectl, role: str) -> None:
    """Return when every pod of a role is there and ready: the cluster took them."""
    try:
        kubectl(
            *("-n", SYSTEM, "rollout", "status"),
            *(f"deployment/heartbeats-{role}", "--timeout=90s"),
        )
    except CommandError as error:
        raise AssertionError(kubectl("-n", SYSTEM, "describe", "pods")) from error


@contextmanager
def running(installed: Installed, folder: Path) -> Iterator[tuple[Process, Process]]:
    """Run both roles as they are shipped."""
    shipped = installed.deployments()
    accounts = [
        account_kubeconfig(
            installed.kube, installed.kubeconfig, folder / role, f"heartbeats-{role}"
        )
        for role in ("operator", "ping")
    ]
    with (
        run_shipped(shipped, "operator", accounts[0]) as operator,
        run_shipped(shipped, "ping", accounts[1]) as pings,
    ):
        operator.wait_for(OPENED, within=PATIENCE)
        for each in (operator, pings):
            until_answers(f"{each.wait_for(HEALTH)}/readyz", within=PATIENCE)
        yield operator, pings


def test_nothing_is_said_against_the_manifests(installed: Installed) -> None:
    """Neither of a wrong field nor of a pod that the restricted profile refuses."""
    assert "arning" not in installed.said
    assert len(installed.said.splitlines()) > 20


def test_the_main_scenario_with_the_shipped_arguments_accounts_and_rights(
    installed: Installed, tmp_path: Path
) -> None:
    kube = installed.kube
    with (
        fresh_namespace(kube) as namespace,
        running(installed, tmp_path) as (operator, pings),
    ):
        failing = {annotations.EXIT_CODE: "3", annotations.MESSAGE: "disk full"}
        kube.create(cron_job(namespace, "good"))
        kube.create(cron_job(namespace, "bad", pod_annotations=failing))
        kube.create(cron_job(namespace, "asleep", suspend=True))
        check_an_incident_of_a_job_that_pings(kube, namespace, operator, pings)
        where = (kube, MONITORS, namespace)
        wait_until(*where, "asleep-cronjob", has_said("Paused"), timeout=A_MINUTE)
        wait_until(*where, "good-cronjob", has_said("Up"), timeout=A_MINUTE)
        down = wait_until(*where, "bad-cronjob", has_said("Down"), timeout=A_MINUTE)
        assert down is not None
        assert condition_of(down, "Healthy")["reason"] == "RunFailed"
        assert "disk full" in told(kube, namespace, "bad-cronjob", "RunFailed")["note"]
        check_the_journal_is_emptied(kube)
        for process in (operator, pings):
            assert "orbidden" not in process.said
            assert "Traceback" not in process.said
            assert process.end() == 0


def check_an_incident_of_a_job_that_pings(
    kube: Kube, namespace: str, operator: Process, pings: Process
) -> None:
    """Check its whole life: a ping, silence, Down in status, Event, gauge, recovery."""
    kube.create(ping_monitor(namespace, "backup", interval="20s", gracePeriod="20s"))
    url = urlsplit(ping_url(kube, namespace, "backup"))
    assert url.netloc == f"heartbeats-ping.{SYSTEM}.svc:8080"
    here = pings.wait_for(PINGS) + url.path
    for state in ("Up", "Late", "Down", "Up"):
        if state == "Up":
            assert until_answers(here) == b"OK"
        where = (kube, MONITORS, namespace, "backup")
        wait_until(*where, has_said(state), timeout=PATIENCE)
        if state == "Down":
            labels = f'namespace="{namespace}",heartbeatmonitor="backup"'
            _, text = ask(f"{operator.wait_for(METRICS)}/metrics")
            series = f'heartbeat_monitor_state{{{labels},state="Down"}} 1'
            assert series in text.decode()
    assert told(kube, namespace, "backup", "RunMissed")["type"] == "Warning"
    assert told(kube, namespace, "backup", "Recovered")["type"] == "Normal"


def check_the_journal_is_emptied(kube: Kube) -> None:
    """Check that what was applied is deleted: that needs a right of its own."""
    for each in kube.items(CONFIG_MAPS, SYSTEM):
        name = each["metadata"]["name"]
        if name.startswith("heartbeats-journal-"):
            wait_until(kube, CONFIG_MAPS, SYSTEM, name, lambda one: one is None)


OVERLAYS = ["overlays/replicas", "overlays/no-secrets", ""]


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda each: each or "all")
def test_the_server_takes_each_way_to_install(
    installed: Installed, folder: str
) -> None:
    source = str(ROOT / "manifests" / folder)
    said = installed.kubectl(*DRY, "-k", source)
    assert "arning" not in said
    assert "deployment.apps/heartbeats-ping serverside-applied" in said


def test_the_server_takes_the_single_file(installed: Installed) -> None:
    single = str(ROOT / "manifests" / "install.yaml")
    said = installed.kubectl(*DRY, "-f", single)
    assert "arning" not in said
    listed = [*rendered(ROOT / "crds"), *rendered(ROOT / "manifests")]
    assert said.count(" serverside-applied") == len(listed)


def test_the_server_takes_the_install_for_one_namespace(installed: Installed) -> None:
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    installed.kubectl("create", "namespace", "my-team")
    installed.kubectl("label", "namespace", "my-team", restricted)
    overlay = str(ROOT / "manifests" / "overlays" / "namespaced")
    said = installed.kubectl(*DRY, "-k", overlay)
    assert "arning" not in said
    assert said.count(" serverside-applied") == len(rendered(Path(overlay)))


def test_without_a_right_to_secrets_elsewhere(
    installed: Installed, tmp_path: Path
) -> None:
    """No role and no argument is left that would write one; all else is as it was."""
    plain = {key(each): each for each in rendered(ROOT / "manifests")}
    without = {
        key(each): each
        for each in rendered(ROOT / "manifests" / "overlays" / "no-secrets")
    }
    gone = {
        ("ClusterRole", "heartbeats-ping-secrets"),
        ("ClusterRoleBinding", "heartbeats-ping-secrets"),
    }
    assert plain.keys() - without.keys() == gone
    changed = {each for each in without if without[each] != plain[each]}
    assert changed == {("Deployment", "heartbeats-operator")}
    [container] = without[changed.pop()]["spec"]["template"]["spec"]["containers"]
    assert container["args"][-1] == "--no-ping-secrets"


def key(manifest: Object) -> tuple[str, str]:
    """Name an object."""
    return manifest["kind"], manifest["metadata"]["name"]


SAMPLES = ["ingress", "httproute", "networkpolicy"]


@pytest.fixture(scope="module")
def foreign(installed: Installed) -> None:
    """Define what other projects define."""
    for file in foreign_crds(Progress(sys.stderr)).iterdir():
        installed.kubectl(*SERVER_SIDE, "-f", str(file))
        [definition] = read_manifests(file)
        name = definition["metadata"]["name"]
        installed.kubectl("wait", "--for=condition=Established", f"crd/{name}")


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_server_takes_the_samples(
    installed: Installed, foreign: None, sample: str
) -> None:
    source = ROOT / "manifests" / "samples" / "cluster" / f"{sample}.yaml"
    said = installed.kubectl(*DRY, "-f", str(source))
    assert "arning" not in said


def test_the_server_takes_what_is_for_the_prometheus_operator(
    installed: Installed, foreign: None
) -> None:
    overlay = ROOT / "manifests" / "overlays" / "prometheus-operator"
    said = installed.kubectl(*DRY, "-k", str(overlay))
    assert "arning" not in said
    assert said.count(" serverside-applied") == len(rendered(overlay))


def test_the_quota_counts_monitors(installed: Installed, tmp_path: Path) -> None:
    """One is refused when there are as many as the quota allows."""
    kube = installed.kube
    sample = ROOT / "manifests" / "samples" / "cluster" / "resourcequota.yaml"
    with fresh_namespace(kube) as namespace:
        mine = tmp_path / "quota.yaml"
        text = sample.read_text().replace("my-team", namespace)
        mine.write_text(text.replace('"100"', '"1"'))
        put_in_force(installed, namespace, mine)
        kube.create(ping_monitor(namespace, "first", interval="24h"))
        with pytest.raises(RefusedError, match="exceeded quota"):
            kube.create(ping_monitor(namespace, "second", interval="24h"))


def put_in_force(installed: Installed, namespace: str, quota: Path) -> None:
    """Apply a quota until it counts monitors.

    Its controller looks for new kinds twice a minute, and looks again at a quota that
    is older than they are after five minutes only.
    """
    for _ in range(12):
        installed.kubectl("apply", "-f", str(quota))
        where = (installed.kube, QUOTAS, namespace, "heartbeatmonitors")
        with suppress(TimeoutError):
            wait_until(*where, counts_monitors, timeout=10)
            return
        installed.kubectl("delete", "-f", str(quota))
    raise TimeoutError("the quota's controller does not find monitors")


def counts_monitors(quota: Object | None) -> bool:
    """Tell whether the quota's controller has found the kind, which it looks for."""
    used = (quota or {}).get("status", {}).get("used", {})
    return "count/heartbeatmonitors.heartbeats.dev" in used


@pytest.mark.parametrize("role", ["operator", "ping"])
@pytest.mark.parametrize(("overlay", "replicas"), [("", 1), ("overlays/replicas", 2)])
def test_a_drain_is_never_blocked_and_takes_one_replica_at_a_time(
    installed: Installed, role: str, overlay: str, replicas: int
) -> None:
    source = str(ROOT / "manifests" / overlay)
    installed.kubectl(*SERVER_SIDE, "--force-conflicts", "-k", source)
    budgets = ROOT / "manifests" / "components" / "replicas"
    installed.kubectl("apply", "-f", str(budgets / "poddisruptionbudgets.yaml"))
    wait_rolled_out(installed.kubectl, role)
    pods = pods_of(installed.kube, role)
    assert len(pods) == replicas
    wait_until(
        installed.kube,
        BUDGETS,
        SYSTEM,
        f"heartbeats-{role}",
        lambda found: allows(found, pods=replicas),
        timeout=PATIENCE,
    )
    evict(installed.kube, pods[0])
    wait_rolled_out(installed.kubectl, role)


def leaves(pod: Object) -> bool:
    """Tell whether a pod was asked to go."""
    return "deletionTimestamp" in pod["metadata"]


def allows(budget: Object | None, *, pods: int) -> bool:
    """Tell whether a budget has counted that many pods and lets one go, not two."""
    status = (budget or {}).get("status", {})
    wanted = {"currentHealthy": pods, "desiredHealthy": pods - 1}
    return {**wanted, "disruptionsAllowed": 1}.items() <= status.items()


def pods_of(kube: Kube, role: str) -> list[str]:
    """Return the names of a role's pods that are to stay."""
    return [
        each["metadata"]["name"]
        for each in kube.items(PODS, SYSTEM)
        if each["metadata"]["labels"]["app.kubernetes.io/component"] == role
        and not leaves(each)
    ]


def evict(kube: Kube, pod: str) -> None:
    """Ask a pod to leave, as a drain does."""
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": SYSTEM},
    }
    kube.send("POST", PODS.path(SYSTEM, pod, "eviction"), body)


def test_uninstalling_keeps_monitors_and_jobs(installed: Installed) -> None:
    """It comes last here: what it takes away, it puts back."""
    kube, kubectl = installed.kube, installed.kubectl
    with fresh_namespace(kube) as namespace:
        kube.create(ping_monitor(namespace, "mine", interval="24h"))
        kube.create(cron_job(namespace, "job"))
        kubectl("delete", "-k", str(ROOT / "manifests"), "--timeout=90s")
        assert SYSTEM not in {e["metadata"]["name"] for e in kube.items(NAMESPACES)}
        assert kube.get(MONITORS, namespace, "mine")
        assert kube.get(CRON_JOBS, namespace, "job")
        kubectl(*SERVER_SIDE, "-k", str(ROOT / "manifests"))
