"""The alert rules and what may stand in a query: metrics and labels as documented.

docs/metrics.md is compared with the code by a test of its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
ALERTS: Final = ROOT / "manifests" / "alerts"
RULES: Final = ALERTS / "heartbeats.rules.yaml"
RULE_TESTS: Final = ALERTS / "heartbeats_test.yaml"
ALERTMANAGER: Final = ALERTS / "alertmanager.yaml"
RUNBOOKS: Final = ROOT / "docs" / "runbooks"

Rule = dict[str, Any]

_ROW = re.compile(r"^\| `(heartbeat_\w+)` \| (\w+) \| ([^|]*) \|", re.MULTILINE)
_METRIC = re.compile(r"\b(heartbeat_\w+)(?:\{([^}]*)\})?")
_GROUPING = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right) \(([^)]*)\)"
)
_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def rules() -> list[Rule]:
    """Return every rule of the file, in its order."""
    return list(rules_in(yaml.safe_load(RULES.read_text())))


def rules_in(text: Any) -> Iterator[Rule]:
    """Yield the rules of what a rules file holds."""
    for group in text["groups"]:
        yield from group["rules"]


def exported() -> dict[str, set[str]]:
    """Return the labels of each metric, by its name."""
    found: dict[str, set[str]] = {}
    for name, kind, labels in _ROW.findall((ROOT / "docs" / "metrics.md").read_text()):
        found[name] = set(re.findall(r"`([^`]+)`", labels))
        if name.startswith("heartbeat_monitor_"):
            found[name] |= {"namespace", "heartbeatmonitor"}
        if kind == "histogram":
            found[name] |= {"le"}
    return found


def strange(query: str, *, of_prometheus: frozenset[str] = frozenset()) -> set[str]:
    """Return the metrics and labels of a query that nothing exports."""
    known, found, labels = exported(), set[str](), set(of_prometheus)
    for name, matchers in _METRIC.findall(query):
        family = name if name in known else _SUFFIX.sub("", name)
        if family not in known or (family != name and "le" not in known[family]):
            found.add(name)
            continue
        labels |= known[family]
        asked = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)
        found |= {f"{name}{{{each}}}" for each in asked if each not in known[family]}
    for group in _GROUPING.findall(query):
        found |= {each for each in re.findall(r"\w+", group) if each not in labels}
    return found
