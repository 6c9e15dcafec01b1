"""What kopf does not tell: when all is known, and what went unseen."""

import asyncio
import copy
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from heartbeats.core.model import Source, Spec, Uid
from heartbeats.edges.kube import sweep as sweeping
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.edges.kube.sweep import MonitorSweep
from support.builders import NOW, monitor_object
from support.fakeapi import FakeApi, Fault
from support.ledgers import Bench

PING = Spec(source=Source.PING)


class Desk:
    """A sweep over an API, and a ledger that a test fills as kopf would."""

    def __init__(
        self, api: FakeApi, client: Client, namespace: str | None = None
    ) -> None:
        self.api = api
        self.bench = Bench(NOW)
        self.lost: list[Uid] = []
        self.listened_anew = 0
        self.read: list[str] = []
        self.sweep = MonitorSweep(
            client,
            self.bench.ledger,
            namespace,
            on_lost=self._lose,
            on_deaf=self._listen,
            on_read=self._read,
        )

    def _listen(self) -> None:
        self.listened_anew += 1

    def _read(self, kind: None, body: Mapping[str, Any]) -> None:
        assert kind is None
        self.read.append(f"{body['metadata']['name']} as of {version_of(body)}")

    def _lose(self, uid: Uid) -> None:
        self.lost.append(uid)
        self.bench.ledger.lose_monitor(uid)

    def put(self, name: str, namespace: str = "shop") -> Uid:
        body = self.api.put(MONITORS, name, namespace=namespace, spec={"ping": {}})
        return Uid(body["metadata"]["uid"])

    def held(self, name: str) -> dict[str, Any]:
        """Return a monitor as the API server holds it."""
        return copy.deepcopy(self.api._objects[MONITORS.plural, "shop", name])

    def knows(self, body: dict[str, Any]) -> None:
        """Tell the ledger of a monitor as it was."""
        meta = body["metadata"]
        version = int(meta["resourceVersion"])
        self.bench.monitor(meta["name"], PING, uid=meta["uid"], version=version)

    def known(self, name: str) -> Uid:
        """Put a monitor that kopf has told of."""
        uid = self.put(name)
        self.bench.monitor(name, PING, uid=uid)
        return uid


@pytest.fixture
def desk(api: FakeApi, client: Client) -> Desk:
    return Desk(api, client)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "START_SECONDS", 0.001)
    monkeypatch.setattr(sweeping, "ABSENT_SECONDS", 0.001)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a fact, not an event
            await asyncio.sleep(0)


async def test_an_empty_cluster_is_known_at_once(desk: Desk) -> None:
    assert desk.sweep.problem == "monitors have not been listed yet"
    await desk.sweep.first()
    assert desk.sweep.problem is None


async def test_the_start_waits_until_everything_listed_is_known(desk: Desk) -> None:
    uids = {name: desk.put(name) for name in ("a", "b")}
    first = asyncio.create_task(desk.sweep.first())
    await until(lambda: desk.sweep.problem == "2 monitors have not been read yet")
    desk.bench.monitor("a", PING, uid=uids["a"])
    await until(lambda: desk.sweep.problem == "1 monitors have not been read yet")
    assert not first.done()
    desk.bench.monitor("b", PING, uid=uids["b"])
    await first
    assert desk.sweep.problem is None


async def test_only_metadata_is_listed(desk: Desk) -> None:
    await desk.sweep.first()
    [seen] = desk.api.seen
    assert "PartialObjectMetadataList" in seen.headers["Accept"]


async def test_a_monitor_that_goes_during_the_start_is_not_waited_for(
    desk: Desk,
) -> None:
    desk.put("a")
    first = asyncio.create_task(desk.sweep.first())
    await until(lambda: "1 monitors" in str(desk.sweep.problem))
    desk.api.delete(MONITORS, "a", namespace="shop")
    await first


async def test_the_start_only_counts_however_long_the_reading_takes(
    desk: Desk,
) -> None:
    """A list of ten thousand costs the API server a second, when it has others."""
    uid = desk.put("a")
    first = asyncio.create_task(desk.sweep.first())
    await until(lambda: desk.api.count("list") > 3)
    desk.bench.monitor("a", PING, uid=uid)
    await first
    assert {seen.query.get("limit") for seen in desk.api.seen} == {"1"}


async def test_what_went_unseen_during_the_start_does_not_stand_for_another(
    desk: Desk,
) -> None:
    gone = desk.known("gone")
    desk.api.delete(MONITORS, "gone", namespace="shop")
    await desk.sweep.first()
    assert desk.lost == [gone]


