"""One commit carries all that wait; stored is said only of what is stored."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from heartbeats.core.model import CheckIn, Kind, MonitorKey, Uid
from heartbeats.journal import (
    Entry,
    Journal,
    JournalUnavailable,
    Limits,
    ShareExceeded,
    decode,
)
from heartbeats.journal.commits import SEGMENT_BYTES

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(number: int = 0, *, message: str = "", uid: str | None = None) -> Entry:
    """Make a ping of a monitor of its own, unless a uid is given."""
    return Entry(
        MonitorKey("production", f"job-{number}"),
        Uid(uid or f"uid-{number}"),
        CheckIn(id=f"id-{number}", kind=Kind.SUCCESS, at=NOON, message=message),
    )


class Store:
    """Keeps what it is given; `before` may block or raise."""

    def __init__(self, before: Callable[[], Awaitable[object]] | None = None) -> None:
        self.segments: list[tuple[Entry, ...]] = []
        self.sizes: list[int] = []
        self.before = before

    async def append(self, text: str) -> int:
        self.segments.append(decode(text))
        self.sizes.append(len(text))
        revision = len(self.segments)
        if self.before is not None:
            await self.before()
        return revision


async def recording(journal: Journal, *entries: Entry) -> list[asyncio.Task[int]]:
    """Start to record entries, and return when all that can be done is done."""
    tasks = [asyncio.create_task(journal.record(each)) for each in entries]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_entries_that_come_together_share_a_commit() -> None:
    store = Store()
    tasks = await recording(Journal(store), *map(entry, range(5)))
    assert await asyncio.gather(*tasks) == [1] * 5
    assert store.segments == [tuple(map(entry, range(5)))]


async def test_what_comes_during_the_commits_shares_the_next() -> None:
    committed = asyncio.Event()
    store = Store(committed.wait)
    journal = Journal(store, commits_in_flight=2)
    tasks = [task for n in range(2) for task in await recording(journal, entry(n))]
    tasks += await recording(journal, *map(entry, range(2, 9)))
    assert ([len(each) for each in store.segments], journal.pending) == ([1, 1], 9)
    committed.set()
    assert await asyncio.gather(*tasks) == [1, 2, *[3] * 7]
    assert journal.pending == 0


async def test_recording_ends_with_the_commit_and_not_before() -> None:
    committed = asyncio.Event()
    [task] = await recording(Journal(Store(committed.wait)), entry())
    assert not task.done()
    committed.set()
    assert await task == 1


async def test_no_segment_grows_too_large() -> None:
    store = Store()
    entries = [entry(n, message="x" * 10_000) for n in range(10)]
    await asyncio.gather(*await recording(Journal(store), *entries))
    assert max(store.sizes) <= SEGMENT_BYTES + 100
    assert sorted(e.uid for each in store.segments for e in each) == sorted(
        e.uid for e in entries
    )


async def test_the_same_words_of_a_monitor_are_stored_once_if_they_wait_together() -> (
    None
):
    store = Store()
    same = [entry(uid="u") for _ in range(3)]
    tasks = await recording(Journal(store), *same, entry(uid="u", message="other"))
    assert await asyncio.gather(*tasks) == [1, 1, 1, 1]
    assert [len(each) for each in store.segments] == [2]


async def test_when_too_much_waits_the_next_is_refused_at_once() -> None:
    committed = asyncio.Event()
    limits = Limits(waiting_entries=3)
    journal = Journal(Store(committed.wait), limits=limits, commits_in_flight=1)
    tasks = await recording(journal, entry(0))
    tasks += await recording(journal, *map(entry, range(1, 4)))
    with pytest.raises(JournalUnavailable, match="3 pings already wait"):
        await journal.record(entry(9))
    committed.set()
    await asyncio.gather(*tasks)
    assert await journal.record(entry(9)) == 3


async def test_waiting_bytes_are_bounded() -> None:
    limits = Limits(waiting_bytes=15_000)
    journal = Journal(Store(asyncio.Event().wait), limits=limits, commits_in_flight=1)
    tasks = await recording(journal, entry(0))
    tasks += await recording(journal, entry(1, message="x" * 10_000))
    with pytest.raises(JournalUnavailable, match="already wait"):
        await journal.record(entry(2, message="x" * 10_000))
    for task in tasks:
        task.cancel()


async def test_a_monitor_has_a_share_and_the_others_theirs() -> None:
    now = [0.0]
    limits = Limits(pings_per_second=1, ping_burst=2)
    journal = Journal(Store(), limits=limits, monotonic=lambda: now[0])
    await journal.record(entry(uid="loop"))
    await journal.record(entry(uid="loop"))
    with pytest.raises(ShareExceeded, match="more than 1 pings a second"):
        await journal.record(entry(uid="loop"))
    await journal.record(entry(uid="other"))
    now[0] = 1.0
    await journal.record(entry(uid="loop"))


async def test_bytes_have_a_budget() -> None:
    limits = Limits(bytes_per_second=1000, burst_seconds=2)
    journal = Journal(Store(), limits=limits, monotonic=lambda: 0.0)
    await journal.record(entry(0, message="x" * 1500))
    with pytest.raises(JournalUnavailable, match="more bytes"):
        await journal.record(entry(1, message="x" * 1500))


async def test_nobody_waits_for_too_long() -> None:
    store = Store(asyncio.Event().wait)
    patience = timedelta(milliseconds=20)
    journal = Journal(store, commits_in_flight=1, patience=patience)
    tasks = await recording(journal, entry(0))
    tasks += await recording(journal, entry(1))
    for task in tasks:
        with pytest.raises(JournalUnavailable):
            await task
    assert journal.pending == 0


@pytest.mark.parametrize("error", [JournalUnavailable("etcd is full"), OSError("gone")])
async def test_an_error_of_the_store_is_never_a_success(error: Exception) -> None:
    async def fail() -> None:
        raise error

    journal = Journal(Store(fail), commits_in_flight=1)
    for _ in range(3):
        tasks = await recording(journal, entry(0), entry(1))
        for task in tasks:
            with pytest.raises(type(error)):
                await task
    assert journal.pending == 0


async def test_who_gives_up_before_the_commit_leaves_nothing_behind() -> None:
    committed = asyncio.Event()
    store = Store(committed.wait)
    journal = Journal(store, commits_in_flight=1)
    [first] = await recording(journal, entry(0))
    given_up, kept = await recording(journal, entry(1), entry(2))
    given_up.cancel()
    await asyncio.wait([given_up])
    committed.set()
    assert [await first, await kept] == [1, 2]
    assert store.segments == [(entry(0),), (entry(2),)]


@pytest.mark.looptime
async def test_an_api_server_that_takes_two_seconds_delays_pings_and_refuses_none() -> (
    None
):
    """A ping that just missed a commit would wait for two of them: that is too long."""
    store = Store(lambda: asyncio.sleep(2.1))
    journal = Journal(store)
    tasks = []
    for number in range(200):
        tasks += await recording(journal, entry(number))
        await asyncio.sleep(0.05)
    await asyncio.gather(*tasks)
    assert sum(map(len, store.segments)) == 200
    assert len(store.segments) < 60
