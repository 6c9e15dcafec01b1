"""The Helm chart makes what the kustomizations make, and installs and upgrades it."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from heartbeats import __version__
from heartbeats.cluster.progress import Progress
from support.control_plane import ROOT, SYSTEM
from support.helm import Helm
from support.installs import CHART
from support.kube import Kube
from support.kubectl import rendered
from support.own_cluster import own_control_plane
from support.programs import CommandError
from support.resources import CRDS, MONITORS, Object
from support.workloads import ping_monitor

pytestmark = pytest.mark.integration

KEEP = {"helm.sh/resource-policy": "keep"}
NAMESPACED = {"namespaced": True, "crds": {"enabled": False}}


@pytest.fixture(scope="module")
def helm(pytestconfig: pytest.Config) -> Helm:
    """Return the program; the first time it is built, which a person must see."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        return Helm.built(Progress(sys.stderr))


def keyed(objects: list[Object]) -> dict[tuple[str, str | None, str], Object]:
    """Return objects by what names them; the namespace is not Helm's to make."""
    found = {
        (
            each["kind"],
            each["metadata"].get("namespace"),
            each["metadata"]["name"],
        ): each
        for each in objects
        if each["kind"] != "Namespace"
    }
    assert len(found) >= len(objects) - 1, "an object stands there twice"
    return found


def kustomized(*folders: str) -> list[Object]:
    """Render folders of ours."""
    return [each for folder in folders for each in rendered(ROOT / folder)]


BASE = ("crds", "manifests")
CASES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "defaults": ({}, BASE),
    "replicas": (
        {"operator": {"replicas": 2}, "ping": {"replicas": 2}},
        ("crds", "manifests/overlays/replicas"),
    ),
    "no Secrets": (
        {"pingSecrets": False},
        ("crds", "manifests/overlays/no-secrets"),
    ),
    "Prometheus Operator": (
        {"prometheusOperator": {"enabled": True}},
        (*BASE, "manifests/overlays/prometheus-operator"),
    ),
    "no definition": ({"crds": {"enabled": False}}, ("manifests",)),
}


@pytest.mark.parametrize("case", CASES)
def test_chart_and_kustomize_agree(helm: Helm, case: str, tmp_path: Path) -> None:
    values, folders = CASES[case]
    ours = keyed(helm.template(tmp_path, values, namespace=SYSTEM))
    theirs = keyed(kustomized(*folders))
    for found in ours.values():
        if found["kind"] == "CustomResourceDefinition":
            assert found["metadata"].pop("annotations") == KEEP
    assert ours.keys() == theirs.keys()
    for key in ours:
        assert ours[key] == theirs[key]


def test_chart_and_kustomize_agree_for_one_namespace(
    helm: Helm, tmp_path: Path
) -> None:
    ours = helm.template(tmp_path, NAMESPACED, namespace="my-team")
    theirs = kustomized("manifests/overlays/namespaced")
    assert keyed(ours) == keyed(theirs)


def test_a_release_of_another_name_and_namespace_names_no_other(
    helm: Helm, tmp_path: Path
) -> None:
    """The policy, which names the account in its text, too."""
    values = {"prometheusOperator": {"enabled": True, "labels": {"release": "mine"}}}
    found = helm.template(tmp_path, values, namespace="elsewhere")
    assert SYSTEM not in json.dumps(found)
    labelled = {
        each["kind"]
        for each in found
        if each["metadata"].get("labels", {}).get("release") == "mine"
    }
    assert labelled == {"Service", "ServiceMonitor", "PrometheusRule"}