async def test_a_sweep_during_a_long_start_does_not_end_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sweeping, "SWEEP_SECONDS", 0.001)
    desk.put("a")
    tasks = [asyncio.create_task(each()) for each in (desk.sweep.first, desk.sweep.run)]
    await until(lambda: desk.listened_anew > 2)
    assert desk.sweep.problem == "1 monitors have not been read yet"
    assert "The CRD is there again" not in caplog.text
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)


async def test_a_missing_definition_names_the_command(desk: Desk) -> None:
    desk.api.fail(Fault("list", status=404, times=2))
    first = asyncio.create_task(desk.sweep.first())
    await until(lambda: "kubectl apply -k crds" in str(desk.sweep.problem))
    await first
    assert desk.sweep.problem is None, "it goes on once the definition is there"


async def test_a_list_that_fails_is_a_problem_and_tried_again(desk: Desk) -> None:
    desk.api.fail(Fault("list", status=503, times=3))
    first = asyncio.create_task(desk.sweep.first())
    await until(lambda: "cannot be listed" in str(desk.sweep.problem))
    await first


async def test_only_the_watched_namespace_is_listed(
    api: FakeApi, client: Client
) -> None:
    desk = Desk(api, client, namespace="shop")
    desk.put("elsewhere", namespace="other")
    await desk.sweep.first()


