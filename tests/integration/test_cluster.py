"""The embedded control plane, brought up for real: pods end as they are told to.

Builds the control plane if the cache is empty, which takes minutes.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heartbeats.cluster import embedded
from heartbeats.cluster.annotations import EXIT_CODE, FOREVER, MESSAGE, RUN_FOR, STUCK
from heartbeats.cluster.build import kubectl_path
from heartbeats.cluster.controlplane import ControlPlane
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.paths import ClusterDir
from heartbeats.cluster.ports import free_ports
from heartbeats.cluster.record import API_ONLY, Component, Options

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("cluster")]

CLI = [sys.executable, "-c", "from heartbeats.cluster.cli import cluster; cluster()"]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a control plane of this module's own."""
    started = embedded.start("jobs", state_dir=tmp_path_factory.mktemp("clusters"))
    yield started
    started.stop()


def kubectl(plane: ControlPlane, *arguments: str, stdin: str | None = None) -> str:
    program = kubectl_path()
    assert program is not None
    command = [str(program), f"--kubeconfig={plane.kubeconfig}", *arguments]
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def create_job(plane: ControlPlane, name: str, **spec: Any) -> None:
    annotations = spec.pop("annotations", {})
    template = {
        "metadata": {"annotations": annotations},
        "spec": {
            "restartPolicy": spec.pop("restart_policy", "Never"),
            "containers": [{"name": "main", "image": "example.com/job"}],
        },
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, **spec, "template": template},
    }
    kubectl(plane, "create", "-f", "-", stdin=json.dumps(job))


def wait_for(plane: ControlPlane, what: str, condition: str) -> None:
    """Wait for `condition=…` or `jsonpath=…` of an object."""
    kubectl(plane, "wait", what, f"--for={condition}", "--timeout=60s")


def wait_for_pod(plane: ControlPlane, job: str, condition: str) -> dict[str, Any]:
    """Wait for the job's pod to exist and to be like that, and return it."""
    wait_for(plane, f"job/{job}", "jsonpath={.status.active}=1")
    selector = f"--selector=job-name={job}"
    kubectl(plane, "wait", "pods", selector, f"--for={condition}", "--timeout=60s")
    return pod_of(plane, job)


def pod_of(plane: ControlPlane, job: str) -> dict[str, Any]:
    listed = kubectl(plane, "get", "pods", f"--selector=job-name={job}", "-o", "json")
    (pod,) = json.loads(listed)["items"]
    assert isinstance(pod, dict)
    return pod


