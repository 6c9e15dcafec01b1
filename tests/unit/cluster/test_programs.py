"""What is built, with which versions, under which key."""

import shutil
from pathlib import Path

import pytest

from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.programs import (
    CONTROL_PLANE,
    GO_MODULE,
    KIND,
    NODE,
    build_key,
    link_flags,
    module_version,
)


@pytest.fixture
def module(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GO_MODULE, tmp_path / "module"))


def test_the_key_names_the_release_and_is_stable(module: Path) -> None:
    key = build_key(CONTROL_PLANE, module)
    assert key.startswith("v1.")
    assert key == build_key(CONTROL_PLANE, module)
    assert key == build_key(CONTROL_PLANE)


@pytest.mark.parametrize("source", ["go.mod", "go.sum", "certs/main.go"])
def test_a_changed_source_changes_the_key(module: Path, source: str) -> None:
    before = build_key(CONTROL_PLANE, module)
    with (module / source).open("a") as file:
        file.write("// changed\n")
    assert build_key(CONTROL_PLANE, module) != before


def test_each_bundle_has_a_key_of_its_own() -> None:
    assert len({build_key(bundle) for bundle in (CONTROL_PLANE, NODE, KIND)}) == 3


def test_every_staging_module_is_replaced_by_the_same_release() -> None:
    go_mod = (GO_MODULE / "go.mod").read_text()
    release = module_version("k8s.io/kubernetes", go_mod)
    replaced = [line.split()[-1] for line in go_mod.splitlines() if " => " in line]
    assert len(replaced) > 25
    assert set(replaced) == {release.replace("v1.", "v0.", 1)}


def test_every_program_is_pinned_by_the_module() -> None:
    go_mod = (GO_MODULE / "go.mod").read_text()
    packages = {p.package for b in (CONTROL_PLANE, NODE, KIND) for p in b.programs}
    tools = {line.strip() for line in go_mod.partition("tool (")[2].splitlines()}
    assert packages - tools == {"./certs"}


def test_programs_report_their_real_version() -> None:
    flags = link_flags(
        "require (\n\tk8s.io/kubernetes v1.36.3\n\tsigs.k8s.io/kwok v0.8.0\n)"
    )
    assert "k8s.io/component-base/version.gitVersion=v1.36.3" in flags
    assert "k8s.io/component-base/version.gitMinor=36" in flags
    assert "sigs.k8s.io/kwok/pkg/consts.Version=0.8.0" in flags


def test_a_module_that_is_not_required_is_an_error() -> None:
    with pytest.raises(ClusterError, match=r"does not require k8s\.io/kubernetes"):
        module_version("k8s.io/kubernetes", "module x\n")
