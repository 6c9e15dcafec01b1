"""The command lines, the record on disk, and a control plane that does not run."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from heartbeats.cluster.components import STAGES, Plan
from heartbeats.cluster.controlplane import (
    NODE_MANIFEST,
    ControlPlane,
    StartError,
    remove,
)
from heartbeats.cluster.embedded import find_running, load
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.paths import cluster_dir
from heartbeats.cluster.record import (
    API_ONLY,
    Component,
    Options,
    Ports,
    Provider,
    Record,
    read_record,
    write_record,
)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    home = cluster_dir("dev", tmp_path)
    return Plan(home, Path("/programs"), Ports(1, 2, 3), Options())


@pytest.mark.parametrize("component", Component)
def test_every_command_names_the_clusters_folder(
    plan: Plan, component: Component
) -> None:
    program, *flags = plan.command(component)
    assert program == f"/programs/{component}"
    # By this a process is known as ours.
    assert any(f"{plan.home.root}/" in flag for flag in flags)


@pytest.mark.parametrize("component", Component)
def test_nothing_listens_on_other_addresses_than_loopback(
    plan: Plan, component: Component
) -> None:
    addresses = [
        flag
        for flag in plan.command(component)
        if "-address=" in flag or "-urls=" in flag or "-servers=" in flag
    ]
    assert all("127.0.0.1" in flag for flag in addresses)


def test_fsync_is_off_until_asked_for(plan: Plan) -> None:
    assert "--unsafe-no-fsync" in plan.command(Component.ETCD)
    durable = replace(plan, options=Options(fsync=True))
    assert "--unsafe-no-fsync" not in durable.command(Component.ETCD)


def test_without_a_controller_manager_pods_need_no_service_account(plan: Plan) -> None:
    flag = "--disable-admission-plugins=ServiceAccount"
    assert flag not in plan.command(Component.APISERVER)
    bare = replace(plan, options=Options(components=API_ONLY))
    assert flag in bare.command(Component.APISERVER)


def test_more_arguments_come_last(plan: Plan) -> None:
    more = {Component.APISERVER: ("--event-ttl=1m",)}
    chatty = replace(plan, options=Options(arguments=more))
    assert chatty.command(Component.APISERVER)[-1] == "--event-ttl=1m"
    assert "--event-ttl=1m" not in chatty.command(Component.ETCD)


def test_a_record_is_read_as_it_was_written(plan: Plan) -> None:
    more = {Component.KWOK: ("-v=1",)}
    options = Options(API_ONLY, fsync=True, time_zone="Asia/Tokyo", arguments=more)
    record = Record(Provider.EMBEDDED, "/programs", Ports(1, 2, 3), options)
    write_record(plan.home, record)
    assert read_record(plan.home) == record
    found = load(plan.home)
    assert found is not None
    assert found.server == "https://127.0.0.1:3"


@pytest.mark.parametrize("content", [b"", b"{", b'{"provider": "cloud"}'])
def test_a_broken_record_is_none(plan: Plan, content: bytes) -> None:
    plan.home.root.mkdir()
    plan.home.record.write_bytes(content)
    assert read_record(plan.home) is None
    assert load(plan.home) is None


def test_a_cluster_whose_processes_are_gone_does_not_run(plan: Plan) -> None:
    record = Record(Provider.EMBEDDED, "/programs", plan.ports, plan.options)
    write_record(plan.home, record)
    assert find_running(plan.home) is None


def test_a_component_that_ended_is_named_with_the_end_of_its_log(plan: Plan) -> None:
    control_plane = ControlPlane(plan)
    log = control_plane.log(Component.ETCD)
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {n}\n" for n in range(1, 51)))
    with pytest.raises(StartError) as failure:
        control_plane.check_alive(Component.ETCD)
    text = str(failure.value)
    assert "etcd of cluster 'dev' ended while starting" in text
    assert str(log) in text
    assert "line 31\n" in text
    assert "line 30\n" not in text
    assert "Try again" in text


def test_a_folder_that_is_no_clusters_is_never_removed(plan: Plan) -> None:
    plan.home.root.mkdir()
    (plan.home.root / "thesis.txt").touch()
    with pytest.raises(ClusterError, match="no cluster's folder"):
        remove(plan.home)
    assert (plan.home.root / "thesis.txt").exists()


def test_what_a_broken_start_left_is_removed(plan: Plan) -> None:
    plan.home.pki.mkdir(parents=True)
    remove(plan.home)
    assert not plan.home.root.exists()


def test_stages_never_empty_finalizers() -> None:
    stages = list(yaml.safe_load_all(STAGES.read_text()))
    assert len(stages) >= 5
    steps = [step for stage in stages for step in stage["spec"]["steps"]]
    assert not [step for step in steps if "finalizers" in step]


def test_the_node_is_one_of_kwoks() -> None:
    node = yaml.safe_load(NODE_MANIFEST.read_text())
    assert node["metadata"]["annotations"]["kwok.x-k8s.io/node"] == "fake"
