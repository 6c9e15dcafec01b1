"""The Grafana dashboard: its panels and what they ask Prometheus."""

import json
from dataclasses import dataclass
from typing import Any, Final

from support.alert_rules import ROOT

DASHBOARD: Final = ROOT / "manifests" / "dashboard" / "heartbeats.json"
_VARIABLES: Final = {"$namespace": ".*", "$owner": ".*", "$__rate_interval": "1m"}
"""What Grafana puts in while nothing is chosen, at a scrape each second."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    panel: str
    ref: str
    expression: str
    instant: bool

    def __str__(self) -> str:
        return f"{self.panel} {self.ref}"

    @property
    def filled(self) -> str:
        """The expression as Prometheus gets it."""
        text = self.expression
        for name, value in _VARIABLES.items():
            text = text.replace(name, value)
        return text


def board() -> Any:
    """Return the whole dashboard."""
    return json.loads(DASHBOARD.read_text())


def panels() -> list[Any]:
    """Return the panels that show something: rows are headings."""
    return [each for each in board()["panels"] if each["type"] != "row"]


def queries() -> list[Query]:
    """Return every query of every panel."""
    return [
        Query(panel["title"], target["refId"], target["expr"], target["instant"])
        for panel in panels()
        for target in panel["targets"]
    ]
