"""The pods that are shipped: hardened, probed, and told what `heartbeats run` takes."""

from typing import Any

import pytest
import yaml

from heartbeats import __version__
from heartbeats.cli.run import run
from heartbeats.config import Config, Role
from support.installs import MANIFESTS, files_of, made_files
from support.resources import Object, read_manifests

ALL = read_manifests(MANIFESTS / "base")
DEPLOYMENTS = {
    each["metadata"]["name"]: each for each in ALL if each["kind"] == "Deployment"
}
BUDGETS = read_manifests(
    MANIFESTS / "components" / "replicas" / "poddisruptionbudgets.yaml"
)
BOTH = pytest.mark.parametrize("role", ["operator", "ping"])


def pod(role: str) -> Any:
    """Return the pod template of a role."""
    return DEPLOYMENTS[f"heartbeats-{role}"]["spec"]["template"]


def container(role: str) -> Any:
    """Return the one container of a role."""
    [found] = pod(role)["spec"]["containers"]
    return found


def services() -> list[Object]:
    """Return every Service that is shipped."""
    overlay = MANIFESTS / "overlays" / "prometheus-operator"
    return [
        each for each in [*ALL, *read_manifests(overlay)] if each["kind"] == "Service"
    ]


def test_there_is_a_deployment_for_each_role_and_no_other() -> None:
    assert sorted(DEPLOYMENTS) == ["heartbeats-operator", "heartbeats-ping"]


@BOTH
def test_run_takes_the_arguments(role: str) -> None:
    command, *arguments = container(role)["args"]
    assert command == "run"
    with run.make_context("run", list(arguments)) as context:
        assert context.params["role"] == Role(role)
        assert context.params["own_namespace"] == "$(POD_NAMESPACE)"
    [variable] = container(role)["env"]
    assert variable["name"] == "POD_NAMESPACE"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"


@BOTH
def test_the_ports_are_those_that_are_listened_on(role: str) -> None:
    ports = {each["name"]: each["containerPort"] for each in container(role)["ports"]}
    config = Config()
    listeners = {
        "metrics": config.metrics_address.port,
        "health": config.health_address.port,
    }
    if role == "ping":
        listeners["ping"] = config.ping_address.port
    assert ports == listeners


@BOTH
def test_the_image_is_that_of_this_release(role: str) -> None:
    assert container(role)["image"] == f"heartbeats:{__version__}"
    assert container(role)["imagePullPolicy"] == "IfNotPresent"


@BOTH
def test_a_pod_may_do_nothing_to_its_node(role: str) -> None:
    spec = pod(role)["spec"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container(role)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"volumes", "hostNetwork", "hostPID", "hostIPC"} & spec.keys()


@BOTH
def test_no_variable_of_a_service_is_taken_for_an_option(role: str) -> None:
    """A Service heartbeats-ping would set HEARTBEATS_PING_PORT in every pod."""
    assert pod(role)["spec"]["enableServiceLinks"] is False


@BOTH
def test_a_pod_says_what_it_needs_and_is_never_held_back(role: str) -> None:
    resources = container(role)["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}


@BOTH
@pytest.mark.parametrize(
    ("probe", "path"),
    [("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")],
)
def test_a_probe_asks_the_health_listener(role: str, probe: str, path: str) -> None:
    asked = container(role)[f"{probe}Probe"]["httpGet"]
    assert asked == {"path": path, "port": "health"}


@BOTH
def test_a_replica_comes_before_another_goes(role: str) -> None:
    spec = DEPLOYMENTS[f"heartbeats-{role}"]["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@BOTH
def test_a_selector_takes_the_pods_of_one_role(role: str) -> None:
    labels = pod(role)["metadata"]["labels"]
    spec = DEPLOYMENTS[f"heartbeats-{role}"]["spec"]
    spread = pod(role)["spec"]["topologySpreadConstraints"]
    [budget] = [
        each for each in BUDGETS if each["metadata"]["name"] == f"heartbeats-{role}"
    ]
    wanted = {
        "app.kubernetes.io/name": "heartbeats",
        "app.kubernetes.io/component": role,
    }
    for selector in (
        spec["selector"],
        budget["spec"]["selector"],
        *(each["labelSelector"] for each in spread),
    ):
        assert selector == {"matchLabels": wanted}
    assert labels == wanted


@BOTH
def test_a_pod_uses_the_account_of_its_role(role: str) -> None:
    accounts = {o["metadata"]["name"] for o in ALL if o["kind"] == "ServiceAccount"}
    assert pod(role)["spec"]["serviceAccountName"] in accounts
    assert pod(role)["spec"]["serviceAccountName"] == f"heartbeats-{role}"


def test_a_service_leads_to_ports_that_are_there() -> None:
    for service in services():
        chosen = [
            role
            for role in ("operator", "ping")
            if service["spec"]["selector"].items()
            <= pod(role)["metadata"]["labels"].items()
        ]
        assert chosen
        for role in chosen:
            names = {each["name"] for each in container(role)["ports"]}
            wanted = {each["targetPort"] for each in service["spec"]["ports"]}
            assert wanted <= names, (service["metadata"]["name"], role)


def test_ping_urls_lead_to_the_service() -> None:
    """The operator's own default for --public-url names it."""
    [service] = [o for o in ALL if o["kind"] == "Service"]
    assert service["metadata"]["name"] == "heartbeats-ping"
    [port] = service["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8080, "ping")


def test_a_ping_pod_is_left_alone_before_it_stops_listening() -> None:
    waits = container("ping")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 0 < waits < pod("ping")["spec"]["terminationGracePeriodSeconds"] - 10


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda each: each["metadata"]["name"])
def test_a_budget_never_keeps_the_last_replica(budget: Object) -> None:
    """A minimum would, as soon as there are as many replicas as it asks for."""
    assert budget["spec"]["maxUnavailable"] == 1
    assert "minAvailable" not in budget["spec"]
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_who_deletes_the_manifests_keeps_the_monitors() -> None:
    kinds = {each["kind"] for each in read_manifests(MANIFESTS)}
    assert "Deployment" in kinds
    assert "CustomResourceDefinition" not in kinds


@pytest.mark.parametrize(
    "folder",
    ["rights", "workloads", "base", "overlays/namespaced", "components/replicas"],
)
def test_every_file_is_named_in_its_kustomization(folder: str) -> None:
    path = MANIFESTS / folder
    named = yaml.safe_load((path / "kustomization.yaml").read_text())["resources"]
    files = {each.name for each in path.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == {each for each in named if not each.startswith("..")}


@pytest.mark.parametrize(
    "path", made_files(), ids=lambda path: str(path.relative_to(MANIFESTS))
)
def test_what_is_made_is_up_to_date(path: Any) -> None:
    assert path.read_text() == made_files()[path], "run `make manifests`"


def test_the_single_file_holds_the_definition_and_the_manifests() -> None:
    single = [
        each
        for each in yaml.safe_load_all((MANIFESTS / "install.yaml").read_text())
        if each
    ]
    [definition] = read_manifests(MANIFESTS.parent / "crds")
    assert single == [definition, *read_manifests(MANIFESTS)]
    assert len(list(files_of(MANIFESTS))) > 10
