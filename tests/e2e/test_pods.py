"""The shipped manifests as real pods: containerd, a kubelet, the built image.

`make test-e2e` makes ready what they need and runs them without a network.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from heartbeats.cluster.record import EVERYTHING, Component, Options
from support.control_plane import ROOT, SYSTEM
from support.image.debian import missing
from support.kube import Kube, fresh_namespace, wait_until
from support.kubectl import Kubectl
from support.node.ahead import IMAGE, READY, Prepared
from support.node.node import Node, running_node
from support.operators import ping_url
from support.own_cluster import own_control_plane
from support.processes import ask, until_answers
from support.programs import CommandError
from support.resources import MONITORS, PODS, Object
from support.workloads import condition_of, cron_job, has_said, ping_monitor, told

pytestmark = pytest.mark.e2e

A_MINUTE = 150.0
"""Seconds in which a minutely CronJob has certainly run."""

NOT_SIMULATED = tuple(each for each in EVERYTHING if each is not Component.KWOK)


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster with a real node, and Heartbeats in it."""

    kube: Kube
    kubectl: Kubectl
    node: Node

    def pod(self, role: str) -> Object:
        """Return the one pod of a role that is to stay."""
        [found] = [
            each
            for each in self.kube.items(PODS, SYSTEM)
            if each["metadata"]["labels"]["app.kubernetes.io/component"] == role
            and "deletionTimestamp" not in each["metadata"]
        ]
        return found


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Bring up a node and install as the README says."""
    if why_not := missing():
        pytest.skip(f"there can be no real node here: {why_not}")
    if READY not in os.environ:
        pytest.skip("nothing was made ready: run `make test-e2e`")
    prepared = Prepared(Path(os.environ[READY]))
    options = Options(components=NOT_SIMULATED)
    with (
        tempfile.TemporaryDirectory(prefix="hb-") as home,
        own_control_plane(options) as plane,
        closing(Kube.from_kubeconfig(plane.kubeconfig)) as kube,
        running_node(
            plane, kube, prepared.kubelet, prepared.images, Path(home)
        ) as node,
    ):
        kubectl = Kubectl(plane.kubeconfig)
        kubectl("apply", "--server-side", "-k", str(ROOT / "crds"))
        kubectl("apply", "--server-side", "-k", str(ROOT / "manifests"))
        try:
            for role in ("operator", "ping"):
                rolled = ("rollout", "status", f"deployment/heartbeats-{role}")
                kubectl("-n", SYSTEM, *rolled, "--timeout=110s")
        except CommandError as error:
            shown = kubectl("-n", SYSTEM, "describe", "nodes,pods")
            raise AssertionError(shown + node.logs("heartbeats")) from error
        yield Site(kube, kubectl, node)
        kubectl("delete", "-k", str(ROOT / "manifests"), "--timeout=110s")


def real_cron_job(namespace: str, name: str, code: str) -> Object:
    """Write a CronJob whose container really runs: the only image that is there."""
    made = cron_job(namespace, name)
    template = made["spec"]["jobTemplate"]["spec"]["template"]
    [container] = template["spec"]["containers"]
    container |= {"image": IMAGE, "command": ["python", "-c", code]}
    return made


def test_the_main_scenario_in_real_pods(site: Site) -> None:
    kube = site.kube
    with fresh_namespace(kube) as namespace:
        failing = "open('/dev/termination-log', 'w').write('disk full'); exit(3)"
        kube.create(real_cron_job(namespace, "good", "print('done')"))
        kube.create(real_cron_job(namespace, "bad", failing))
        kube.create(ping_monitor(namespace, "backup", interval="24h"))
        address = site.pod("ping")["status"]["podIP"]
        path = urlsplit(ping_url(kube, namespace, "backup")).path
        assert until_answers(f"http://{address}:8080{path}") == b"OK"
        where = (kube, MONITORS, namespace)
        wait_until(*where, "backup", has_said("Up"), timeout=A_MINUTE)
        wait_until(*where, "good-cronjob", has_said("Up"), timeout=A_MINUTE)
        down = wait_until(*where, "bad-cronjob", has_said("Down"), timeout=A_MINUTE)
        assert down is not None
        said = condition_of(down, "Healthy")
        assert said["reason"] == "RunFailed"
        assert "exit code 3" in said["message"]
        assert "disk full" in told(kube, namespace, "bad-cronjob", "RunFailed")["note"]


@pytest.mark.parametrize("role", ["operator", "ping"])
def test_a_pod_is_well_and_stays_so(site: Site, role: str) -> None:
    pod = site.pod(role)
    [status] = pod["status"]["containerStatuses"]
    assert status["ready"] is True
    assert status["restartCount"] == 0
    address = pod["status"]["podIP"]
    assert ask(f"http://{address}:8081/readyz")[0] == 200
    assert b"heartbeat_operator_build_info" in ask(f"http://{address}:9090/metrics")[1]
    logs = site.node.logs(pod["metadata"]["name"])
    assert "Time zones:" in logs
    assert "Traceback" not in logs
    assert "orbidden" not in logs


def test_the_page_is_not_reached_from_other_pods(site: Site) -> None:
    address = site.pod("operator")["status"]["podIP"]
    with pytest.raises(OSError, match="refused"):
        ask(f"http://{address}:8082/")


@pytest.mark.parametrize("role", ["operator", "ping"])
def test_a_restart_brings_another_pod_and_the_old_one_goes(
    site: Site, role: str
) -> None:
    old = site.pod(role)["metadata"]["name"]
    deployment = f"deployment/heartbeats-{role}"
    site.kubectl("-n", SYSTEM, "rollout", "restart", deployment)
    site.kubectl("-n", SYSTEM, "rollout", "status", deployment, "--timeout=110s")
    wait_until(site.kube, PODS, SYSTEM, old, lambda one: one is None, timeout=90)
    new = site.pod(role)
    assert new["metadata"]["name"] != old
    assert ask(f"http://{new['status']['podIP']}:8081/readyz")[0] == 200
