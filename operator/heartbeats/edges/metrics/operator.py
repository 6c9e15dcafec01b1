"""What the operator tells of itself: one method for each fact that is worth counting.

Callers name the fact, never the metric. Without callers nothing happens; nothing
here may raise or wait.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.process_collector import ProcessCollector

from heartbeats.edges.metrics.keys import KeyMetrics
from heartbeats.edges.metrics.parts import PREFIX, Fact, WithoutCreated

LAG_BUCKETS: Final = (1.05, 1.1, 1.25, 1.5, 2, 3, 5, 10, 30, 60, 300, 3600)
"""Seconds. The first one is waited on purpose, so that what was reported in time can
still arrive."""

LATENCY_BUCKETS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1, 2, 4),
)
"""Seconds; a ping is refused after four."""


REQUEST_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds; a request is given up after thirty."""


class OperatorMetrics:
    """Counts what this process does, in a registry of its own."""

    def __init__(self, version: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Gauge(
            PREFIX + "build_info",
            "Always 1; the version that runs.",
            ["version"],
            registry=registry,
        ).labels(version).set(1)
        self._states = _States(registry)
        self._events = _Events(registry)
        self._spans = _Spans(registry)
        self.keys = KeyMetrics(registry)

    def render(self) -> bytes:
        """Write all series as Prometheus text (format 0.0.4)."""
        return generate_latest(WithoutCreated(self.registry))

    # What is so now

    def leader(self, leads: bool) -> None:
        """Note whether this replica leads; else it forgets what only leaders know."""
        self._states.leader.value = float(leads)
        if not leads:
            self._states.last_evaluation.value = None
            self._states.journal_entries.value = None
            self._states.unread_segments.value = None
            self._states.cron_jobs.clear()
            self.keys.forget()

    def evaluated(self, at: datetime) -> None:
        """Note that the deadlines passed by this instant have been judged."""
        self._states.last_evaluation.value = at.timestamp()

    def clock_skew(self, seconds: float) -> None:
        """Note by how much this clock is ahead of the API server's."""
        self._states.clock_skew.value = seconds

    def journal_holds(self, entries: int, *, unread: int = 0) -> None:
        """Note how many stored check-ins wait, and how many segments are unreadable."""
        self._states.journal_entries.value = entries
        self._states.unread_segments.value = unread

    def watch_synced(self, resource: str, synced: bool) -> None:
        """Note whether all of a resource is known up to now."""
        self._states.watch_synced.labels(resource).set(synced)

    def cron_jobs(self, counts: Mapping[tuple[bool, str], int]) -> None:
        """Note how many CronJobs are monitored or not, and why; all of them at once."""
        self._states.cron_jobs.clear()
        for (monitored, reason), count in counts.items():
            self._states.cron_jobs.labels(str(monitored).lower(), reason).set(count)

    # What happened

    def api_write(self, resource: str, code: int) -> None:
        """Count an answer to a write; code 0 when there was no answer."""
        self._events.api_writes.labels(resource, code).inc()

    def api_answered(self, method: str, seconds: float) -> None:
        """Count a request to the API server by how long it took; watches are none."""
        self._spans.requests.labels(method).observe(seconds)

    def watch_restarted(self, resource: str) -> None:
        """Count a watch that ended and had to be opened again."""
        self._events.watch_restarts.labels(resource).inc()

    def odd_object(self, resource: str) -> None:
        """Count an object that could not be understood and was left out."""
        self._events.odd_objects.labels(resource).inc()

    def blind(self, seconds: float) -> None:
        """Count time in which check-ins may have been refused or unseen."""
        self._events.blind_seconds.inc(max(seconds, 0.0))

    def event_log_failed(self) -> None:
        """Count a line that could not be written."""
        self._events.event_log_failures.inc()

    def ping_answered(self, dialect: str, code: int, seconds: float) -> None:
        """Count an answered ping; no dialect when no route matched."""
        self._events.pings.labels(dialect or "none", code).inc()
        self._spans.ping.observe(seconds)

    def self_ping(self, outcome: str) -> None:
        """Count a heartbeat outwards that was tried: sent or failed."""
        self._events.self_pings.labels(outcome).inc()

    def journal_committed(self, seconds: float) -> None:
        """Count a commit of the journal."""
        self._spans.commit.observe(seconds)

    def detected(self, lag_seconds: float) -> None:
        """Count an expired window by how long after its deadline it was judged."""
        self._spans.lag.observe(lag_seconds)


class _States:
    """What is so now; absent until it is known."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leader = Fact("leader", "1 while this replica leads.", registry)
        self.last_evaluation = Fact(
            "last_evaluation_timestamp_seconds",
            "Up to when deadlines have been judged.",
            registry,
        )
        self.clock_skew = Fact(
            "clock_skew_seconds",
            "How far this clock is ahead of the API server's.",
            registry,
        )
        self.journal_entries = Fact(
            "journal_entries", "Stored check-ins that wait to be applied.", registry
        )
        self.unread_segments = Fact(
            "journal_unread_segments",
            "Stored segments that this release cannot read.",
            registry,
        )
        self.watch_synced = Gauge(
            PREFIX + "watch_synced",
            "1 while all of a resource is known up to now.",
            ["resource"],
            registry=registry,
        )
        self.cron_jobs = Gauge(
            PREFIX + "cronjobs",
            "CronJobs, by whether they are monitored and why.",
            ["monitored", "reason"],
            registry=registry,
        )


class _Events:
    """What is counted since the process started."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(PREFIX + name, meaning, labels, registry=registry)

        self.api_writes = counter(
            "api_writes_total",
            "Answers to writes; code 0 for none.",
            "resource",
            "code",
        )
        self.watch_restarts = counter(
            "watch_restarts_total", "Watches that had to be opened again.", "resource"
        )
        self.odd_objects = counter(
            "odd_objects_total",
            "Objects that could not be understood and were left out.",
            "resource",
        )
        self.blind_seconds = counter(
            "blind_seconds_total",
            "Time in which check-ins may have been refused or unseen.",
        )
        self.event_log_failures = counter(
            "event_log_failures_total",
            "Lines of the event log that could not be written.",
        )
        self.self_pings = counter(
            "self_pings_total", "Heartbeats outwards that were tried.", "outcome"
        )
        self.pings = counter(
            "ping_requests_total", "Answered requests to pings.", "dialect", "code"
        )


class _Spans:
    """What takes time, in seconds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(
            name: str, meaning: str, buckets: tuple[float, ...], *labels: str
        ) -> Histogram:
            return Histogram(
                PREFIX + name, meaning, labels, registry=registry, buckets=buckets
            )

        self.requests = histogram(
            "api_request_seconds",
            "How long requests to the API server took; watches are none.",
            REQUEST_BUCKETS,
            "method",
        )
        self.ping = histogram(
            "ping_duration_seconds", "From a ping to its answer.", LATENCY_BUCKETS
        )
        self.commit = histogram(
            "journal_commit_seconds",
            "How long a commit of the journal took.",
            LATENCY_BUCKETS,
        )
        self.lag = histogram(
            "detection_lag_seconds",
            "From a deadline to the judgement that it passed.",
            LAG_BUCKETS,
        )
