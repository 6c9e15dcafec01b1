"""The journal's segments: stored once, applied in order, deleted last."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest

from heartbeats.core.model import MonitorKey
from heartbeats.edges.kube import errors, segments
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.objects import ConfigMap
from heartbeats.edges.kube.pace import Pace
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.resources import CONFIG_MAPS, MONITORS
from heartbeats.edges.kube.segment_store import LABEL, SELECTOR, ConfigMapStore
from heartbeats.edges.kube.segments import JournalReader
from heartbeats.edges.kube.store import Change, ObjectEvent
from heartbeats.journal import Journal, JournalUnavailable, encode, place
from support.builders import NOW, MemoryApi, monitor_object
from support.fakeapi import FakeApi
from support.journals import SYSTEM, Desk, added, entry, segment

BACKUP = MonitorKey("shop", "backup")


# The ping role's side


class Names:
    """Counts instead of drawing."""

    def __init__(self) -> None:
        self.drawn = 0

    def __call__(self) -> str:
        self.drawn += 1
        return f"n{self.drawn}"


@pytest.fixture
def memory() -> MemoryApi:
    return MemoryApi()


@pytest.fixture
def store(memory: MemoryApi) -> ConfigMapStore:
    return ConfigMapStore(memory, SYSTEM, Names())


async def test_a_segment_is_an_immutable_configmap_of_our_namespace(
    memory: MemoryApi, store: ConfigMapStore
) -> None:
    revision = await store.append("the text")
    [sent] = memory.sent
    assert (sent.method, sent.path) == (
        *("POST", f"/api/v1/namespaces/{SYSTEM}/configmaps"),
    )
    held = memory.held(CONFIG_MAPS, "heartbeats-journal-n1", SYSTEM)
    assert held["metadata"]["labels"] == {LABEL: "v1"}
    assert (held["immutable"], held["data"]) == (True, {"entries": "the text"})
    assert revision == int(held["metadata"]["resourceVersion"])


async def test_each_segment_has_a_name_of_its_own(
    memory: MemoryApi, store: ConfigMapStore
) -> None:
    revisions = [await store.append("same") for _ in range(3)]
    assert len(memory.objects) == 3
    assert revisions == sorted(set(revisions))


@pytest.mark.looptime
async def test_a_lost_answer_is_a_success_and_one_segment(
    memory: MemoryApi, store: ConfigMapStore
) -> None:
    memory.refuse("POST", errors.Unreachable("cut"), too_late=True)
    await store.append("the text")
    assert len(memory.objects) == 1
    assert len({sent.body["metadata"]["name"] for sent in memory.sent}) == 1


@pytest.mark.looptime
async def test_what_did_not_arrive_is_sent_again_under_its_name(
    memory: MemoryApi, store: ConfigMapStore
) -> None:
    memory.refuse("POST", errors.Unreachable("refused"), times=3)
    revision = await store.append("the text")
    [held] = memory.objects.values()
    assert revision == int(held["metadata"]["resourceVersion"])
    assert len(memory.sent) == 4


@pytest.mark.parametrize(
    "error",
    [
        errors.Forbidden("exceeded quota"),
        errors.Invalid("too long"),
        errors.NotFound("no namespace"),
        errors.Unauthorized("expired"),
        errors.TooManyRequests("busy"),
        errors.ServerError("etcd is full"),
        errors.Malformed("a proxy's page"),
    ],
)
async def test_a_refusal_is_not_stored_and_says_why(
    memory: MemoryApi, store: ConfigMapStore, error: errors.ApiError
) -> None:
    memory.refuse("POST", error)
    with pytest.raises(JournalUnavailable, match=error.message):
        await store.append("the text")
    assert memory.objects == {}


class SilentApi(MemoryApi):
    """Never answers the first requests."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def request(self, method: str, path: str, **options: Any) -> bytes:
        self.times -= 1
        if self.times >= 0:
            await asyncio.Event().wait()
        return await super().request(method, path, **options)


@pytest.mark.looptime
async def test_a_silent_try_is_given_up_in_time_for_another() -> None:
    api = SilentApi(times=1)
    assert await Journal(ConfigMapStore(api, SYSTEM, Names())).record(entry()) > 0
    assert len(api.objects) == 1