def container_state(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["status"]["containerStatuses"]
    state: dict[str, Any] = container["state"]
    return state


def test_the_api_server_reports_the_release_it_was_built_from(
    plane: ControlPlane,
) -> None:
    version = json.loads(kubectl(plane, "version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"] == "v1.36.3"
    assert version["clientVersion"]["gitVersion"] == "v1.36.3"


@pytest.mark.parametrize(
    ("name", "run_for"),
    [
        ("unset", None),
        ("duration", "1500ms"),
        ("seconds", "1"),
        ("unreadable", "soon"),
        ("empty", ""),
    ],
)
def test_a_job_completes_whatever_its_run_time_says(
    plane: ControlPlane, name: str, run_for: str | None
) -> None:
    annotations = {} if run_for is None else {RUN_FOR: run_for}
    create_job(plane, name, annotations=annotations)
    wait_for(plane, f"job/{name}", "condition=Complete")
    assert container_state(pod_of(plane, name))["terminated"]["exitCode"] == 0


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_a_job_whose_pod_exits_3_fails(plane: ControlPlane, policy: str) -> None:
    name = f"exit-3-{policy.lower()}"
    annotations = {EXIT_CODE: "3", MESSAGE: 'disk full: "/data"', RUN_FOR: "0s"}
    create_job(plane, name, annotations=annotations, restart_policy=policy)
    wait_for(plane, f"job/{name}", "condition=Failed")
    pod = pod_of(plane, name)
    terminated = container_state(pod)["terminated"]
    assert pod["status"]["phase"] == "Failed"
    assert terminated["exitCode"] == 3
    assert terminated["reason"] == "Error"
    assert terminated["message"] == 'disk full: "/data"'


def test_a_stuck_pod_stays_pending_until_it_is_released(plane: ControlPlane) -> None:
    create_job(plane, "stuck", annotations={STUCK: "ImagePullBackOff"})
    waiting = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    pod = wait_for_pod(plane, "stuck", f"{waiting}=ImagePullBackOff")
    assert pod["status"]["phase"] == "Pending"
    job = json.loads(kubectl(plane, "get", "job", "stuck", "-o", "json"))
    assert not job["status"].get("ready")
    kubectl(plane, "annotate", "pods", "--selector=job-name=stuck", f"{STUCK}-")
    wait_for(plane, "job/stuck", "condition=Complete")


def test_a_forever_pod_is_ready_until_it_is_told_to_end(plane: ControlPlane) -> None:
    create_job(plane, "forever", annotations={RUN_FOR: FOREVER})
    wait_for(plane, "job/forever", "jsonpath={.status.ready}=1")
    told = [f"{RUN_FOR}=0s", f"{EXIT_CODE}=7", "--overwrite"]
    kubectl(plane, "annotate", "pods", "--selector=job-name=forever", *told)
    wait_for(plane, "job/forever", "condition=Failed")
    assert container_state(pod_of(plane, "forever"))["terminated"]["exitCode"] == 7


def test_a_deadline_ends_a_pod_that_would_run_forever(plane: ControlPlane) -> None:
    create_job(
        plane, "deadline", annotations={RUN_FOR: FOREVER}, activeDeadlineSeconds=1
    )
    wait_for(plane, "job/deadline", "condition=Failed")
    kubectl(
        plane,
        "wait",
        "pods",
        "--selector=job-name=deadline",
        "--for=delete",
        "--timeout=60s",
    )


def test_a_deleted_job_takes_its_pods_with_it(plane: ControlPlane) -> None:
    create_job(plane, "deleted", annotations={RUN_FOR: FOREVER})
    wait_for(plane, "job/deleted", "jsonpath={.status.ready}=1")
    kubectl(plane, "delete", "job/deleted", "--cascade=foreground", "--timeout=60s")
    left = kubectl(plane, "get", "pods", "--selector=job-name=deleted", "-o", "name")
    assert left == ""


def test_a_namespace_can_be_deleted(plane: ControlPlane) -> None:
    kubectl(plane, "create", "namespace", "short-lived")
    kubectl(plane, "delete", "namespace", "short-lived", "--timeout=60s")


def test_the_api_server_comes_back_on_its_port_with_its_data(
    plane: ControlPlane,
) -> None:
    kubectl(plane, "create", "configmap", "kept")
    before = plane.pid(Component.APISERVER)
    plane.kill(Component.APISERVER)
    assert plane.pid(Component.APISERVER) is None
    assert not plane.is_ready()
    plane.start(Component.APISERVER)
    assert plane.pid(Component.APISERVER) not in {None, before}
    assert kubectl(plane, "get", "configmap", "kept", "-o", "name")
    # The others found their way back.
    create_job(plane, "after-restart")
    wait_for(plane, "job/after-restart", "condition=Complete")


def test_without_controllers_a_job_is_left_alone(tmp_path: Path) -> None:
    options = Options(components=API_ONLY)
    plane = embedded.start("bare", state_dir=tmp_path, options=options)
    try:
        create_job(plane, "untouched")
        job = json.loads(kubectl(plane, "get", "job", "untouched", "-o", "json"))
        assert job["status"] == {}
        pod = ["run", "mine", "--image=example.com/x", "--restart=Never"]
        assert "created" in kubectl(plane, *pod)
    finally:
        plane.stop()


def test_a_port_that_was_taken_meanwhile_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        choices = iter([[*free_ports(2), taken], free_ports(3)])
        monkeypatch.setattr(embedded, "free_ports", lambda _: next(choices))
        options = Options(components=API_ONLY)
        plane = embedded.start("clash", state_dir=tmp_path, options=options)
        try:
            assert plane.is_ready()
            assert plane.plan.ports.apiserver != taken
        finally:
            plane.stop()


def test_a_component_that_does_not_start_is_named_and_nothing_runs_on(
    tmp_path: Path,
) -> None:
    more = {Component.APISERVER: ("--no-such-flag",)}
    options = Options(components=API_ONLY, arguments=more)
    with pytest.raises(ClusterError) as failure:
        embedded.start("broken", state_dir=tmp_path, options=options)
    assert "kube-apiserver of cluster 'broken' ended" in str(failure.value)
    assert "unknown flag: --no-such-flag" in str(failure.value)
    plane = embedded.load(ClusterDir(tmp_path / "broken"))
    assert plane is not None
    assert [plane.pid(component) for component in Component] == [None] * 5
    assert plane.log(Component.APISERVER).exists()


def test_up_is_repeatable_and_down_leaves_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*CLI, *arguments, "--name=cli"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    up = ["up", "--provider=embedded"]
    first = run(*up)
    assert first.returncode == 0, first.stderr
    kubeconfig = Path(first.stdout.splitlines()[-1])
    plane = embedded.load(ClusterDir(kubeconfig.parent))
    assert plane is not None
    try:
        pids = {component: plane.pid(component) for component in Component}
        assert all(pids.values())
        assert run(*up).stdout == first.stdout
        assert {component: plane.pid(component) for component in Component} == pids
        assert run("status").returncode == 0

        plane.kill(Component.SCHEDULER)
        assert run("status").returncode == 1
        assert run(*up).stdout == first.stdout
        assert plane.pid(Component.SCHEDULER) not in {None, pids[Component.SCHEDULER]}
        pids = {component: plane.pid(component) for component in Component}
    finally:
        assert run("down").returncode == 0
    assert list(kubeconfig.parent.parent.iterdir()) == []
    assert not [pid for pid in pids.values() if Path(f"/proc/{pid}/exe").exists()]
