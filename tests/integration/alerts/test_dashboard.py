"""Every query of the dashboard finds something in a real Prometheus."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.alert_stack import Stack, running_stack, wait
from support.alert_tools import AlertTools
from support.dashboard import Query, queries
from support.kube import fresh_namespace
from support.own_cluster import Own
from support.restarts import Operator, send
from support.workloads import cron_job, ping_monitor

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

LOOKED_BACK = 60
"""Seconds that a graph shows."""


@pytest.fixture
def stack(own: Own, alert_tools: AlertTools, tmp_path: Path) -> Iterator[Stack]:
    """Scrape an operator that has a bit of everything to tell of."""
    operator = Operator(own.operator, tmp_path)
    operator.start()
    try:
        assert operator.running is not None
        with (
            running_stack(alert_tools, tmp_path) as running,
            fresh_namespace(own.kube) as namespace,
        ):
            running.scrape(operator.running.metrics)
            running.wait_for("heartbeat_operator_leader == 1")
            _live(own, operator, namespace)
            yield running
    finally:
        operator.kill()


def _live(own: Own, operator: Operator, namespace: str) -> None:
    """Have runs that are good, fail, take a while, stay out and are not wanted."""
    kube, base = own.kube, operator.url
    kube.create(cron_job(namespace, "archive", suspend=True))
    quick = {"interval": "10s", "gracePeriod": "1s"}
    kube.create(ping_monitor(namespace, "steady", interval="1h", owner="payments"))
    kube.create(ping_monitor(namespace, "sooner", interval="30m", severity="critical"))
    kube.create(ping_monitor(namespace, "broken", interval="1h"))
    kube.create(ping_monitor(namespace, "silent", **quick))
    for name, ends in (
        ("steady", ("/start", "")),
        ("sooner", ("",)),
        ("broken", ("/3",)),
        ("silent", ("",)),
    ):
        for rest in ends:
            send(kube, base, namespace, name, rest)


def test_no_panel_of_the_dashboard_is_without_data(stack: Stack) -> None:
    down = 'heartbeat_monitor_state{heartbeatmonitor="silent",state="Down"} == 1'
    stack.wait_for(down, within=60)
    for query in queries():
        wait(lambda query=query: has_data(stack, query), f"data for {query}", within=60)
    for nothing in ('heartbeat_monitor_state{state="none"}', "vector(NaN)"):
        for instant in (True, False):
            assert not has_data(stack, Query("empty", "A", nothing, instant))


def test_the_table_of_deadlines_is_sorted_and_says_who_is_responsible(
    stack: Stack,
) -> None:
    [query] = [each for each in queries() if each.panel == "Next deadlines"]
    wait(lambda: len(stack.query(query.filled)) >= 2, "two deadlines", within=60)
    rows = stack.query(query.filled)
    times = [float(row["value"][1]) for row in rows]
    assert times == sorted(times)
    told = {row["metric"]["heartbeatmonitor"]: row["metric"] for row in rows}
    assert told["steady"]["owner"] == "payments"
    assert told["sooner"]["severity"] == "critical"
    assert list(told).index("sooner") < list(told).index("steady")


def has_data(stack: Stack, query: Query) -> bool:
    """Tell whether a panel would show something: a series with one number at least."""
    if query.instant:
        found: list[Any] = [[each["value"]] for each in stack.query(query.filled)]
    else:
        series = stack.query_range(query.filled, seconds=LOOKED_BACK)
        found = [each["values"] for each in series]
    return any(not math.isnan(float(value)) for values in found for _, value in values)
