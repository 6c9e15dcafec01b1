"""Leases prove that somebody heard; a break in them is never covered."""

import asyncio
import logging
from datetime import timedelta

import pytest

from heartbeats.core.model import Blindness
from heartbeats.core.presence import ALIVE_FOR, RENEWED_EVERY
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.attendance import Attendance
from heartbeats.edges.kube.leases import (
    KEPT_FOR,
    REFUSED,
    Lease,
    LeaseSpec,
    refusals_of,
    write_refusals,
)
from heartbeats.edges.kube.objects import ObjectMeta
from heartbeats.edges.kube.presence import Presences
from heartbeats.edges.kube.resources import LEASES
from heartbeats.edges.kube.store import Change, ObjectEvent
from support.builders import MemoryApi, SetClock

SYSTEM = "heartbeats-system"
SECOND = timedelta(seconds=1)


@pytest.fixture
def api() -> MemoryApi:
    return MemoryApi()


@pytest.fixture
def clock(api: MemoryApi) -> SetClock:
    clock = api.clock
    assert isinstance(clock, SetClock)
    return clock


def leases(api: MemoryApi) -> list[str]:
    return [path.rsplit("/", 1)[1] for path in api.objects]


def replica(api: MemoryApi) -> Attendance:
    names = iter("abcdefgh")
    return Attendance(api, SYSTEM, lambda: next(names))


async def test_a_replica_renews_one_lease(api: MemoryApi, clock: SetClock) -> None:
    attendance = replica(api)
    for _ in range(3):
        await attendance.renew()
        clock.turn(RENEWED_EVERY)
    assert leases(api) == ["heartbeats-ping-a"]
    spec = api.held(LEASES, "heartbeats-ping-a", SYSTEM)["spec"]
    assert spec["renewTime"] > spec["acquireTime"]


async def test_after_a_break_a_new_lease_begins(
    api: MemoryApi, clock: SetClock
) -> None:
    attendance = replica(api)
    await attendance.renew()
    for _ in range(4):
        clock.turn(RENEWED_EVERY)
        api.refuse("PATCH", errors.Unreachable("gone"))
        await attendance.renew()
    clock.turn(SECOND)
    await attendance.renew()
    assert "heartbeats-ping-a" in leases(api)
    assert len(leases(api)) == 2


async def test_one_failed_renewal_is_no_break(api: MemoryApi, clock: SetClock) -> None:
    attendance = replica(api)
    await attendance.renew()
    clock.turn(RENEWED_EVERY)
    api.refuse("PATCH", errors.ServerError("odd"))
    await attendance.renew()
    clock.turn(RENEWED_EVERY)
    await attendance.renew()
    assert leases(api) == ["heartbeats-ping-a"]


