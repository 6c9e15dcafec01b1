"""The First heartbeat dialect answers with how the monitor stands now."""

import json
from datetime import timedelta

import pytest

from heartbeats.core.model import Health, Kind
from unit.ping.support import NOON, TOKEN, PingBench

PATH = f"/api/v1/hb/{TOKEN}"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_heartbeat_is_a_success(bench: PingBench, method: str) -> None:
    answer = await bench.ask(method, PATH)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert bench.last.kind is Kind.SUCCESS


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Health.NEW, "Up"),
        (Health.UP, "Up"),
        (Health.LATE, "Up"),
        (Health.DOWN, "Up"),
        (Health.PAUSED, "Paused"),
        (Health.UNKNOWN, "Unknown"),
    ],
)
async def test_the_answer_is_the_state_after_this_heartbeat(
    bench: PingBench, before: Health, after: str
) -> None:
    bench.directory.put(before)
    assert json.loads((await bench.post(PATH)).text)["status"] == after


async def test_a_monitor_that_needs_more_successes_stays_down(bench: PingBench) -> None:
    bench.directory.put(Health.DOWN, recovers_at_once=False)
    assert json.loads((await bench.post(PATH)).text)["status"] == "Down"


async def test_a_suspended_monitor_records_and_says_paused(bench: PingBench) -> None:
    bench.directory.put(Health.UP, suspended=True)
    answer = await bench.post(PATH)
    assert (answer.status, json.loads(answer.text)["status"]) == (200, "Paused")
    assert bench.last.kind is Kind.SUCCESS


async def test_an_interval_counts_from_this_heartbeat(bench: PingBench) -> None:
    bench.directory.put(
        Health.UP,
        next_expected_at=NOON + timedelta(minutes=5),
        interval=timedelta(hours=24),
    )
    answer = await bench.post(PATH)
    assert json.loads(answer.text)["nextExpected"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize(
    ("due_at", "written"),
    [
        (NOON + timedelta(hours=2), "2026-03-01T14:00:00Z"),
        (NOON - timedelta(minutes=1), None),
        (None, None),
    ],
)
async def test_the_next_slot_of_a_schedule_is_told_while_it_lies_ahead(
    bench: PingBench, due_at: object, written: str | None
) -> None:
    bench.directory.put(Health.UP, next_expected_at=due_at)
    assert json.loads((await bench.post(PATH)).text)["nextExpected"] == written
