"""docs/support.md tells the versions that are pinned, and names tests that exist."""

import re

import pytest

from support.old_prometheus import VERSION
from support.proofs import ROOT

PAGE = (ROOT / "docs" / "support.md").read_text()
PLANE = ROOT / "operator" / "heartbeats" / "cluster" / "gomodule" / "go.mod"


def pinned(file: str, name: str) -> str:
    """Return the version of a module or package without its v."""
    found = re.search(
        rf"\b{re.escape(name)}(?: v|==)([\d.]+)", (ROOT / file).read_text()
    )
    assert found, f"{file} has no {name}"
    return found[1]


@pytest.mark.parametrize(
    ("row", "version"),
    [
        ("Kubernetes API server", pinned(str(PLANE), "k8s.io/kubernetes")),
        ("kubelet", pinned(str(PLANE), "k8s.io/kubernetes")),
        ("kubectl", pinned(str(PLANE), "k8s.io/kubernetes")),
        ("etcd", pinned(str(PLANE), "go.etcd.io/etcd/server/v3")),
        ("Helm", pinned("tests/helm_tool/go.mod", "helm.sh/helm/v3")),
        (
            "Alertmanager",
            pinned("tests/alert_tools/go.mod", "github.com/prometheus/alertmanager"),
        ),
        ("Gateway API", pinned("tests/foreign_crds/go.mod", "sigs.k8s.io/gateway-api")),
        (
            "Prometheus Operator",
            pinned(
                "tests/foreign_crds/go.mod",
                "github.com/prometheus-operator/prometheus-operator",
            ),
        ),
        ("kopf", pinned("requirements-dev.lock", "kopf")),
    ],
)
def test_a_version_that_was_tested_is_the_one_that_is_pinned(
    row: str, version: str
) -> None:
    [line] = re.findall(rf"^\| {row}\b.*$", PAGE, re.MULTILINE)
    assert version in line.split(" | ")[1]


def test_prometheus_s_module_counts_its_releases_in_another_way() -> None:
    """v0.315 of the module is Prometheus 3.15."""
    module = pinned("tests/alert_tools/go.mod", "github.com/prometheus/prometheus")
    _, release, _ = module.split(".")
    newest = f"{release[0]}.{int(release[1:])}"
    assert f"| Prometheus | {VERSION} and {newest} |" in PAGE


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/.*]+)`", PAGE)
    assert len(named) > 8
    for each in named:
        assert list(ROOT.glob(each)), f"there is no {each}"
