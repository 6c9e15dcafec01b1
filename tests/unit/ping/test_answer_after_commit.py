"""A success is answered after its commit, and never without one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from heartbeats.clock import SystemClock
from heartbeats.core.model import Kind
from heartbeats.edges.ping.recorder import JournalRecorder
from heartbeats.edges.ping.service import Options
from heartbeats.journal import Journal, JournalUnavailable, ShareExceeded, decode
from unit.ping.support import TOKEN, PingBench, detail

PATHS = [
    f"/ping/{TOKEN}",
    f"/ping/{TOKEN}/fail",
    f"/api/v1/monitors/{TOKEN}/checkin",
    f"/api/v1/hb/{TOKEN}",
    f"/{TOKEN}",
    f"/v1/check_in/{TOKEN}",
]
Start = Callable[[Options], Awaitable[PingBench]]


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_answered_before_the_commit(
    bench: PingBench, path: str
) -> None:
    reached, committed = asyncio.Event(), asyncio.Event()

    async def block() -> None:
        reached.set()
        await committed.wait()

    bench.recorder.before = block
    request = asyncio.create_task(bench.post(path))
    await reached.wait()
    done, _ = await asyncio.wait([request], timeout=0.05)
    assert not done
    committed.set()
    assert (await request).status == 200
    assert len(bench.recorder.check_ins) == 1


@pytest.mark.parametrize("path", PATHS)
async def test_a_journal_that_fails_is_a_503_to_be_sent_again(
    bench: PingBench, path: str
) -> None:
    async def fail() -> None:
        raise JournalUnavailable

    bench.recorder.before = fail
    answer = await bench.post(path)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert bench.observed[0][1] == 503


@pytest.mark.parametrize("path", PATHS)
async def test_more_than_a_monitors_share_is_a_429_that_comes_late(
    bench: PingBench, path: str
) -> None:
    async def refuse() -> None:
        raise ShareExceeded("more than 10 pings a second")

    bench.recorder.before = refuse
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await bench.post(path)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "5")
    assert "more than 10 pings a second" in answer.text
    assert loop.time() - began >= 0.2


@pytest.mark.parametrize("path", PATHS)
async def test_a_commit_that_takes_too_long_is_a_503(start: Start, path: str) -> None:
    bench = await start(Options(commit_patience=timedelta(milliseconds=20)))
    bench.recorder.before = asyncio.Event().wait
    answer = await bench.post(path)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("path", PATHS)
async def test_an_error_of_ours_is_a_500_that_tells_no_token(
    bench: PingBench, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def stumble() -> None:
        raise KeyError(TOKEN)

    bench.recorder.before = stumble
    answer = await bench.post(path)
    assert (answer.status, answer.text) == (500, '{"error":"internal error"}')
    assert bench.observed[0][1] == 500
    assert "KeyError" in caplog.text
    assert "stumble" in caplog.text
    assert TOKEN not in caplog.text


async def test_a_broken_connection_to_the_journal_still_gets_an_answer(
    bench: PingBench, caplog: pytest.LogCaptureFixture
) -> None:
    async def stumble() -> None:
        raise ConnectionResetError

    bench.recorder.before = stumble
    assert (await bench.post(f"/ping/{TOKEN}")).status == 500
    assert "ConnectionResetError" in caplog.text


async def test_stopping_answers_what_is_under_way_and_takes_nothing_new(
    bench: PingBench,
) -> None:
    reached, committed = asyncio.Event(), asyncio.Event()

    async def block() -> None:
        reached.set()
        await committed.wait()

    bench.recorder.before = block
    address = bench.service.address
    request = asyncio.create_task(bench.post(f"/ping/{TOKEN}"))
    await reached.wait()
    stop = asyncio.create_task(bench.service.__aexit__(None, None, None))
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection(*address)
    committed.set()
    assert (await request).status == 200
    await stop


async def test_the_output_of_a_success_is_nobodys_to_read(bench: PingBench) -> None:
    await bench.post(f"/ping/{TOKEN}?msg=done", data=b"password: hunter2")
    assert bench.last.message == "done"
    assert detail(bench.last) == {"output_length": len("password: hunter2")}


@pytest.mark.parametrize("suffix", ["/fail", "/1", "/start", "/log"])
async def test_no_output_at_all_is_kept_when_capturing_is_off(
    start: Start, suffix: str
) -> None:
    bench = await start(Options(capture_failures=False))
    await bench.post(f"/ping/{TOKEN}{suffix}", data=b"12345")
    assert (bench.last.message, detail(bench.last)) == ("", {"output_length": 5})


async def test_the_journal_holds_what_was_answered(bench: PingBench) -> None:
    class Store:
        texts: list[str] = []  # noqa: RUF012 - one test, one store

        async def append(self, text: str) -> int:
            self.texts.append(text)
            return 7

    recorder = JournalRecorder(Journal(Store()), SystemClock().monotonic)
    bench.recorder.record = recorder.record
    assert (await bench.post(f"/ping/{TOKEN}/3", data=b"no disk")).status == 200
    ((entry,),) = [decode(text) for text in Store.texts]
    assert (entry.uid, str(entry.monitor)) == ("uid-1", "production/nightly")
    assert entry.check_in.kind is Kind.FAILURE
    assert (entry.check_in.exit_code, entry.check_in.message) == (3, "no disk")


async def test_that_pings_are_refused_is_said_once_and_that_it_is_over_too(
    bench: PingBench, caplog: pytest.LogCaptureFixture
) -> None:
    """They are refused by the thousand; whoever looks needs the reason once."""
    caplog.set_level(logging.INFO)
    now, is_full = 0.0, True

    class Store:
        async def append(self, _text: str) -> int:
            if is_full:
                raise JournalUnavailable("etcd is full")
            return 7

    journal = Journal(Store(), monotonic=lambda: now)
    bench.recorder.record = JournalRecorder(journal, lambda: now).record
    for number in range(121):
        now = float(number)
        assert (await bench.post(f"/ping/{TOKEN}")).status == 503
    assert caplog.text.count("Pings are refused: etcd is full") == 3
    is_full = False
    for later in (1, 30):
        now = 120.0 + later
        assert (await bench.post(f"/ping/{TOKEN}")).status == 200
        assert caplog.text.count("Pings are stored again") == (later == 30)
