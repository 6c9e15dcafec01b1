"""The dashboard asks for what is exported, and its words are those of the states.

That every query finds something, tests/integration/alerts/test_dashboard.py shows.
"""

import re
from itertools import pairwise
from typing import Any

import pytest
import yaml

from heartbeats.core.model import Health
from support.alert_rules import strange
from support.dashboard import DASHBOARD, Query, board, panels, queries

OF_PROMETHEUS = frozenset({"pod", "instance"})


def panel(title: str) -> Any:
    [found] = [each for each in panels() if each["title"] == title]
    return found


@pytest.mark.parametrize("query", queries(), ids=str)
def test_a_query_asks_only_for_what_is_exported(query: Query) -> None:
    assert strange(query.expression, of_prometheus=OF_PROMETHEUS) == set()
    assert re.search(r"\bheartbeat_\w+", query.expression)
    assert "$" not in query.filled


def test_a_panel_says_what_it_shows_and_asks_the_data_source_that_was_chosen() -> None:
    titles = [each["title"] for each in panels()]
    assert len(titles) == len(set(titles))
    for each in panels():
        assert each["description"].endswith(".")
        assert each["targets"]
        for part in (each, *each["targets"]):
            assert part["datasource"]["uid"] == "${datasource}"


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for each in board()["panels"]:
        x, y, w, h = (each["gridPos"][side] for side in "xywh")
        cells = {(x + i, y + j) for i in range(w) for j in range(h)}
        assert x + w <= 24
        assert not taken & cells, each["title"]
        taken |= cells


def test_ids_and_places_in_a_panel_are_not_used_twice() -> None:
    ids = [each["id"] for each in board()["panels"]]
    assert len(ids) == len(set(ids))
    for each in panels():
        refs = [target["refId"] for target in each["targets"]]
        assert len(refs) == len(set(refs))


def test_the_timeline_names_and_paints_each_state_by_its_number() -> None:
    timeline = panel("State of each monitor")
    [target] = timeline["targets"]
    asked = re.findall(
        r'(\d) \* \(heartbeat_monitor_state\{[^}]*state="(\w+)"', target["expr"]
    )
    [mapping] = timeline["fieldConfig"]["defaults"]["mappings"]
    shown = {number: told["text"] for number, told in mapping["options"].items()}
    assert shown == dict(asked)
    assert set(shown.values()) == {health.value for health in Health}
    assert len({told["color"] for told in mapping["options"].values()}) == len(Health)


def test_the_table_of_deadlines_begins_with_the_earliest() -> None:
    table = panel("Next deadlines")
    assert table["targets"][0]["expr"].startswith("sort(")
    assert table["options"]["sortBy"] == [{"displayName": "deadline", "desc": False}]


def test_rows_come_in_the_order_of_what_matters() -> None:
    rows = [each for each in board()["panels"] if each["type"] == "row"]
    assert [each["title"] for each in rows] == ["Jobs", "Failures", "Operator"]
    assert all(a["gridPos"]["y"] < b["gridPos"]["y"] for a, b in pairwise(rows))


def test_the_config_map_for_grafana_holds_the_dashboard() -> None:
    text = (DASHBOARD.parent / "kustomization.yaml").read_text()
    [made] = yaml.safe_load(text)["configMapGenerator"]
    assert made["files"] == [DASHBOARD.name]
    assert made["options"]["labels"]["grafana_dashboard"] == "1"
