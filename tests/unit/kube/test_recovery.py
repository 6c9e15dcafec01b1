"""Delays, complaints, and the small parts that wait."""

import asyncio
import logging
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeats.edges.kube.errors import ServerError, TooManyRequests, Unreachable
from heartbeats.edges.kube.pace import Pace
from heartbeats.edges.kube.progress import Progress, StreamLimit, Turns
from heartbeats.edges.kube.recovery import Backoff, Recovery


class Hand:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@given(failures=st.integers(min_value=1, max_value=2_000), seed=st.integers())
def test_no_delay_is_ever_longer_than_a_second(failures: int, seed: int) -> None:
    pace = Pace()
    draw = random.Random(seed).uniform  # noqa: S311 - jitter, not secrets
    backoff = Backoff(pace.first_delay, pace.most_delay, draw)
    delays = [backoff.next() for _ in range(failures)]
    assert all(0.05 <= delay <= 1.0 for delay in delays)
    assert delays[0] <= 0.1


def test_delays_double_with_jitter_and_start_anew() -> None:
    backoff = Backoff(0.1, 1.0, max)
    assert [backoff.next() for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    backoff.reset()
    assert backoff.next() == 0.1
    assert Backoff(0.1, 1.0, min).next() == 0.05


def test_only_a_stream_that_lasted_resets_the_delays() -> None:
    recovery = Recovery(Pace(uniform=max), Hand(), {})
    assert recovery.failed(Unreachable("x")) == 0.1
    assert recovery.ended(0.5) == 0.2
    assert recovery.ended(1.0) == 0.0
    assert recovery.failed(Unreachable("x")) == 0.1
    assert recovery.failures == 2


def test_retry_after_is_honoured_up_to_a_minute() -> None:
    recovery = Recovery(Pace(uniform=max), Hand(), {})

    def refused(seconds: float) -> float:
        after = timedelta(seconds=seconds)
        return recovery.failed(TooManyRequests("x", retry_after=after))

    assert refused(7) == 7
    assert refused(0) == 0.2
    assert refused(86_400) == 60
    assert recovery.failed(TooManyRequests("x")) == 0.8


def test_a_long_outage_is_a_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = Hand()
    recovery = Recovery(Pace(), now, {"resource": "jobs"})
    for _ in range(600):
        recovery.failed(Unreachable("refused"))
        now.at += 1.0
    assert len(caplog.records) == 10
    recovery.failed(ServerError("starting"))
    assert len(caplog.records) == 11
    recovery.works()
    recovery.works()
    assert [record.levelname for record in caplog.records[10:]] == ["WARNING", "INFO"]
    assert vars(caplog.records[0])["resource"] == "jobs"


async def test_waits_for_a_version_and_knows_the_newest_wanted() -> None:
    progress = Progress()
    progress.advance(5)
    await progress.reach(5)
    assert not progress.is_behind
    near = asyncio.create_task(progress.reach(7))
    far = asyncio.create_task(progress.reach(9))
    await asyncio.sleep(0)
    assert (progress.wanted, progress.is_behind) == (9, True)
    progress.advance(8)
    await near
    assert not far.done()
    far.cancel()
    await asyncio.wait([far])
    assert (progress.wanted, progress.is_behind) == (0, False)


@pytest.mark.looptime
async def test_a_silent_stream_ends_after_its_time() -> None:
    loop = asyncio.get_running_loop()
    limit = StreamLimit(30.0, 70.0)
    loop.call_later(20, limit.heard)
    loop.call_later(80, limit.heard)
    with pytest.raises(TimeoutError):
        async with limit:
            await asyncio.sleep(3_600)
    assert loop.time() == 20 + 60 + 70
    assert not limit.was_cut_short


@pytest.mark.looptime
async def test_a_stream_that_speaks_can_be_cut_short_all_the_same() -> None:
    loop = asyncio.get_running_loop()
    limit = StreamLimit(30.0, 70.0)
    loop.call_later(10, limit.cut_short)
    loop.call_later(10, limit.heard)
    loop.call_later(10, limit.cut_short)
    with pytest.raises(TimeoutError):
        async with limit:
            await asyncio.sleep(3_600)
    assert loop.time() == 10
    assert limit.was_cut_short


async def test_cutting_an_ended_stream_does_nothing() -> None:
    limit = StreamLimit(30.0, 70.0)
    async with limit:
        pass
    limit.cut_short()


async def test_gives_way_only_when_the_turn_was_long() -> None:
    now = Hand()
    turns = Turns(0.01, now)
    others: list[str] = []
    asyncio.get_running_loop().call_soon(others.append, "ran")
    now.at = 0.009
    await turns.give_way()
    assert not others
    now.at = 0.02
    await turns.give_way()
    assert others == ["ran"]
