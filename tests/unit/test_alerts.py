"""The alert rules: texts for people, metrics that exist, and a test of each alert.

That they fire and stay silent as they should, promtool proves
(tests/integration/test_alert_rules.py).
"""

import re
from typing import Any

import pytest
import yaml

from support.alert_rules import (
    RULE_TESTS,
    RUNBOOKS,
    Rule,
    exported,
    rules,
    strange,
)

ALL = {rule["alert"]: rule for rule in rules()}
EACH = pytest.mark.parametrize("rule", ALL.values(), ids=ALL.keys())
HEADINGS = ("What it means", "Look first", "What to do", "When to silence")
IDENTITY = {"namespace", "heartbeatmonitor"}


def cases() -> list[Any]:
    """Return promtool's test cases."""
    found: list[Any] = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    return found


def expected_of(case: Any, alert: str) -> list[Any]:
    """Return what a test case expects of an alert, one item for each look."""
    looks = case.get("alert_rule_test", [])
    return [each["exp_alerts"] for each in looks if each["alertname"] == alert]


def test_no_two_rules_have_the_same_name() -> None:
    assert len(ALL) == len(rules())


@EACH
def test_an_alert_says_in_a_line_what_is_wrong_and_then_what_to_look_at(
    rule: Rule,
) -> None:
    texts = rule["annotations"]
    assert set(texts) == {"summary", "description", "runbook_url"}
    plain = re.sub(r"\{\{[^}]*\}\}", "x", texts["summary"])
    assert 30 < len(plain) < 120
    assert plain[-1] != "."
    assert "heartbeat_" not in texts["summary"] + texts["description"]
    assert len(texts["description"]) < 400


@EACH
def test_an_alert_has_a_runbook_with_everything_in_its_place(rule: Rule) -> None:
    name = rule["alert"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    text = (RUNBOOKS / f"{name}.md").read_text()
    headings = re.findall(r"^(#+) (.*)$", text, re.MULTILINE)
    assert headings == [("#", name), *(("##", each) for each in HEADINGS)]
    looks = text.split("## Look first")[1].split("## What to do")[0]
    assert re.search(r"^    \S", looks, re.MULTILINE), "no command to begin with"


def test_a_runbook_links_to_pages_that_exist_and_belongs_to_an_alert() -> None:
    pages = {each.stem for each in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == set(ALL)
    for page in RUNBOOKS.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert (RUNBOOKS / link).exists(), f"{page.name}: {link}"


def test_the_list_of_runbooks_tells_each_alert_with_its_severity() -> None:
    table = (RUNBOOKS / "README.md").read_text()
    row = re.compile(r"^\| \[(\w+)\]\([^)]*\) \| ([^|]*) \|", re.MULTILINE)
    listed = dict(row.findall(table))
    assert listed == {
        name: "the monitor's" if "{{" in severity else severity
        for name, rule in ALL.items()
        for severity in [rule["labels"]["severity"]]
    }


@EACH
def test_an_alert_asks_only_for_what_is_exported(rule: Rule) -> None:
    assert strange(rule["expr"]) == set()
    assert re.search(r"\bheartbeat_\w+", rule["expr"])


def test_what_is_not_exported_is_noticed() -> None:
    assert strange("heartbeat_monitor_status") == {"heartbeat_monitor_status"}
    asked = 'max by (pod) (heartbeat_monitor_state{phase="Down"})'
    assert strange(asked) == {"heartbeat_monitor_state{phase}", "pod"}
    assert strange("heartbeat_operator_leader_bucket") != set()
    assert len(exported()) > 30


@EACH
def test_an_alert_that_names_a_label_keeps_it_and_no_label_of_a_pod(
    rule: Rule,
) -> None:
    first = re.match(r"max by \(([^)]*)\) \(heartbeat_monitor_info\)", rule["expr"])
    kept = set(first[1].split(", ")) if first else set[str]()
    assert kept == set() or kept >= IDENTITY | {"owner"}
    texts = " ".join([*rule["annotations"].values(), *rule["labels"].values()])
    assert set(re.findall(r"\$labels\.(\w+)", texts)) <= kept


@EACH
def test_an_alert_outlasts_the_start_of_an_operator(rule: Rule) -> None:
    assert rule["keep_firing_for"] in {"3m", "10m"}


@EACH
def test_an_alert_about_a_monitor_is_as_severe_as_the_monitor_says(rule: Rule) -> None:
    about_one = "heartbeat_monitor_info" in rule["expr"]
    severity = rule["labels"]["severity"]
    if about_one and rule["alert"] != "HeartbeatMonitorPausedLong":
        assert severity == '{{ or $labels.severity "warning" }}'
    else:
        assert severity in {"critical", "warning", "info"}


@EACH
def test_an_alert_has_a_test_that_fires_and_one_that_stays_silent(rule: Rule) -> None:
    name = rule["alert"]
    named = [case for case in cases() if case["name"].startswith(f"{name} ")]
    fires = [case for case in named if case["name"].startswith(f"{name} fires ")]
    silent = [
        case for case in named if case["name"].startswith(f"{name} stays silent ")
    ]
    assert len(fires) + len(silent) == len(named)
    assert fires
    assert silent
    assert all(any(expected_of(case, name)) for case in fires)
    for case in silent:
        expected = expected_of(case, name)
        assert expected
        assert not any(expected)