class SlowApi(MemoryApi):
    """Takes two seconds for each answer, whatever it is."""

    async def request(self, method: str, path: str, **options: Any) -> bytes:
        try:
            return await super().request(method, path, **options)
        finally:
            await asyncio.sleep(2.1)


@pytest.mark.looptime
async def test_a_slow_answer_is_taken_though_another_try_was_begun() -> None:
    """Given up after a while, every ping would be refused though it is stored."""
    api = SlowApi()
    assert await Journal(ConfigMapStore(api, SYSTEM, Names())).record(entry()) > 0
    assert asyncio.get_running_loop().time() == 2.1
    assert len(api.objects) == 1


@pytest.mark.looptime
async def test_the_journals_patience_ends_all_tries() -> None:
    journal = Journal(ConfigMapStore(SilentApi(times=99), SYSTEM, Names()))
    with pytest.raises(JournalUnavailable, match="not answer in time"):
        await journal.record(entry())
    assert asyncio.get_running_loop().time() == 4.0


# The operator's side


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_segment_of_the_watch_is_applied_at_once(desk: Desk) -> None:
    desk.monitor()
    desk.reader.take(added(segment("a", 7, entry(1), entry(2))))
    assert desk.applied == ["ping-1", "ping-2"]
    assert desk.reader.pending == 2


def test_segments_of_a_list_wait_for_its_end_and_go_by_revision(desk: Desk) -> None:
    desk.monitor()
    for name, revision in (("a", 30), ("b", 9), ("c", 100), ("d", 20)):
        item = segment(name, revision, entry(revision))
        desk.reader.take(added(item, initial=True))
    assert desk.applied == []
    desk.reader.listed("101")
    assert desk.applied == ["ping-9", "ping-20", "ping-30", "ping-100"]
    desk.reader.listed("102")
    assert len(desk.applied) == 4


def test_entries_carry_the_revision_of_their_segment(desk: Desk) -> None:
    known = desk.monitor()
    desk.reader.take(added(segment("a", 7, entry())))
    assert known.state.applied.journal_revision == place(7, 0)


def test_a_known_segment_changes_nothing(desk: Desk) -> None:
    desk.monitor()
    for _ in range(2):
        desk.reader.take(added(segment("a", 7, entry())))
    again = ObjectEvent(Change.MODIFIED, segment("a", 8, entry()))
    desk.reader.take(again)
    assert (desk.applied, desk.reader.pending) == (["ping-1"], 1)


def test_a_deleted_segment_is_forgotten(desk: Desk) -> None:
    desk.monitor()
    desk.reader.take(added(segment("a", 7, entry())))
    desk.reader.take(ObjectEvent(Change.DELETED, segment("a", 8, entry())))
    assert desk.reader.pending == 0


def test_a_segment_without_data_is_no_surprise(desk: Desk) -> None:
    bare = msgspec.structs.replace(segment("a", 7, entry()), data={})
    desk.reader.take(added(bare))
    assert (desk.applied, desk.reader.pending) == ([], 0)


