"""404 is final for every client, so it is said only when it is proven."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from heartbeats.core.model import Health, Uid
from heartbeats.edges.ping.ports import MonitorView
from heartbeats.edges.ping.service import Options
from unit.ping.support import FOREIGN, NIGHTLY, TOKEN, UNKNOWN, PingBench

PATHS = [
    "/ping/{}",
    "/ping/key/{}/start",
    "/api/v1/monitors/{}/checkin",
    "/api/v1/monitors/{}",
    "/api/v1/hb/{}",
    "/{}",
    "/v1/check_in/{}",
]
Start = Callable[[Options], Awaitable[PingBench]]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", [FOREIGN, UNKNOWN])
async def test_while_caches_warm_nothing_is_not_found(
    bench: PingBench, path: str, token: str
) -> None:
    bench.directory.synced = False
    answer = await bench.get(path.format(token))
    assert answer.status == 503
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    assert "not found" not in answer.text


@pytest.mark.parametrize("path", PATHS)
async def test_a_token_that_can_not_be_ours_is_not_found(
    bench: PingBench, path: str
) -> None:
    bench.directory.can_settle = False
    assert (await bench.get(path.format(FOREIGN))).status == 404


@pytest.mark.parametrize("path", PATHS)
async def test_a_token_of_ours_is_not_ready_until_a_newer_list_lacks_it(
    bench: PingBench, path: str
) -> None:
    bench.directory.can_settle = False
    answer = await bench.get(path.format(UNKNOWN))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    bench.directory.can_settle = True
    assert (await bench.get(path.format(UNKNOWN))).status == 404


async def test_a_monitor_that_only_a_newer_list_shows_is_pinged(
    bench: PingBench,
) -> None:
    view = MonitorView(key=NIGHTLY, uid=Uid("uid-2"))
    bench.directory.fresh[UNKNOWN] = view
    assert (await bench.get(f"/ping/{UNKNOWN}")).status == 200
    assert bench.recorder.views == [view]


async def test_a_list_that_does_not_come_is_not_waited_for_longer(start: Start) -> None:
    bench = await start(Options(commit_patience=timedelta(milliseconds=20)))
    never = asyncio.Event()

    async def settle(token: str) -> MonitorView | None:
        await never.wait()

    bench.directory.settle = settle
    assert (await bench.get(f"/ping/{UNKNOWN}")).status == 503


async def test_a_known_monitor_is_pinged_while_caches_still_warm(
    bench: PingBench,
) -> None:
    bench.directory.synced = False
    assert (await bench.get(f"/ping/{TOKEN}")).status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_a_monitor_without_pings_is_not_found_in_any_dialect(
    bench: PingBench, path: str
) -> None:
    bench.directory.put(Health.UP, is_ping=False)
    assert (await bench.get(path.format(TOKEN))).status == 404
    assert not bench.recorder.check_ins


@pytest.mark.parametrize("path", PATHS)
async def test_a_suspended_monitor_is_answered_as_usual(
    bench: PingBench, path: str
) -> None:
    bench.directory.put(Health.PAUSED, suspended=True)
    assert (await bench.get(path.format(TOKEN))).status == 200