async def test_that_it_cannot_be_proven_is_said_once(
    api: MemoryApi, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried each second while pings are refused."""
    caplog.set_level(logging.INFO)
    attendance = replica(api)
    api.refuse("PATCH", errors.ServerError("etcd is full"), times=5)
    for _ in range(5):
        await attendance.renew()
    assert caplog.text.count("is not proven: etcd is full") == 1
    await attendance.renew()
    await attendance.renew()
    assert caplog.text.count("is proven again") == 1


async def test_a_clock_that_was_set_back_begins_a_new_lease(
    api: MemoryApi, clock: SetClock
) -> None:
    attendance = replica(api)
    await attendance.renew()
    clock.turn(timedelta(hours=-1))
    await attendance.renew()
    assert len(leases(api)) == 2


async def test_refusals_are_told_by_the_lease(api: MemoryApi, clock: SetClock) -> None:
    attendance = replica(api)
    first = clock.now()
    attendance.refused()
    clock.turn(3 * SECOND)
    attendance.refused()  # the same trouble
    clock.turn(timedelta(minutes=1))
    attendance.refused()
    await attendance.renew()
    held = api.held(LEASES, "heartbeats-ping-a", SYSTEM)["metadata"]["annotations"]
    meta = ObjectMeta(name="a", uid="a", resource_version="1", annotations=held)
    spans = [
        (each.began_at, each.ended_at) for each in refusals_of(Lease(metadata=meta))
    ]
    last = clock.now()
    assert spans == [(first, first + 3 * SECOND), (last, last)]


@pytest.mark.looptime
async def test_a_refusal_is_told_within_a_second(api: MemoryApi) -> None:
    attendance = replica(api)
    running = asyncio.create_task(attendance.run())
    await asyncio.sleep(1.5)
    attendance.refused()
    await asyncio.sleep(1)
    meta = api.held(LEASES, "heartbeats-ping-a", SYSTEM)["metadata"]
    assert meta["annotations"][REFUSED]
    running.cancel()


@pytest.mark.looptime
async def test_the_last_seconds_of_a_replica_that_ends_are_proven(
    api: MemoryApi, clock: SetClock
) -> None:
    """In a rolling update the next one was there before: nobody was unheard."""
    running = asyncio.create_task(replica(api).run())
    await asyncio.sleep(0.5)
    clock.turn(3 * SECOND)
    running.cancel()
    await asyncio.wait([running])
    spec = api.held(LEASES, "heartbeats-ping-a", SYSTEM)["spec"]
    assert spec["renewTime"] == clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert running.cancelled()


@pytest.mark.looptime
async def test_an_api_server_that_does_not_answer_holds_up_no_end(
    api: MemoryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = asyncio.create_task(replica(api).run())
    await asyncio.sleep(0.5)

    async def never(*_: object, **__: object) -> bytes:
        await asyncio.Event().wait()
        return b""

    monkeypatch.setattr(api, "apply", never)
    running.cancel()
    async with asyncio.timeout(1.5):
        await asyncio.wait([running])
    assert running.cancelled()


@pytest.mark.parametrize("odd", ["", "soon/later", "2026-01-01/x", "a/b/c", ",,"])
def test_an_odd_annotation_tells_nothing(odd: str) -> None:
    meta = ObjectMeta(
        name="a", uid="a", resource_version="1", annotations={REFUSED: odd}
    )
    assert list(refusals_of(Lease(metadata=meta))) == []


class Desk:
    """The operator's side, fed by hand."""

    def __init__(self, api: MemoryApi, clock: SetClock) -> None:
        self.clock = clock
        self.blind: list[Blindness] = []
        self.presences = Presences(api, SYSTEM, self.blind.append)
        self._store = self.presences.leases._store

    def see(
        self, name: str, began: timedelta, proven: timedelta, **annotations: str
    ) -> None:
        now = self.clock.now()
        lease = Lease(
            metadata=ObjectMeta(
                name=name, uid=name, resource_version="1", annotations=annotations
            ),
            spec=LeaseSpec(acquire_time=now - began, renew_time=now - proven),
        )
        self._store.objects[name] = lease
        self.presences._see(ObjectEvent(Change.ADDED, lease))


async def test_a_break_between_two_leases_is_told_when_the_second_begins(
    api: MemoryApi, clock: SetClock
) -> None:
    desk = Desk(api, clock)
    assert desk.presences.begin() == []
    desk.see("old", timedelta(hours=1), timedelta(minutes=10))
    desk.see("new", timedelta(), timedelta())
    (blindness,) = desk.blind
    assert blindness.ended_at - blindness.began_at == timedelta(minutes=10)
    desk.presences.check()
    assert len(desk.blind) == 1


async def test_a_time_of_refusals_is_told_once(api: MemoryApi, clock: SetClock) -> None:
    desk = Desk(api, clock)
    desk.presences.begin()
    now = clock.now()
    refused = Blindness(began_at=now - 9 * SECOND, ended_at=now - 5 * SECOND)
    text = {REFUSED: write_refusals([refused])}
    desk.see("only", timedelta(hours=1), timedelta(), **text)
    desk.see("only", timedelta(hours=1), timedelta(), **text)
    assert desk.blind == [refused]


async def test_what_was_before_the_start_is_returned_and_not_told(
    api: MemoryApi, clock: SetClock
) -> None:
    desk = Desk(api, clock)
    desk.see("old", timedelta(hours=1), timedelta(minutes=10))
    desk.see("new", timedelta(), timedelta())
    assert desk.blind == []
    assert len(desk.presences.begin()) == 1
    desk.presences.check()
    assert desk.blind == []


async def test_while_nobody_is_there_each_check_tells_how_long(
    api: MemoryApi, clock: SetClock
) -> None:
    desk = Desk(api, clock)
    desk.presences.begin()
    desk.see("only", timedelta(hours=1), timedelta())
    clock.turn(ALIVE_FOR)
    desk.presences.check()
    assert desk.blind == []
    clock.turn(SECOND)
    desk.presences.check()
    clock.turn(SECOND)
    desk.presences.check()
    assert [each.ended_at - each.began_at for each in desk.blind] == [
        ALIVE_FOR + SECOND,
        ALIVE_FOR + 2 * SECOND,
    ]


async def test_old_leases_are_removed_and_the_newest_stays(
    api: MemoryApi, clock: SetClock
) -> None:
    desk = Desk(api, clock)
    desk.see("older", 4 * KEPT_FOR, 3 * KEPT_FOR)
    desk.see("newest", 3 * KEPT_FOR, 2 * KEPT_FOR)
    for name in ("older", "newest"):
        api.put(LEASES, {"metadata": {"name": name, "namespace": SYSTEM}})
    await desk.presences.tidy()
    assert leases(api) == ["newest"]