async def test_an_unreadable_segment_is_kept(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.reader.take(added(segment("a", 7, text='{"formatVersion": 2, "entries": 0}')))
    await desk.reader.sweep()
    assert desk.api.sent == []
    [line] = caplog.records
    assert (line.levelno, "Journal segment a is kept" in line.message) == (
        *(logging.ERROR, True),
    )
    assert "update Heartbeats" in line.message


@asynccontextmanager
async def reflecting(
    client: Client, reader: JournalReader, pace: Pace
) -> AsyncIterator[Reflector[ConfigMap]]:
    reflector = Reflector(
        client,
        Selection(CONFIG_MAPS, ConfigMap, SYSTEM, SELECTOR),
        on_event=reader.take,
        on_synced=reader.listed,
        pace=pace,
    )
    task = asyncio.create_task(reflector.run())
    try:
        yield reflector
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def put(api: FakeApi, name: str, text: str) -> None:
    meta = {"labels": {LABEL: "v1"}}
    api.put(CONFIG_MAPS, name, namespace=SYSTEM, metadata=meta, data={"entries": text})


async def listed_again(api: FakeApi, reflector: Reflector[ConfigMap]) -> None:
    """Let the reflector lose its history, and list."""
    lists = reflector.lists
    for _ in range(2):
        api.elsewhere()
        api.compact()
    api.cut()
    async with asyncio.timeout(10):
        while reflector.lists == lists:  # noqa: ASYNC110 - a fact, not an event
            await asyncio.sleep(0)


async def test_a_real_list_is_applied_in_the_order_of_writing(
    api: FakeApi, client: Client, desk: Desk, quick: Pace
) -> None:
    desk.monitor()
    for number, name in enumerate(("z", "m", "a"), start=1):
        put(api, name, encode((entry(number),)))
    put(api, "not-labelled", encode((entry(9),)))
    api.put(CONFIG_MAPS, "not-labelled", namespace=SYSTEM, metadata={"labels": {}})
    async with reflecting(client, desk.reader, quick) as reflector:
        await reflector.synced.wait()
        assert desk.applied == ["ping-1", "ping-2", "ping-3"]
        kept = {id(each.data["entries"]) for each in reflector.objects.values()}
        held = {id(each.text) for each in desk.reader._backlog}
        assert kept == held, "a text is in memory once"
        put(api, "b", encode((entry(4),)))
        async with asyncio.timeout(10):
            while len(desk.applied) < 4:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        await api.until(lambda: api.count("watch") >= 1)
        await listed_again(api, reflector)
    assert desk.applied == ["ping-1", "ping-2", "ping-3", "ping-4"]


async def test_an_unreadable_segment_is_told_once_however_often_it_is_listed(
    api: FakeApi,
    client: Client,
    desk: Desk,
    quick: Pace,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(api, "odd", "nonsense")
    async with reflecting(client, desk.reader, quick) as reflector:
        await reflector.synced.wait()
        await api.until(lambda: api.count("watch") >= 1)
        for _ in range(2):
            await listed_again(api, reflector)
            await api.until(lambda: len(api._streams) == 1)
    assert caplog.text.count("is kept, but not applied") == 1


# What is deleted, and when


async def test_nothing_is_deleted_before_its_monitor_has_stored_it(desk: Desk) -> None:
    known = desk.monitor()
    desk.write("a", 7, entry())
    await desk.reader.sweep()
    assert (desk.segments, desk.reader.pending) == (["a"], 1)
    desk.is_stored(known)
    await desk.reader.sweep()
    assert (desk.segments, desk.reader.pending) == ([], 0)


async def test_a_segment_waits_for_every_monitor_in_it(desk: Desk) -> None:
    known = [desk.monitor(name) for name in ("backup", "report", "archive")]
    desk.write("a", 7, *(entry(n, each.key.name) for n, each in enumerate(known)))
    for each in known:
        assert desk.segments == ["a"]
        await desk.reader.sweep()
        assert desk.segments == ["a"]
        desk.is_stored(each)
    await desk.reader.sweep()
    assert desk.segments == []


async def test_an_older_revision_in_the_status_is_not_enough(desk: Desk) -> None:
    known = desk.monitor()
    desk.write("a", 7, entry(1))
    desk.is_stored(known)
    desk.write("b", 8, entry(2))
    await desk.reader.sweep()
    assert desk.segments == ["b"]


async def test_without_an_open_ledger_nothing_is_deleted() -> None:
    desk = Desk(is_open=False)
    desk.write("a", 7, entry())
    await desk.reader.sweep()
    alone = JournalReader(desk.api, SYSTEM, lambda _: None, lambda _: None)
    alone.take(added(segment("a", 7, entry())))
    await alone.sweep()
    assert desk.segments == ["a"]
    assert desk.api.sent == []


async def test_a_monitor_that_is_not_heard_of_yet_keeps_its_segment(
    desk: Desk,
) -> None:
    desk.api.put(MONITORS, monitor_object(uid="hbm-backup"))
    desk.write("a", 7, entry())
    await desk.reader.sweep()
    assert desk.segments == ["a"]
    known = desk.bench.pinged()
    assert known.state.last_success_at == NOW, "the ping has waited for its monitor"


@pytest.mark.parametrize("again", [False, True], ids=["404", "another uid"])
async def test_a_ping_of_a_monitor_that_is_gone_is_dropped_and_told(
    desk: Desk, caplog: pytest.LogCaptureFixture, again: bool
) -> None:
    if again:
        desk.api.put(MONITORS, monitor_object(uid="another"))
    desk.write("a", 7, entry())
    await desk.reader.sweep()
    assert desk.segments == []
    [line] = caplog.records
    assert line.message == "A ping of shop/backup is dropped: the monitor is gone"
    assert vars(line)["uid"] == "hbm-backup"
    late = desk.bench.pinged()
    assert late.state.last_success_at is None, "nothing of it waits for ever"


async def test_the_others_of_a_segment_are_not_dropped_with_it(desk: Desk) -> None:
    known = desk.monitor()
    desk.write("a", 7, entry(1), entry(2, "gone"))
    await desk.reader.sweep()
    assert desk.segments == ["a"]
    desk.is_stored(known)
    await desk.reader.sweep()
    assert desk.segments == []
    assert known.state.last_success_at == NOW


async def test_a_dropped_ping_is_told_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.write("a", 7, entry())
    desk.api.refuse("DELETE", errors.ServerError("etcd"), times=2)
    for _ in range(3):
        with suppress(errors.ServerError):
            await desk.reader.sweep()
    assert desk.segments == []
    assert caplog.text.count("is dropped") == 1


async def test_nothing_of_a_monitor_that_is_gone_waits_for_ever(desk: Desk) -> None:
    desk.write("a", 7, entry(1))
    desk.api.refuse("DELETE", errors.ServerError("etcd"))
    with suppress(errors.ServerError):
        await desk.reader.sweep()
    desk.write("b", 8, entry(2))
    await desk.reader.sweep()
    assert desk.segments == []
    assert desk.bench.pinged().state.last_success_at is None


async def test_a_segment_that_somebody_deleted_is_no_trouble(desk: Desk) -> None:
    desk.is_stored(desk.monitor())
    known = desk.bench.ledger.named(BACKUP)
    assert known is not None
    desk.write("a", 7, entry())
    desk.is_stored(known)
    desk.api.objects = {p: o for p, o in desk.api.objects.items() if "/a" not in p}
    await desk.reader.sweep()
    assert desk.reader.pending == 0


async def test_whether_a_monitor_is_gone_must_be_known(desk: Desk) -> None:
    desk.write("a", 7, entry())
    desk.api.refuse("GET", errors.Unreachable("no answer"))
    with suppress(errors.Unreachable):
        await desk.reader.sweep()
    assert desk.segments == ["a"]


async def test_a_segment_that_cannot_be_judged_holds_up_no_other(desk: Desk) -> None:
    """A monitor of a namespace that may not be read any more, for example."""
    known = desk.monitor("report")
    desk.write("a", 7, entry(1, "elsewhere"))
    desk.write("b", 8, entry(2, "report"))
    desk.is_stored(known)
    desk.api.refuse("GET", errors.Forbidden("no right"), times=9)
    with suppress(errors.Forbidden):
        await desk.reader.sweep()
    assert desk.segments == ["a"]


@pytest.mark.looptime
async def test_sweeping_goes_on_after_an_error(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    known = desk.monitor()
    desk.write("a", 7, entry())
    desk.is_stored(known)
    desk.api.refuse("DELETE", errors.ServerError("etcd"))
    task = asyncio.create_task(desk.reader.run())
    await asyncio.sleep(3 * segments.SWEEP_SECONDS)
    task.cancel()
    await asyncio.wait([task])
    assert desk.segments == []
    assert caplog.text.count("is not deleted yet: etcd") == 1


def test_a_replayed_segment_counts_nothing_twice(desk: Desk) -> None:
    known = desk.monitor()
    desk.reader.take(added(segment("a", 7, entry())))
    before = known.state
    fresh = JournalReader(desk.api, SYSTEM, desk._apply, desk.blind.append)
    fresh.take(added(segment("a", 7, entry())))
    assert known.state == before
