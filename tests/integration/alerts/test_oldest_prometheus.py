"""The shipped rules in the oldest Prometheus that they are for."""

import json
from pathlib import Path
from urllib.request import urlopen

import pytest

from support.alert_rules import RULE_TESTS, RULES, rules
from support.alert_stack import running_stack
from support.alert_tools import AlertTools
from support.old_prometheus import VERSION, missing, old_prometheus

pytestmark = pytest.mark.integration

A_WHILE = 120.0


@pytest.fixture(scope="module", name="old")
def the_old_one(
    alert_tools: AlertTools, tmp_path_factory: pytest.TempPathFactory
) -> AlertTools:
    if reason := missing():
        pytest.skip(f"no Prometheus {VERSION} to try the rules in: {reason}")
    found = old_prometheus(alert_tools, tmp_path_factory.mktemp("old"))
    assert f"version {VERSION}+" in found.promtool("--version").stdout
    return found


def test_it_understands_the_rules_and_each_alert_fires_and_stays_silent(
    old: AlertTools,
) -> None:
    for said in (
        old.promtool("check", "rules", str(RULES)),
        old.promtool("test", "rules", str(RULE_TESTS)),
    ):
        assert said.returncode == 0, said.stdout + said.stderr


def test_it_evaluates_every_rule_and_an_alert_reaches_its_receiver(
    old: AlertTools, tmp_path: Path
) -> None:
    with running_stack(old, tmp_path) as stack:
        # Nothing is scraped, so nobody is there.
        came = stack.receivers.wait_for(
            "HeartbeatOperatorAbsent", "firing", within=A_WHILE
        )
        assert came.receiver == "platform-pager"
        with urlopen(f"{stack.prometheus}/api/v1/rules", timeout=30) as answer:  # noqa: S310
            groups = json.load(answer)["data"]["groups"]
    found = {
        each["name"]: each["health"] for group in groups for each in group["rules"]
    }
    assert found == {each["alert"]: "ok" for each in rules()}
