"""The operator's own series, and what a scrape gets over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from heartbeats.config import Address
from heartbeats.edges.listener import Listener
from heartbeats.edges.metrics.monitors import Options
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.edges.metrics.scrape import Scrape
from heartbeats.ledger.entries import Entry
from support.builders import NOW, SetClock, entry


@pytest.fixture
def metrics() -> OperatorMetrics:
    return OperatorMetrics("1.2.3")


def value(metrics: OperatorMetrics, name: str, **labels: str) -> float | None:
    """Return one series as it is told; None when it is absent."""
    text = metrics.render().decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            wanted = f"heartbeat_operator_{name}"
            if sample.name == wanted and sample.labels == labels:
                return sample.value
    return None


def test_the_version_is_told(metrics: OperatorMetrics) -> None:
    assert value(metrics, "build_info", version="1.2.3") == 1


@pytest.mark.parametrize(
    "name",
    [
        *("leader", "last_evaluation_timestamp_seconds"),
        *("clock_skew_seconds", "journal_entries", "journal_unread_segments"),
    ],
)
def test_what_is_not_known_yet_is_absent(metrics: OperatorMetrics, name: str) -> None:
    assert value(metrics, name) is None


def test_facts_are_told_as_they_are_now(metrics: OperatorMetrics) -> None:
    metrics.leader(leads=True)
    metrics.leader(leads=False)
    metrics.evaluated(NOW)
    metrics.clock_skew(-0.25)
    metrics.journal_holds(12, unread=3)
    metrics.watch_synced("jobs", synced=True)
    assert value(metrics, "leader") == 0
    assert value(metrics, "last_evaluation_timestamp_seconds") == NOW.timestamp()
    assert value(metrics, "clock_skew_seconds") == -0.25
    assert value(metrics, "journal_entries") == 12
    assert value(metrics, "journal_unread_segments") == 3
    assert value(metrics, "watch_synced", resource="jobs") == 1


def test_a_follower_tells_nothing_that_only_a_leader_knows(
    metrics: OperatorMetrics,
) -> None:
    """What it told as a leader would stay, and be told by two."""
    metrics.leader(leads=True)
    metrics.evaluated(NOW)
    metrics.journal_holds(12)
    metrics.cron_jobs({(True, "Default"): 3})
    metrics.keys.lost(True)
    metrics.keys.urls({"current": 2})
    metrics.leader(leads=False)
    assert value(metrics, "leader") == 0
    assert value(metrics, "last_evaluation_timestamp_seconds") is None
    assert value(metrics, "journal_entries") is None
    assert value(metrics, "journal_unread_segments") is None
    assert value(metrics, "cronjobs", monitored="true", reason="Default") is None
    assert value(metrics, "ping_key_lost") is None
    assert value(metrics, "ping_urls", key="current") is None


def test_events_are_counted(metrics: OperatorMetrics) -> None:
    metrics.api_write("events", 201)
    metrics.api_write("events", 201)
    metrics.watch_restarted("jobs")
    metrics.odd_object("cronjobs")
    metrics.blind(2.5)
    metrics.blind(-1)
    metrics.event_log_failed()
    assert value(metrics, "api_writes_total", resource="events", code="201") == 2
    assert value(metrics, "watch_restarts_total", resource="jobs") == 1
    assert value(metrics, "odd_objects_total", resource="cronjobs") == 1
    assert value(metrics, "blind_seconds_total") == 2.5
    assert value(metrics, "event_log_failures_total") == 1


def test_pings_are_counted_and_measured(metrics: OperatorMetrics) -> None:
    metrics.ping_answered("native", 200, 0.004)
    metrics.ping_answered("", 404, 0.3)
    requests = "ping_requests_total"
    assert value(metrics, requests, dialect="native", code="200") == 1
    assert value(metrics, requests, dialect="none", code="404") == 1
    assert value(metrics, "ping_duration_seconds_bucket", le="0.005") == 1
    assert value(metrics, "ping_duration_seconds_count") == 2


def test_spans_are_sorted_into_buckets(metrics: OperatorMetrics) -> None:
    metrics.journal_committed(0.02)
    metrics.detected(1.02)
    metrics.detected(40)
    assert value(metrics, "journal_commit_seconds_sum") == 0.02
    assert value(metrics, "detection_lag_seconds_bucket", le="1.05") == 1
    assert value(metrics, "detection_lag_seconds_bucket", le="60.0") == 2


def test_cron_jobs_of_which_there_are_none_any_more_disappear(
    metrics: OperatorMetrics,
) -> None:
    metrics.cron_jobs({(True, "all"): 5, (False, "annotation"): 1})
    metrics.cron_jobs({(True, "all"): 6})
    assert value(metrics, "cronjobs", monitored="true", reason="all") == 6
    assert value(metrics, "cronjobs", monitored="false", reason="annotation") is None


def test_two_processes_in_one_do_not_share_a_registry(metrics: OperatorMetrics) -> None:
    other = OperatorMetrics("1.2.3")
    other.leader(leads=True)
    assert value(metrics, "leader") is None


def test_creation_times_of_counters_are_left_out(metrics: OperatorMetrics) -> None:
    metrics.detected(1)
    metrics.api_write("events", 201)
    assert "_created" not in metrics.render().decode()


class Monitors:
    """Tells of monitors until it is told to stop."""

    def __init__(self) -> None:
        self.entries = [entry("a"), entry("b")]

    def __call__(self) -> Iterable[Entry]:
        return self.entries


@pytest.fixture
def monitors() -> Monitors:
    return Monitors()


@pytest.fixture
async def url(metrics: OperatorMetrics, monitors: Monitors) -> AsyncIterator[str]:
    scrape = Scrape(metrics, monitors, Options(), SetClock())
    async with Listener(scrape.application(), Address("127.0.0.1", 0)) as listener:
        yield listener.url + "/metrics"


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


@pytest.mark.parametrize(
    "accept", ["*/*", "application/openmetrics-text;version=1.0.0", "text/html"]
)
async def test_a_scrape_gets_everything_in_the_text_format(
    url: str, http: ClientSession, accept: str
) -> None:
    async with http.get(url, headers={"Accept": accept}) as answer:
        assert answer.status == 200
        kind = answer.headers["Content-Type"]
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        text = await answer.text()
    names = [family.name for family in text_string_to_metric_families(text)]
    assert len(names) == len(set(names))
    assert {"heartbeat_operator_build_info", "heartbeat_monitor_state"} < set(names)
    assert "process_resident_memory_bytes" in names


async def test_a_replica_that_stops_leading_drops_the_monitors_at_once(
    url: str, http: ClientSession, monitors: Monitors
) -> None:
    monitors.entries = []
    async with http.get(url) as answer:
        text = await answer.text()
    assert "heartbeat_monitor_state{" not in text
    assert "heartbeat_operator_build_info{" in text


async def test_only_get_and_only_metrics(url: str, http: ClientSession) -> None:
    async with http.post(url) as answer:
        assert answer.status == 405
    async with http.get(url.removesuffix("/metrics")) as answer:
        assert answer.status == 404


async def test_others_run_while_many_monitors_are_written(
    url: str, http: ClientSession, monitors: Monitors
) -> None:
    monitors.entries = [entry(f"m{number}") for number in range(5_000)]
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    async with http.get(url) as answer:
        await answer.read()
    turning.cancel()
    assert turns > 100
