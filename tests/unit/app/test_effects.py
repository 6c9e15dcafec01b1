"""What the ledger's news leads to, edge by edge."""

import io
import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from heartbeats.app.effects import Effects, Told
from heartbeats.core.model import Flip, Health, Kind, MonitorKey, Reason, Uid
from heartbeats.edges.eventlog import EventLog
from heartbeats.edges.kube.budget import Budget
from heartbeats.edges.kube.ping_urls import PingUrls
from heartbeats.edges.kube.telling import FlipTeller
from heartbeats.edges.kube.writer import StatusWriter
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.ledger import Entry
from heartbeats.watchdog import Watchdog
from support.builders import (
    NOW,
    MemoryApi,
    SetClock,
    check_in,
    entry,
    flip,
    missed,
    state,
)


class Marks(StatusWriter):
    """A writer that only remembers what it was told."""

    def __init__(self, teller: Told) -> None:
        clock = SetClock()
        budget = Budget(10, clock.monotonic)
        flips = FlipTeller(MemoryApi(), teller, clock, budget)
        super().__init__(MemoryApi(), flips, clock, budget)
        self.marked: list[tuple[Uid, bool]] = []

    def mark(self, uid: Uid, *, urgent: bool) -> None:
        self.marked.append((uid, urgent))


class Wishes(PingUrls):
    """URLs that only remember whose they are."""

    def __init__(self) -> None:
        super().__init__(MemoryApi(), None, "http://ping")
        self.marked: list[Uid] = []

    def mark(self, entry: Entry) -> None:
        self.marked.append(entry.uid)


class Alarm(Watchdog):
    """A watchdog that only counts how often it was woken."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


class Desk:
    """Effects with all edges within reach."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.metrics = OperatorMetrics("1.2.3")
        log = EventLog(self.out, None, self.metrics.event_log_failed)
        self.told = Told(log, "prod-eu")
        self.writer, self.urls, self.alarm = Marks(self.told), Wishes(), Alarm()
        self.clock = SetClock()
        self.effects = Effects(
            self.writer, self.told, self.urls, self.clock, self.metrics
        )

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def metric(self, name: str) -> float:
        text = self.metrics.render().decode()
        [line] = [each for each in text.splitlines() if each.startswith(f"{name} ")]
        return float(line.split()[1])


@pytest.fixture
def desk() -> Desk:
    return Desk()


def flipped(*flips: Flip) -> Entry:
    return entry(state_=state(pending_flips=flips))


@pytest.mark.parametrize("urgent", [True, False])
def test_a_change_reaches_the_writer_the_urls_and_the_watchdog(
    desk: Desk, urgent: bool
) -> None:
    changed = flipped(flip(Health.UP, Reason.RECOVERED))
    desk.effects.changed(changed, urgent=urgent)
    assert desk.writer.marked == [(changed.uid, urgent)]
    assert desk.urls.marked == [changed.uid]
    desk.effects.watchdog = desk.alarm
    desk.effects.changed(changed, urgent=urgent)
    assert desk.alarm.woken == 1


def test_open_pages_hear_of_what_changed_and_of_what_is_gone(desk: Desk) -> None:
    heard: list[MonitorKey] = []
    desk.effects.on_change = heard.append
    one, other = entry("one"), entry("other")
    desk.effects.changed(one, urgent=False)
    desk.effects.lost(other)
    assert heard == [one.key, other.key]


LAG = "heartbeat_operator_detection_lag_seconds"


def test_how_late_a_down_was_noticed_is_measured(desk: Desk) -> None:
    at = NOW - timedelta(seconds=1.5)
    desk.effects.changed(
        flipped(flip(Health.DOWN, Reason.RUN_MISSED, at=at)), urgent=True
    )
    assert desk.metric(f"{LAG}_count") == 1
    assert desk.metric(f"{LAG}_sum") == 1.5


def test_only_the_newest_flip_and_only_down_is_measured(desk: Desk) -> None:
    down = flip(Health.DOWN, Reason.RUN_MISSED)
    recovered = flip(Health.UP, Reason.RECOVERED)
    desk.effects.changed(flipped(down, recovered), urgent=True)
    desk.effects.changed(flipped(down), urgent=False)
    assert desk.metric(f"{LAG}_count") == 0


def test_a_clock_that_went_back_measures_no_negative_lag(desk: Desk) -> None:
    later = NOW + timedelta(minutes=1)
    desk.effects.changed(
        flipped(flip(Health.DOWN, Reason.RUN_FAILED, at=later)), urgent=True
    )
    assert desk.metric(f"{LAG}_sum") == 0


def test_a_check_in_is_a_line(desk: Desk) -> None:
    desk.effects.checked_in(entry(), check_in(Kind.FAILURE, exit_code=3))
    [line] = desk.lines
    assert (line["check_in_id"], line["state"]) == ("shop/nightly", "reporting")
    assert (line["payload"]["exit_code"], line["payload"]["cluster"]) == (
        *(3, "prod-eu"),
    )


def test_a_job_that_vanished_reported_nothing(desk: Desk) -> None:
    desk.effects.checked_in(entry(), check_in(Kind.VANISHED))
    assert desk.lines == []


def test_a_window_that_expired_is_a_line(desk: Desk) -> None:
    desk.effects.missed(entry(), missed())
    [line] = desk.lines
    assert (line["state"], line["payload"]["id"]) == ("missing", "m-1")


def test_a_flip_is_a_line_unless_its_check_in_was(desk: Desk) -> None:
    desk.told.flipped(entry(), flip(Health.DOWN, Reason.RUN_FAILED))
    desk.told.flipped(entry(), flip(Health.UP, Reason.RECOVERED))
    assert desk.lines == []
    desk.told.flipped(entry(), flip(Health.DOWN, Reason.RUN_MISSED))
    desk.told.flipped(entry(), flip(Health.PAUSED, Reason.PAUSED, id="f-2"))
    assert [(line["state"], line["payload"]["id"]) for line in desk.lines] == [
        *(("missing", "f-1"), ("paused", "f-2")),
    ]


def test_a_monitor_that_cannot_be_judged_is_told_loudly(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.effects.failed(entry(), RuntimeError("a bug"))
    [line] = caplog.records
    assert line.levelno == logging.ERROR
    assert "shop/nightly is not judged" in line.message
    assert line.exc_info is not None
