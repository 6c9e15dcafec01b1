"""The manifests in manifests/samples are those that the story tells of."""

from pathlib import Path

import pytest

from heartbeats.cluster import annotations
from heartbeats.core.durations import parse
from heartbeats.core.model import MonitorKey
from heartbeats.demo.checkout import find_checkout, read_manifests
from heartbeats.demo.errors import DemoError
from heartbeats.demo.story import LAPTOP, NAMESPACE, PARTS

ROOT = Path(__file__).parents[3]
SAMPLES = read_manifests(ROOT / "manifests" / "samples")
CRON_JOBS = {m["metadata"]["name"]: m for m in SAMPLES if m["kind"] == "CronJob"}


def test_every_sample_has_a_part_and_every_part_a_sample() -> None:
    monitors = {MonitorKey(NAMESPACE, f"{name}-cronjob") for name in CRON_JOBS}
    written = {
        MonitorKey(m["metadata"]["namespace"], m["metadata"]["name"])
        for m in SAMPLES
        if m["kind"] == "HeartbeatMonitor"
    }
    assert monitors | written == {part.key for part in PARTS}


def test_all_samples_are_in_the_namespace_that_the_demo_deletes() -> None:
    namespaces = {m["metadata"].get("namespace") for m in SAMPLES[1:]}
    assert SAMPLES[0]["metadata"]["name"] == NAMESPACE
    assert namespaces == {NAMESPACE}


def test_only_the_archive_is_suspended() -> None:
    suspended = [n for n, m in CRON_JOBS.items() if m["spec"].get("suspend")]
    assert suspended == ["archive"]


def test_pods_end_alike_on_real_nodes_and_on_the_local_control_plane() -> None:
    known = {value for name, value in vars(annotations).items() if name.isupper()} - {
        annotations.FOREVER
    }
    for manifest in CRON_JOBS.values():
        template = manifest["spec"]["jobTemplate"]["spec"]["template"]
        steering = template["metadata"]["annotations"]
        script = template["spec"]["containers"][0]["command"][-1]
        assert steering.keys() <= known
        exits = script.partition("exit ")[2] or "0"
        assert steering.get(annotations.EXIT_CODE, "0") == exits
        assert steering.get(annotations.MESSAGE, "") in script


def test_late_lasts_long_enough_to_be_seen() -> None:
    [laptop] = [m for m in SAMPLES if m["metadata"]["name"] == LAPTOP.name]
    assert parse(laptop["spec"]["gracePeriod"]).total_seconds() >= 10


def test_the_checkout_is_found_from_a_folder_inside_it() -> None:
    nowhere = Path("/nowhere/demo/checkout.py")
    inside = ROOT / "docs"
    assert find_checkout(None, cwd=inside, package=nowhere) == ROOT


def test_the_checkout_is_found_around_the_package(tmp_path: Path) -> None:
    assert find_checkout(None, cwd=tmp_path) == ROOT


def test_without_a_checkout_the_demo_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="--checkout DIR"):
        find_checkout(None, cwd=tmp_path, package=tmp_path / "checkout.py")
    with pytest.raises(DemoError, match="lacks crds/kustomization"):
        find_checkout(tmp_path, cwd=ROOT)


def test_what_the_demo_applies_is_read_and_holds_no_pods_of_ours() -> None:
    [definition] = read_manifests(ROOT / "crds")
    assert definition["kind"] == "CustomResourceDefinition"
    kinds = {m["kind"] for m in read_manifests(ROOT / "manifests" / "rights")}
    assert {"Namespace", "ClusterRole", "ServiceAccount"} <= kinds
    assert "Deployment" not in kinds


def test_a_broken_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [a.yaml]")
    (tmp_path / "a.yaml").write_text("{")
    with pytest.raises(DemoError, match=r"a\.yaml can't be read"):
        read_manifests(tmp_path)
