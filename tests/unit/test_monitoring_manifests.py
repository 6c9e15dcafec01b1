"""The manifests for the Prometheus Operator say what the plain files say."""

from typing import Any

import yaml

from support.alert_rules import RULES, rules_in
from support.prometheus_rule import TARGET, prometheus_rule
from support.resources import Object, read_manifests

OVERLAY = TARGET.parent
ALL = {each["kind"]: each for each in read_manifests(OVERLAY)}


def test_the_prometheus_rule_is_that_of_the_rules_file() -> None:
    assert TARGET.read_text() == prometheus_rule(), "run `make manifests`"
    assert ALL["PrometheusRule"]["spec"] == yaml.safe_load(RULES.read_text())


def test_links_to_runbooks_can_be_made_to_lead_to_a_site() -> None:
    made: Any = yaml.safe_load(prometheus_rule("https://example.org/heartbeats/"))
    links = [each["annotations"]["runbook_url"] for each in rules_in(made["spec"])]
    start = "https://example.org/heartbeats/docs/runbooks/Heartbeat"
    assert all(each.startswith(start) for each in links)


def test_a_scrape_keeps_the_namespace_of_the_monitor_and_meets_every_pod() -> None:
    [endpoint] = ALL["ServiceMonitor"]["spec"]["endpoints"]
    service = ALL["Service"]["spec"]
    assert endpoint["honorLabels"] is True
    assert endpoint["port"] in {port["name"] for port in service["ports"]}
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True


def test_the_service_monitor_finds_the_service() -> None:
    wanted = ALL["ServiceMonitor"]["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= ALL["Service"]["metadata"]["labels"].items()
    assert len({namespace_of(each) for each in ALL.values()}) == 1


def namespace_of(manifest: Object) -> str:
    found: str = manifest["metadata"]["namespace"]
    return found
