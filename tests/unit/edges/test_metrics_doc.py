"""docs/metrics.md and the code name the same metrics, in both directions."""

import re
from pathlib import Path

from heartbeats.core.model import Health
from heartbeats.edges.metrics.families import FAMILIES, IDENTITY, Family
from heartbeats.edges.metrics.monitors import Level, Options
from heartbeats.edges.metrics.operator import OperatorMetrics

DOC = Path(__file__).parents[3] / "docs" / "metrics.md"
Row = tuple[str, ...]


def rows(prefix: str) -> dict[str, Row]:
    """Return the rows of a table by the metric they are about."""
    found: dict[str, Row] = {}
    for line in DOC.read_text().splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split(" | "))
        name = cells[0].strip("`")
        if line.startswith("|") and name.startswith(prefix):
            assert name not in found, f"{name} is documented twice"
            found[name] = cells[1:]
    return found


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def families() -> dict[str, Family]:
    told = Options.of(Level.FULL, ["team"]).families
    assert len(told) == len(FAMILIES) + 1
    return {family.name: family for family in told}


def test_each_metric_of_the_monitors_is_documented_as_it_is() -> None:
    documented = {
        name: (kind, tuple(words(labels)), level, meaning)
        for name, (kind, labels, level, meaning) in rows("heartbeat_monitor_").items()
    }
    assert documented == {
        name: (
            family.type,
            tuple(label for label in family.labels if label not in IDENTITY),
            "lean" if family.lean else "full",
            family.help,
        )
        for name, family in families().items()
    }


def test_each_metric_of_the_operator_is_documented_as_it_is() -> None:
    documented = {
        name: (kind, tuple(words(labels)), meaning)
        for name, (kind, labels, meaning) in rows("heartbeat_operator_").items()
    }
    metrics = everything_happened()
    assert documented == {
        name + ("_total" if kind == "counter" else ""): (kind, labels, meaning)
        for name, (kind, labels, meaning) in metrics.items()
    }


def everything_happened() -> dict[str, tuple[str, tuple[str, ...], str]]:
    """Return type, labels and help of each family, read from its samples."""
    metrics = OperatorMetrics("1")
    metrics.watch_synced("jobs", synced=True)
    metrics.cron_jobs({(True, "all"): 1})
    metrics.api_write("events", 201)
    metrics.api_answered("GET", 0.1)
    metrics.watch_restarted("jobs")
    metrics.odd_object("jobs")
    metrics.ping_answered("native", 200, 0.1)
    metrics.self_ping("sent")
    metrics.keys.urls({"current": 1})
    return {
        family.name: (
            family.type,
            tuple(
                dict.fromkeys(
                    name
                    for sample in family.samples
                    for name in sample.labels
                    if name != "le"
                )
            ),
            family.documentation,
        )
        for family in metrics.registry.collect()
        if family.name.startswith("heartbeat_operator_")
    }


def test_every_name_in_the_prose_exists() -> None:
    known = rows("heartbeat_").keys()
    mentioned = set(re.findall(r"heartbeat_(?:monitor|operator)_\w+", DOC.read_text()))
    assert mentioned <= known


def test_the_states_are_named() -> None:
    text = DOC.read_text()
    assert all(f"`{health}`" in text for health in Health)
