"""promtool and amtool on the files as they are, and on rules that were broken."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.alert_rules import ALERTMANAGER, RULE_TESTS, RULES, Rule, rules, rules_in
from support.alert_tools import AlertTools

pytestmark = pytest.mark.integration

ALL = {rule["alert"]: rule for rule in rules()}
NEVER = "vector(1) > 2"
ALWAYS = 'absent(heartbeat_monitor_state{state="no such state"})'
_OPERATOR = re.compile(r"^\s*(?:and|or|unless)\b")
_BOUND = re.compile(r"(>=|>|==) (\d+(?:\.\d+)?)")


def test_the_rules_are_valid(alert_tools: AlertTools) -> None:
    said = alert_tools.promtool("check", "rules", "--lint=all", str(RULES))
    assert said.returncode == 0, said.stdout + said.stderr


def test_each_alert_fires_and_stays_silent_as_its_tests_say(
    alert_tools: AlertTools,
) -> None:
    said = alert_tools.promtool("test", "rules", str(RULE_TESTS))
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("alert", ALL)
def test_the_tests_of_an_alert_notice_when_it_is_broken(
    alert_tools: AlertTools, alert: str, tmp_path: Path
) -> None:
    # All of it as text: YAML in Python takes promtool's 0x10 for a number.
    whole = yaml.load(RULE_TESTS.read_text(), yaml.BaseLoader)  # noqa: S506
    ours = [each for each in whole["tests"] if each["name"].startswith(f"{alert} ")]
    passed = "the tests pass"
    assert judged(alert_tools, ALL[alert], ours, tmp_path) == passed
    for how, broken in breakages(ALL[alert]):
        verdict = judged(alert_tools, broken, ours, tmp_path)
        assert verdict != passed, f"{how}, and no test fails: {broken['expr']}"


def judged(tools: AlertTools, rule: Rule, cases: list[Any], folder: Path) -> str:
    """Run the cases on one rule in place of the original; returns what is said."""
    text = yaml.safe_load(RULES.read_text())
    for each in rules_in(text):
        if each["alert"] == rule["alert"]:
            each.clear()
            each.update(rule)
    (folder / RULES.name).write_text(yaml.safe_dump(text))
    told = {"rule_files": [RULES.name], "evaluation_interval": "1m", "tests": cases}
    (folder / "test.yaml").write_text(yaml.safe_dump(told))
    said = tools.promtool("test", "rules", str(folder / "test.yaml"))
    failed = "exp:" in said.stdout + said.stderr
    assert failed == bool(said.returncode), said.stdout + said.stderr
    return said.stdout + said.stderr if failed else "the tests pass"


def breakages(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Yield the rule broken in every way that its tests have to notice."""
    yield "it never fires", {**rule, "expr": NEVER}
    loud = {key: value for key, value in rule.items() if key != "for"}
    yield "it always fires", {**loud, "expr": ALWAYS}
    if "for" in rule:
        yield "it does not wait", copy.deepcopy(loud)
    lines = rule["expr"].splitlines()
    for first, line in enumerate(lines):
        if _OPERATOR.match(line):
            rest = lines[first + 1 :]
            ends = (n for n, each in enumerate(rest) if _OPERATOR.match(each))
            kept = [*lines[:first], *rest[next(ends, len(rest)) :]]
            yield f"without {line!r}", {**rule, "expr": "\n".join(kept)}
    for bound in _BOUND.finditer(rule["expr"]):
        begin, end = bound.span(2)
        number = f"{2 * float(bound[2]) + 2:g}"
        changed = rule["expr"][:begin] + number + rule["expr"][end:]
        yield f"{bound[0]} became {number}", {**rule, "expr": changed}


def test_the_sample_for_alertmanager_is_valid(alert_tools: AlertTools) -> None:
    said = alert_tools.amtool("check-config", str(ALERTMANAGER))
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"owner": "payments", "severity": "critical"}, "payments-pager"),
        ({"owner": "payments", "severity": "warning"}, "payments"),
        ({"owner": "payments", "severity": "info"}, "payments"),
        ({"owner": "data", "severity": "critical"}, "data-pager"),
        ({"owner": "data", "severity": "low"}, "data"),
        ({"owner": "nobody-we-know", "severity": "critical"}, "platform-pager"),
        ({"severity": "critical"}, "platform-pager"),
        ({"severity": "warning"}, "platform"),
    ],
    ids=str,
)
def test_an_alert_goes_to_the_owner_and_wakes_only_for_what_is_critical(
    alert_tools: AlertTools, labels: dict[str, str], receiver: str
) -> None:
    asked = [f"{name}={value}" for name, value in labels.items()]
    route = ("config", "routes", "test", f"--config.file={ALERTMANAGER}")
    said = alert_tools.amtool(*route, *asked)
    assert said.stdout.split() == [receiver]
