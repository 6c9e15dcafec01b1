"""The journal says stored only when it is, and never keeps a caller waiting."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from heartbeats.core.model import CheckIn, Kind, MonitorKey, Uid
from heartbeats.journal import (
    Entry,
    Journal,
    JournalUnavailable,
    UnreadableSegmentError,
    decode,
    encode,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
PLAIN = Entry(
    MonitorKey("production", "nightly"),
    Uid("uid-1"),
    CheckIn(id="id-1", kind=Kind.SUCCESS, at=NOON),
)
FULL = Entry(
    MonitorKey("production", "weekly"),
    Uid("uid-2"),
    CheckIn(
        id="id-2",
        kind=Kind.FAILURE,
        at=NOON,
        run_id="run",
        slot_at=NOON - timedelta(minutes=1),
        started_at=NOON - timedelta(seconds=1),
        duration=timedelta(days=2, microseconds=1_500_001),
        exit_code=3,
        source="backup-server",
        message='größer\n"quoted" \N{REPLACEMENT CHARACTER}',
        scheduled=False,
        detail=(("stdout", "a"), ("rows", {"read": [1, 2.5, None, True]})),
    ),
)


class Store:
    """Counts what it is given; `before` may block or raise."""

    def __init__(self, before: Callable[[], Awaitable[object]] | None = None) -> None:
        self.texts: list[str] = []
        self.before = before

    async def append(self, text: str) -> int:
        self.texts.append(text)
        if self.before is not None:
            await self.before()
        return len(self.texts)


@pytest.mark.parametrize("entries", [(), (PLAIN,), (FULL,), (PLAIN, FULL)])
def test_what_is_written_is_read_again(entries: tuple[Entry, ...]) -> None:
    assert decode(encode(entries)) == entries


def test_a_plain_ping_takes_little_room() -> None:
    assert len(encode((PLAIN,))) < 200


def test_check_ins_carry_the_revision_of_their_segment() -> None:
    first, second = decode(encode((PLAIN, FULL)), revision=42)
    assert (first.check_in.revision, second.check_in.revision) == (42, 42)


def test_keys_of_a_later_release_are_ignored() -> None:
    segment = json.loads(encode((PLAIN,)))
    segment["later"] = segment["entries"][0]["later"] = {"a": 1}
    segment["entries"][0]["checkIn"]["later"] = [1]
    assert decode(json.dumps(segment)) == (PLAIN,)


def test_a_newer_format_says_which_release_to_take() -> None:
    with pytest.raises(UnreadableSegmentError, match=r"formatVersion 2.*update"):
        decode('{"formatVersion": 2, "entries": {"in": "another shape"}}')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"formatVersion": 1}',
        '{"formatVersion": "1", "entries": []}',
        '{"formatVersion": 1, "entries": [1]}',
        encode((PLAIN,)).replace('"success"', '"sucess"'),
        encode((PLAIN,)).replace("12:00:00.000005Z", "12:00:00"),
        encode((PLAIN,))[:-1],
        "\ud800",
        '{"formatVersion": 1, "entries": [{"checkIn": ' + "[" * 50_000,
    ],
)
def test_what_is_no_segment_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(UnreadableSegmentError):
        decode(text)


async def test_an_entry_is_recorded_under_the_revision_of_the_store() -> None:
    store = Store()
    journal = Journal(store)
    assert [await journal.record(PLAIN), await journal.record(FULL)] == [1, 2]
    assert [decode(text) for text in store.texts] == [(PLAIN,), (FULL,)]


async def test_recording_ends_with_the_commit_and_not_before() -> None:
    committed = asyncio.Event()
    record = asyncio.create_task(Journal(Store(committed.wait)).record(PLAIN))
    done, _ = await asyncio.wait([record], timeout=0.02)
    assert not done
    committed.set()
    assert await record == 1


async def test_commits_in_flight_are_bounded() -> None:
    committed = asyncio.Event()
    store = Store(committed.wait)
    journal = Journal(store, commits_in_flight=3)
    records = [asyncio.create_task(journal.record(PLAIN)) for _ in range(10)]
    await asyncio.wait(records, timeout=0.02)
    assert (len(store.texts), journal.pending) == (3, 10)
    committed.set()
    await asyncio.gather(*records)
    assert (len(store.texts), journal.pending) == (10, 0)


async def test_when_too_many_wait_the_next_is_refused_at_once() -> None:
    committed = asyncio.Event()
    journal = Journal(Store(committed.wait), commits_in_flight=2, waiting_limit=3)
    records = [asyncio.create_task(journal.record(PLAIN)) for _ in range(5)]
    await asyncio.wait(records, timeout=0.02)
    with pytest.raises(JournalUnavailable, match="5 pings already wait"):
        await journal.record(PLAIN)
    committed.set()
    await asyncio.gather(*records)
    assert await journal.record(PLAIN) == 6


@pytest.mark.parametrize("commits", [1, 0])
async def test_neither_a_commit_nor_a_turn_is_waited_for_too_long(commits: int) -> None:
    journal = Journal(
        Store(asyncio.Event().wait),
        commits_in_flight=commits,
        patience=timedelta(milliseconds=20),
    )
    with pytest.raises(JournalUnavailable, match=r"within 0\.02 s"):
        await journal.record(PLAIN)
    assert journal.pending == 0


@pytest.mark.parametrize("error", [JournalUnavailable("etcd is full"), OSError("gone")])
async def test_an_error_of_the_store_is_never_a_success(error: Exception) -> None:
    async def fail() -> None:
        raise error

    journal = Journal(Store(fail), commits_in_flight=1)
    for _ in range(3):
        with pytest.raises(type(error)):
            await journal.record(PLAIN)
    assert journal.pending == 0


async def test_a_caller_that_gives_up_leaves_its_place_to_others() -> None:
    store = Store(asyncio.Event().wait)
    journal = Journal(store, commits_in_flight=1)
    record = asyncio.create_task(journal.record(PLAIN))
    await asyncio.wait([record], timeout=0.02)
    record.cancel()
    await asyncio.wait([record])
    store.before = None
    assert await journal.record(PLAIN) == 2