def test_everything_that_can_be_set_is_set(helm: Helm, tmp_path: Path) -> None:
    role = {
        "args": ["--cluster-name=prod"],
        "env": [{"name": "HEARTBEATS_LOG_LEVEL", "value": "DEBUG"}],
        "podAnnotations": {"a/b": "c"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "priorityClassName": "system-cluster-critical",
        "resources": {"limits": {"memory": "1Gi"}},
    }
    values = {
        "image": {
            "repository": "registry.example.org/heartbeats",
            "digest": f"sha256:{'0' * 64}",
            "pullSecrets": [{"name": "registry"}],
        },
        "publicURL": "https://pings.example.org",
        "operator": role,
        "ping": {
            **role,
            "service": {"type": "LoadBalancer", "annotations": {"lb": "internal"}},
        },
        "crds": {"keep": False},
    }
    found = keyed(helm.template(tmp_path, values, namespace=SYSTEM))
    for name in ("heartbeats-operator", "heartbeats-ping"):
        spec = found["Deployment", SYSTEM, name]["spec"]["template"]["spec"]
        [container] = spec["containers"]
        image = f"registry.example.org/heartbeats@sha256:{'0' * 64}"
        assert container["image"] == image
        assert container["args"][-2:] == [
            "--public-url=https://pings.example.org",
            "--cluster-name=prod",
        ]
        assert container["env"][-1] == role["env"][0]
        assert container["resources"]["limits"] == {"memory": "1Gi"}
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert spec["nodeSelector"] == role["nodeSelector"]
        assert spec["priorityClassName"] == "system-cluster-critical"
    service = found["Service", SYSTEM, "heartbeats-ping"]
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["metadata"]["annotations"] == {"lb": "internal"}
    crd = found["CustomResourceDefinition", None, "heartbeatmonitors.heartbeats.dev"]
    assert "annotations" not in crd["metadata"]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"operator": {"replicas": 0}}, "minimum"),
        ({"operator": {"replica": 2}}, "replica"),
        ({"image": {"tag": "latest"}}, "tag"),
        ({"publicURL": "pings.example.org"}, "publicURL"),
        ({"operator": {"args": ["auto-monitor"]}}, "args"),
        ({"pingsecrets": False}, "pingsecrets"),
    ],
    ids=lambda each: json.dumps(each) if isinstance(each, dict) else each,
)
def test_a_value_that_makes_no_sense_is_refused(
    helm: Helm, values: dict[str, Any], word: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=word):
        helm.template(tmp_path, values, namespace=SYSTEM)


def test_the_chart_is_sound_and_of_this_version(helm: Helm) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm(
        "lint", "--strict", str(CHART)
    )
    shown = helm("show", "chart", str(CHART))
    assert f"appVersion: {__version__}" in shown
    assert f"version: {__version__}" in shown


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Kube, Path]]:
    """Start a cluster with nothing in it."""
    with (
        own_control_plane() as plane,
        closing(Kube.from_kubeconfig(plane.kubeconfig)) as kube,
    ):
        yield kube, plane.kubeconfig


def test_it_installs_upgrades_the_definition_and_leaves_the_monitors(
    helm: Helm, cluster: tuple[Kube, Path]
) -> None:
    """What a release of the chart lives through, on a real API server."""
    kube, kubeconfig = cluster
    release = ("--kubeconfig", str(kubeconfig), "--namespace", SYSTEM)
    install = ("install", "heartbeats", str(CHART), *release, "--create-namespace")
    said = helm(*install, "--wait", "--timeout", "120s")
    assert "STATUS: deployed" in said
    assert "arning" not in said
    kube.create(ping_monitor("default", "mine", interval="24h"))
    forget_a_column(kube)
    helm("upgrade", "heartbeats", str(CHART), *release, "--wait", "--timeout", "120s")
    assert len(columns(kube)) > 1
    helm("uninstall", "heartbeats", *release, "--wait", "--timeout", "120s")
    assert kube.get(MONITORS, "default", "mine")


def columns(kube: Kube) -> list[Any]:
    """Return the printer columns that are served."""
    crd = kube.get(CRDS, None, "heartbeatmonitors.heartbeats.dev")
    found: list[Any] = crd["spec"]["versions"][0]["additionalPrinterColumns"]
    return found


def forget_a_column(kube: Kube) -> None:
    """Make the definition look like one of an older release."""
    crd = kube.get(CRDS, None, "heartbeatmonitors.heartbeats.dev")
    version = crd["spec"]["versions"][0]
    version["additionalPrinterColumns"] = version["additionalPrinterColumns"][:1]
    kube.replace(crd)
