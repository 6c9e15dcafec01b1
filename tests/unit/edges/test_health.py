"""Health that can fail: each check, and what a probe is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from aiohttp import ClientSession

from heartbeats.config import Address
from heartbeats.edges.health import (
    PULSE_SECONDS,
    Alive,
    Done,
    Fresh,
    HealthPages,
    Pulse,
)
from heartbeats.edges.listener import Listener
from support.builders import SECOND, SetClock

LIMIT = timedelta(seconds=30)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def fresh(last: Callable[[], float | None], clock: SetClock) -> Fresh:
    return Fresh("watchdog", last, LIMIT, clock.monotonic)


def test_what_happened_within_the_limit_is_well(clock: SetClock) -> None:
    then = clock.monotonic()
    check = fresh(lambda: then, clock)
    clock.turn(LIMIT)
    assert check.problem() is None


def test_what_happened_too_long_ago_is_a_problem(clock: SetClock) -> None:
    then = clock.monotonic()
    check = fresh(lambda: then, clock)
    clock.turn(LIMIT + 12 * SECOND)
    assert check.problem() == "last happened 42s ago, the limit is 30s"


def test_what_never_happened_has_the_limit_from_the_start_on(clock: SetClock) -> None:
    check = fresh(lambda: None, clock)
    clock.turn(LIMIT)
    assert check.problem() is None
    clock.turn(SECOND)
    assert check.problem() == "has not happened once within 30s of the start"


def test_done_repeats_its_sentence_until_it_is_so() -> None:
    synced: set[str] = set()
    check = Done("streams", lambda: "jobs" in synced, "jobs are still being listed")
    assert check.problem() == "jobs are still being listed"
    synced.add("jobs")
    assert check.problem() is None


async def fail() -> None:
    raise RuntimeError("no more")


async def test_tasks_that_ended_are_named_with_the_reason() -> None:
    tasks: list[asyncio.Task[None]] = []
    check = Alive("writer", lambda: tasks)
    assert check.problem() is None
    tasks.append(asyncio.create_task(asyncio.Event().wait(), name="waiting"))  # type: ignore[arg-type]
    assert check.problem() is None
    tasks.append(asyncio.create_task(fail(), name="failing"))
    with suppress(RuntimeError):
        await tasks[1]
    assert check.problem() == "failing ended with RuntimeError('no more')"
    tasks[0].cancel()
    with suppress(asyncio.CancelledError):
        await tasks[0]
    assert check.problem() == (
        "waiting was cancelled; failing ended with RuntimeError('no more')"
    )


@pytest.mark.looptime
async def test_a_pulse_is_fresh_while_its_loop_turns(clock: SetClock) -> None:
    loop = asyncio.get_running_loop()
    pulse = Pulse(loop.time)
    assert pulse.last is None
    task = asyncio.create_task(pulse.run())
    await asyncio.sleep(100)
    assert pulse.last is not None
    assert loop.time() - pulse.last <= PULSE_SECONDS
    task.cancel()
    last = pulse.last
    await asyncio.sleep(100)
    assert pulse.last == last


@dataclass
class Switch:
    """A check that is turned on and off."""

    name: str
    says: str | None = None

    def problem(self) -> str | None:
        return self.says


@pytest.fixture
def loop_turns() -> Switch:
    return Switch("loop")


@pytest.fixture
def synced() -> Switch:
    return Switch("streams")


@pytest.fixture
async def url(loop_turns: Switch, synced: Switch) -> AsyncIterator[str]:
    pages = HealthPages(live=[loop_turns], ready=[loop_turns, synced])
    async with Listener(pages.application(), Address("127.0.0.1", 0)) as listener:
        yield listener.url


async def probe(url: str) -> tuple[int, object]:
    async with ClientSession() as http, http.get(url) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, await answer.json()


async def test_all_checks_well_is_200(url: str) -> None:
    assert await probe(url + "/readyz") == (
        200,
        {
            "status": "ok",
            "checks": [{"name": "loop", "ok": True}, {"name": "streams", "ok": True}],
        },
    )


async def test_one_problem_is_503_and_named(url: str, synced: Switch) -> None:
    synced.says = "jobs are still being listed"
    assert await probe(url + "/readyz") == (
        503,
        {
            "status": "failing",
            "checks": [
                {"name": "loop", "ok": True},
                {"name": "streams", "ok": False, "problem": synced.says},
            ],
        },
    )
    assert (await probe(url + "/healthz"))[0] == 200, "a restart would not help"


async def test_a_problem_is_logged_when_it_comes_and_when_it_goes(
    url: str, synced: Switch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="heartbeats.edges.health")
    for says in (None, "not yet", "not yet", None, None):
        synced.says = says
        await probe(url + "/readyz")
    assert [record.message for record in caplog.records] == [
        "/readyz fails: streams: not yet",
        "/readyz: streams is well again",
    ]


async def test_other_paths_are_not_found(url: str) -> None:
    async with ClientSession() as http, http.get(url + "/metrics") as answer:
        assert answer.status == 404