async def test_what_a_list_lacks_is_forgotten(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kept, gone = desk.known("kept"), desk.known("gone")
    desk.api.delete(MONITORS, "gone", namespace="shop")
    await desk.sweep.sweep()
    assert desk.lost == [gone]
    assert [entry.uid for entry in desk.bench.ledger] == [kept]
    [line] = [each for each in caplog.records if "deleted unseen" in each.message]
    assert vars(line)["uid"] == gone


async def test_as_many_as_are_known_are_only_counted(desk: Desk) -> None:
    """Ten thousand are many to list once a minute."""
    for number in range(3):
        desk.known(f"job-{number}")
    for _ in range(sweeping.WHOLE_EVERY):
        await desk.sweep.sweep()
    limits = [seen.query.get("limit") for seen in desk.api.seen]
    assert limits.count(None) == 1
    assert limits.count("1") == sweeping.WHOLE_EVERY


async def test_one_that_came_and_one_that_went_unseen_are_found_in_the_end(
    desk: Desk,
) -> None:
    gone = desk.known("gone")
    desk.api.delete(MONITORS, "gone", namespace="shop")
    desk.put("unheard")
    for _ in range(sweeping.WHOLE_EVERY):
        await desk.sweep.sweep()
    assert desk.lost == [gone]


async def test_what_cannot_be_read_is_counted_while_it_exists(desk: Desk) -> None:
    desk.known("good")
    odd = desk.put("odd")
    desk.sweep.give_up(monitor_object("odd", uid=odd))
    await desk.sweep.sweep()
    assert desk.api.seen[-1].query["limit"] == "1"
    desk.api.delete(MONITORS, "odd", namespace="shop")
    await desk.sweep.sweep()
    await desk.sweep.sweep()
    assert desk.api.seen[-1].query["limit"] == "1"


async def test_a_recreated_monitor_is_another_one(desk: Desk) -> None:
    gone = desk.known("backup")
    desk.api.delete(MONITORS, "backup", namespace="shop")
    again = desk.known("backup")
    await desk.sweep.sweep()
    assert desk.lost == [gone]
    assert desk.bench.ledger.get(again) is not None


async def test_what_was_seen_after_the_list_began_is_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is a snapshot: what kopf tells while its pages come is newer."""
    client = desk.sweep._client
    list_metadata = client.list_metadata

    async def slowly(*args: object, **options: object) -> object:
        listed = await list_metadata(*args, **options)  # type: ignore[arg-type]
        desk.known("seen-meanwhile")
        return listed

    monkeypatch.setattr(client, "list_metadata", slowly)
    desk.known("before")
    await desk.sweep.sweep()
    assert desk.lost == []


async def test_what_was_lost_meanwhile_is_lost_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = desk.sweep._client
    list_metadata = client.list_metadata
    gone = desk.known("gone")

    async def slowly(*args: object, **options: object) -> object:
        listed = await list_metadata(*args, **options)  # type: ignore[arg-type]
        desk.bench.ledger.lose_monitor(gone)
        return listed

    monkeypatch.setattr(client, "list_metadata", slowly)
    desk.api.delete(MONITORS, "gone", namespace="shop")
    await desk.sweep.sweep()
    assert len(desk.bench.ledger) == 0


async def test_a_list_that_fails_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sweeping, "SWEEP_SECONDS", 0.001)
    desk.known("backup")
    desk.api.fail(Fault("list", status=500, times=2))
    task = asyncio.create_task(desk.sweep.run())
    await until(lambda: desk.api.count("list") >= 4)
    task.cancel()
    await asyncio.wait([task])
    assert desk.lost == []
    assert caplog.text.count("Monitors are not swept") == 2


async def test_a_monitor_that_cannot_be_read_is_not_waited_for(desk: Desk) -> None:
    uid = desk.put("odd")
    first = asyncio.create_task(desk.sweep.first())
    await until(lambda: "1 monitors" in str(desk.sweep.problem))
    desk.sweep.give_up(monitor_object("odd", uid=uid))
    await first
    for nonsense in (None, [], {}, {"metadata": 7}, {"metadata": {}}):
        desk.sweep.give_up(nonsense)


async def test_monitors_that_stay_unheard_make_it_listen_anew(desk: Desk) -> None:
    """The definition may have been installed without kopf noticing."""
    desk.put("unheard")
    await desk.sweep.sweep()
    assert desk.listened_anew == 0
    await desk.sweep.sweep()
    assert desk.listened_anew == 1


async def test_a_monitor_that_is_heard_of_in_time_changes_nothing(desk: Desk) -> None:
    desk.put("new")
    await desk.sweep.sweep()
    desk.known("new")
    await desk.sweep.sweep()
    assert desk.listened_anew == 0


# When leaders change


def version_of(body: Mapping[str, Any]) -> str:
    found: str = body["metadata"]["resourceVersion"]
    return found


async def test_what_kopf_has_not_told_yet_is_read_at_once(desk: Desk) -> None:
    """The former leader wrote it a moment ago: nothing may be judged without it."""
    for name in ("told", "changed", "new"):
        desk.put(name)
    held = {name: desk.held(name) for name in ("told", "changed", "new")}
    desk.knows(held["told"])
    desk.knows(held["changed"])
    desk.put("changed")
    await desk.sweep.catch_up()
    newest = version_of(desk.held("changed"))
    assert desk.read == [
        f"changed as of {newest}",
        f"new as of {version_of(held['new'])}",
    ]


async def test_what_kopf_told_after_the_list_is_not_read_again(desk: Desk) -> None:
    desk.put("ahead")
    ahead = desk.held("ahead")
    ahead["metadata"]["resourceVersion"] = "100000"
    desk.knows(ahead)
    await desk.sweep.catch_up()
    assert desk.read == []


async def test_what_is_gone_is_forgotten_and_what_goes_meanwhile_is_not_read(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = desk.known("gone")
    desk.api.delete(MONITORS, "gone", namespace="shop")
    desk.put("going")
    client = desk.sweep._client
    list_metadata = client.list_metadata

    async def slowly(*args: object, **options: object) -> object:
        listed = await list_metadata(*args, **options)  # type: ignore[arg-type]
        desk.api.delete(MONITORS, "going", namespace="shop")
        return listed

    monkeypatch.setattr(client, "list_metadata", slowly)
    await desk.sweep.catch_up()
    assert desk.lost == [gone]
    assert desk.read == []


async def test_what_cannot_be_read_does_not_hold_up_the_leader(desk: Desk) -> None:
    uid = desk.put("odd")
    desk.sweep.give_up(monitor_object("odd", uid=uid))
    await desk.sweep.catch_up()
    assert desk.read == []


async def test_a_definition_that_goes_and_comes_is_told_and_read_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sweeping, "SWEEP_SECONDS", 0.001)
    caplog.set_level(logging.INFO)
    await desk.sweep.first()
    desk.api.fail(Fault("list", status=404, times=5))
    work = asyncio.create_task(desk.sweep.run())
    try:
        await until(lambda: "kubectl apply -k crds" in str(desk.sweep.problem))
        await until(lambda: desk.sweep.problem is None)
    finally:
        work.cancel()
        await asyncio.wait([work])
    assert desk.listened_anew == 1
    assert caplog.text.count("Nothing is monitored any more: the CRD") == 1
    assert caplog.text.count("The CRD is there again") == 1


async def test_a_hint_hurries_the_next_look(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await desk.sweep.first()
    desk.api.fail(Fault("list", status=404, times=1))
    work = asyncio.create_task(desk.sweep.run())
    try:
        await asyncio.sleep(0)
        desk.sweep.wake()
        await until(lambda: "The CRD is there again" in caplog.text)
    finally:
        work.cancel()
        await asyncio.wait([work])
