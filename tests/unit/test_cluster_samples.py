"""The samples for a cluster lead to the ping service alone, and tell no token."""

from typing import Any

from support.installs import MANIFESTS
from support.resources import Object, read_manifests

SAMPLES = MANIFESTS / "samples" / "cluster"
NGINX = "nginx.ingress.kubernetes.io"


def sample(name: str) -> Object:
    """Return the one object of a file."""
    [found] = read_manifests(SAMPLES / f"{name}.yaml")
    return found


def service() -> tuple[str, Any]:
    """Return the name of the ping service and its one port."""
    [found] = read_manifests(MANIFESTS / "workloads" / "service-ping.yaml")
    [port] = found["spec"]["ports"]
    return found["metadata"]["name"], port


def test_the_ingress_redirects_nobody_and_logs_no_path() -> None:
    annotations = sample("ingress")["metadata"]["annotations"]
    assert annotations == {
        f"{NGINX}/ssl-redirect": "false",
        f"{NGINX}/force-ssl-redirect": "false",
        f"{NGINX}/enable-access-log": "false",
    }


def test_the_ingress_leads_to_the_ping_service_by_tls() -> None:
    spec = sample("ingress")["spec"]
    [rule] = spec["rules"]
    [tls] = spec["tls"]
    assert tls["hosts"] == [rule["host"]]
    [path] = rule["http"]["paths"]
    name, port = service()
    backend = path["backend"]["service"]
    assert backend == {"name": name, "port": {"name": port["name"]}}


def test_the_route_redirects_nobody_and_leads_to_the_ping_service_by_tls() -> None:
    spec = sample("httproute")["spec"]
    [parent] = spec["parentRefs"]
    assert parent["sectionName"] == "https"
    [rule] = spec["rules"]
    assert "filters" not in rule
    name, port = service()
    assert rule["backendRefs"] == [{"name": name, "port": port["port"]}]


def test_the_policies_open_ports_that_are_there_and_health_to_nobody() -> None:
    policies = read_manifests(SAMPLES / "networkpolicy.yaml")
    opened = {
        port["port"]
        for policy in policies
        for rule in policy["spec"]["ingress"]
        for port in rule["ports"]
    }
    assert opened == {"metrics", "ping"}
    [metrics] = policies[0]["spec"]["ingress"]
    assert metrics["from"], "metrics are not for everybody"
