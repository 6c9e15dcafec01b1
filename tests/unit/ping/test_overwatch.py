"""The Overwatch dialect: check in by GET or POST, look a monitor up."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from ipaddress import ip_network

import pytest

from heartbeats.core.model import Health, Kind, Reason
from heartbeats.edges.ping.requests import Reading
from heartbeats.edges.ping.service import Options
from unit.ping.support import FOREIGN, NOON, TOKEN, UNKNOWN, PingBench

LOOK_UP = f"/api/v1/monitors/{TOKEN}"
CHECK_IN = f"{LOOK_UP}/checkin"
Start = Callable[[Options], Awaitable[PingBench]]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("query", "kind", "recorded"),
    [
        ("", Kind.SUCCESS, "ok"),
        ("?status=ok", Kind.SUCCESS, "ok"),
        ("?status=fail", Kind.FAILURE, "failure"),
    ],
)
async def test_a_check_in_says_what_was_recorded(
    bench: PingBench, method: str, query: str, kind: Kind, recorded: str
) -> None:
    answer = await bench.ask(method, CHECK_IN + query)
    assert answer.status == 200
    assert json.loads(answer.text) == {"recorded": recorded, "monitor": TOKEN}
    assert bench.last.kind is kind


@pytest.mark.parametrize("status", ["", "FAIL", "failed", "up", "%00"])
async def test_another_status_is_refused(bench: PingBench, status: str) -> None:
    answer = await bench.get(f"{CHECK_IN}?status={status}")
    assert answer.status == 400
    assert "ok or fail" in json.loads(answer.text)["error"]
    assert not bench.recorder.check_ins


@pytest.mark.parametrize("path", [LOOK_UP, CHECK_IN])
async def test_a_monitor_that_takes_no_pings_is_not_found(
    bench: PingBench, path: str
) -> None:
    bench.directory.put(Health.UP, is_ping=False)
    answer = await bench.get(path)
    assert (answer.status, json.loads(answer.text)) == (404, {"error": "not found"})
    assert not bench.recorder.check_ins


@pytest.mark.parametrize("token", [FOREIGN, UNKNOWN, "mon_01j"])
async def test_an_unknown_monitor_is_not_found(bench: PingBench, token: str) -> None:
    assert (await bench.get(f"/api/v1/monitors/{token}")).status == 404
    assert (await bench.get(f"/api/v1/monitors/{token}/checkin")).status == 404


@pytest.mark.parametrize(
    ("health", "reason", "word"),
    [
        (Health.NEW, None, "pending"),
        (Health.UP, None, "up"),
        (Health.LATE, None, "up"),
        (Health.DOWN, Reason.RUN_FAILED, "down"),
        (Health.DOWN, Reason.RUN_MISSED, "havent_heard"),
        (Health.DOWN, Reason.RUN_OVERDUE, "havent_heard"),
        (Health.DOWN, None, "havent_heard"),
        (Health.PAUSED, None, "paused"),
        (Health.UNKNOWN, None, "pending"),
    ],
)
async def test_a_look_up_says_the_state_in_overwatch_words(
    bench: PingBench, health: Health, reason: Reason | None, word: str
) -> None:
    bench.directory.put(health, incident_reason=reason)
    answer = await bench.get(LOOK_UP)
    assert answer.status == 200
    assert json.loads(answer.text) == {
        "data": {
            "id": TOKEN,
            "type": "SCHEDULED",
            "name": "nightly",
            "status": word,
            "checkinUrl": f"{bench.service.url}{CHECK_IN}",
        }
    }
    assert not bench.recorder.check_ins


async def test_a_monitor_just_suspended_is_paused_before_its_status_says_so(
    bench: PingBench,
) -> None:
    bench.directory.put(Health.UP, suspended=True)
    assert '"status":"paused"' in (await bench.get(LOOK_UP)).text


async def test_a_monitor_past_its_slot_is_still_up_within_its_window(
    bench: PingBench,
) -> None:
    due_at = NOON - timedelta(minutes=1)
    bench.directory.put(Health.UP, next_expected_at=due_at)
    assert '"status":"up"' in (await bench.get(LOOK_UP)).text


async def test_the_check_in_url_is_the_public_one(start: Start) -> None:
    reading = Reading(public_url="https://pings.example.com/")
    bench = await start(Options(reading=reading))
    data = json.loads((await bench.get(LOOK_UP)).text)["data"]
    assert data["checkinUrl"] == f"https://pings.example.com{CHECK_IN}"


@pytest.mark.parametrize(
    ("trusted", "claim", "scheme"),
    [
        ((), "https", "http"),
        ((ip_network("127.0.0.0/8"),), "https", "https"),
        ((ip_network("127.0.0.0/8"),), "javascript", "http"),
    ],
)
async def test_the_scheme_is_believed_from_trusted_proxies_only(
    start: Start, trusted: tuple[object, ...], claim: str, scheme: str
) -> None:
    bench = await start(Options(reading=Reading(trusted_proxies=trusted)))
    headers = {"X-Forwarded-Proto": claim, "Host": "pings.example.com"}
    data = json.loads((await bench.get(LOOK_UP, headers=headers)).text)["data"]
    assert data["checkinUrl"] == f"{scheme}://pings.example.com{CHECK_IN}"
