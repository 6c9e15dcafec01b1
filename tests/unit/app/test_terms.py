"""A replica follows, leads, loses the Lease and follows again, in one process."""

import asyncio
import gc
import json
import logging
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from heartbeats.app import leading
from heartbeats.app.operator import OperatorRole
from heartbeats.clock import SystemClock
from heartbeats.core.model import MonitorKey, Uid
from heartbeats.edges.kube import election
from heartbeats.edges.kube.candidacy import LEASE
from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.errors import StaleError
from heartbeats.edges.kube.resources import CONFIG_MAPS, LEASES, MONITORS
from heartbeats.edges.kube.segment_store import LABEL
from support.builders import MemoryApi, Object, monitor_object
from support.elections import keep_leases_in_memory
from support.fakeapi import FakeApi
from support.journals import entry, segment
from support.roles import build, let_kopf_sleep, running, until

HOME = "heartbeats-system"


@pytest.fixture(autouse=True)
def leases(monkeypatch: pytest.MonkeyPatch) -> MemoryApi:
    """Return the API that keeps the leader's Lease; everything is quick."""
    let_kopf_sleep(monkeypatch)
    monkeypatch.setattr(election, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(election, "LOOK_SECONDS", 0.01)
    return keep_leases_in_memory(monkeypatch)


@pytest.fixture
async def role(api: FakeApi) -> AsyncIterator[OperatorRole]:
    async with await open_session(Credentials(server=api.url)) as session:
        yield build(session, SystemClock())


def is_held_by(api: MemoryApi, holder: str) -> None:
    """Let somebody hold the Lease, whoever held it before."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15}
    meta = {"name": LEASE, "namespace": HOME, "uid": "lease"}
    api.put(LEASES, {"metadata": meta, "spec": spec})


def holder(api: MemoryApi) -> str:
    spec: Object = api.held(LEASES, LEASE, HOME)["spec"]
    return str(spec["holderIdentity"])


def gauge(role: OperatorRole) -> str:
    text = role._metrics.render().decode()
    return text.split("\nheartbeat_operator_leader ")[1].partition("\n")[0]


def put_segment(api: FakeApi, name: str, *numbers: int) -> None:
    """Store a segment of pings of the monitor `backup`."""
    made = segment(name, 1, *(entry(number) for number in numbers))
    meta = {"labels": {LABEL: "v1"}}
    api.put(CONFIG_MAPS, name, namespace=HOME, data=made.data, metadata=meta)


def put_monitor(api: FakeApi, role: OperatorRole, **status: Any) -> None:
    """Store the monitor `backup`, and let kopf tell of it."""
    body = api.put(MONITORS, "backup", namespace="shop", spec={"ping": {}})
    uid = {"uid": "hbm-backup", "resourceVersion": str(api.version)}
    api._objects[MONITORS.plural, "shop", "backup"]["metadata"] |= uid
    version = body["metadata"]["resourceVersion"]
    told = monitor_object(uid="hbm-backup", resourceVersion=version)
    role.watching.facts.see_monitor("ADDED", {**told, "status": status})


# Following


async def test_a_follower_is_ready_and_knows_who_leads(
    role: OperatorRole, leases: MemoryApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    is_held_by(leases, "another")
    async with running(role):
        await until(lambda: role.problem() is None)
        assert role.follows() == "another"
        assert gauge(role) == "0.0"
        assert not role.watching.ledger.is_open
        assert caplog.text.count("Following: another leads") == 1
        assert "Leading" not in caplog.text


async def test_a_follower_writes_nothing_and_piles_nothing_up(
    api: FakeApi, role: OperatorRole, leases: MemoryApi
) -> None:
    is_held_by(leases, "another")
    async with running(role):
        await until(lambda: role.problem() is None)
        for number in range(20):
            put_monitor(api, role)
            put_segment(api, f"s{number}", number)
            await until(lambda: role.watching.segments.objects)
            api.delete(CONFIG_MAPS, f"s{number}", namespace=HOME)
        await until(lambda: not role.watching.segments.objects)
        later, ledger = role.leading, role.watching.ledger
        assert later.journal.pending == 0
        assert ledger._waiting == {}
        assert later.writer.backlog == later.teller.backlog == 0
        assert later.discovery._queue.empty()
        assert later.urls._queue.empty()
        assert later._gaps.empty()
        assert list(role.entries()) == []
        assert role.named(MonitorKey("shop", "backup")) is not None
    assert leases.of("PATCH") == leases.of("POST") == []
    assert {seen.verb for seen in api.seen} <= {"get", "list", "page", "watch"}


async def test_who_has_not_read_everything_does_not_lead(
    api: FakeApi, role: OperatorRole, leases: MemoryApi
) -> None:
    """Another, who has, could."""
    api.put(MONITORS, "unheard", namespace="shop", spec={"ping": {}})
    async with running(role):
        await until(lambda: "1 monitors" in str(role.problem()))
        await asyncio.sleep(0.1)
        assert leases.of("POST") == []
        api.delete(MONITORS, "unheard", namespace="shop")
        await until(lambda: role.mandate.holds)


# Leading


async def test_what_the_journal_holds_is_applied_in_order_when_it_leads(
    api: FakeApi, role: OperatorRole, leases: MemoryApi
) -> None:
    is_held_by(leases, "another")
    async with running(role):
        await until(lambda: role.problem() is None)
        put_monitor(api, role)
        put_segment(api, "z-first", 1)
        put_segment(api, "a-last", 2)
        await until(lambda: len(role.watching.segments.objects) == 2)
        is_held_by(leases, "")
        await until(lambda: role.watching.ledger.is_open)
        found = role.watching.ledger.get(Uid("hbm-backup"))
        assert found is not None
        assert found.state.last_check_in is not None
        assert found.state.last_check_in.id == "ping-2"
        assert [each.key.name for each in role.entries()] == ["backup"]
        put_segment(api, "m-later", 3)
        await until(lambda: found.state.last_check_in.id == "ping-3")  # type: ignore[union-attr]


async def test_a_status_that_kopf_did_not_tell_of_is_read_before_anything_is_judged(
    api: FakeApi, role: OperatorRole, leases: MemoryApi
) -> None:
    """The former leader counted a ping, and deleted it from the journal."""
    is_held_by(leases, "another")
    async with running(role):
        await until(lambda: role.problem() is None)
        put_monitor(api, role)
        succeeded = "2026-11-21T11:59:00Z"
        body = api._objects[MONITORS.plural, "shop", "backup"]
        full = monitor_object(**body["metadata"])
        full["metadata"]["resourceVersion"] = str(api.version + 1)
        full["status"] = {"state": "Up", "lastSuccessTime": succeeded}
        api._objects[MONITORS.plural, "shop", "backup"] = json.loads(json.dumps(full))
        api.version += 1
        is_held_by(leases, "")
        await until(lambda: role.watching.ledger.is_open)
        found = role.watching.ledger.get(Uid("hbm-backup"))
        assert found is not None
        assert found.state.last_success_at is not None
        assert found.state.last_success_at.isoformat() == "2026-11-21T11:59:00+00:00"


# Losing it


async def test_who_lost_the_lease_follows_with_everything_anew(
    api: FakeApi, role: OperatorRole, leases: MemoryApi
) -> None:
    async with running(role):
        await until(lambda: role.watching.ledger.is_open)
        assert role.follows() is None
        assert gauge(role) == "1.0"
        before, mandate = role.watching, role.mandate
        pages: list[object] = []
        role.on_change, role.on_begin = pages.append, lambda: pages.append("forget")
        put_monitor(api, role)
        assert len(list(role.entries())) == 1
        is_held_by(leases, "another")
        await until(lambda: not mandate.holds)
        assert list(role.entries()) == []
        await until(lambda: role.watching is not before)
        assert not before.kopf._thread.is_alive()
        assert gauge(role) == "0.0"
        assert pages == [MonitorKey("shop", "backup"), "forget"]
        before.facts.hand_over("ADDED", monitor_object("late"))
        await until(lambda: "1 monitors" in str(role.problem()))
        role.watching.facts.see_monitor(None, monitor_object(uid="hbm-backup"))
        await until(lambda: role.problem() is None)
        assert role.follows() == "another"
        assert before.ledger.named(MonitorKey("shop", "late")) is None
        is_held_by(leases, "")
        await until(lambda: role.watching.ledger.is_open)
        assert role.watching.kopf._thread.is_alive()


async def test_who_lost_the_lease_says_so_before_its_last_work_has_ended(
    role: OperatorRole, leases: MemoryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await ends.wait()

    monkeypatch.setattr(role.leading.urls, "run", work)
    async with running(role):
        await until(lambda: role.watching.ledger.is_open)
        mandate = role.mandate
        is_held_by(leases, "another")
        await until(lambda: not mandate.holds)
        await until(lambda: gauge(role) == "0.0")
        assert role.mandate is mandate
        ends.set()
        await until(lambda: role.mandate is not mandate)


async def test_who_stops_gives_the_lease_back_when_nothing_writes_any_more(
    role: OperatorRole, leases: MemoryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    stop = role.watching.kopf.stop

    async def write() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            said.append(f"the last write, {holder(leases) and 'held'}")

    async def stop_kopf() -> None:
        await until(lambda: not holder(leases))
        said.append("kopf's end")
        await stop()

    monkeypatch.setattr(role.leading.writer, "run", write)
    monkeypatch.setattr(role.watching.kopf, "stop", stop_kopf)
    async with running(role):
        await until(lambda: role.watching.ledger.is_open)
    assert said == ["the last write, held", "kopf's end"]
    assert holder(leases) == ""
    assert not role.mandate.holds


async def test_who_stops_at_once_after_winning_gives_the_lease_back(
    role: OperatorRole, leases: MemoryApi
) -> None:
    async with running(role):
        await until(lambda: role.mandate.holds)
    assert holder(leases) == ""


async def test_who_fails_gives_the_lease_back(
    role: OperatorRole, leases: MemoryApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(role.leading.writer, "run", fail)
    with pytest.raises(ExceptionGroup) as caught:
        await role.run()
    assert caught.group_contains(RuntimeError, match="a defect")
    assert holder(leases) == ""


async def test_a_leader_that_cannot_catch_up_lets_another_try(
    role: OperatorRole,
    leases: MemoryApi,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Else it would hold the Lease for ever and judge nothing."""

    async def fail(**_: object) -> None:
        raise StaleError("configmaps could not be confirmed")

    monkeypatch.setattr(leading, "CAUGHT_UP_WITHIN", 0.05)
    monkeypatch.setattr(role.watching.segments, "confirm", fail)
    first = role.mandate
    async with running(role):
        await until(lambda: role.mandate is not first)
        assert "the Lease is given back" in caplog.text
        assert leases.of("PATCH")[-1].body["spec"]["holderIdentity"] == ""
        monkeypatch.setattr(leading, "CAUGHT_UP_WITHIN", 60.0)
        await until(lambda: role.watching.ledger.is_open)


async def test_who_follows_does_not_touch_the_lease_when_it_stops(
    role: OperatorRole, leases: MemoryApi
) -> None:
    is_held_by(leases, "another")
    async with running(role):
        await until(lambda: role.problem() is None)
    assert holder(leases) == "another"
    assert leases.of("PATCH") == []


async def test_nothing_is_left_of_a_term_that_is_over(
    role: OperatorRole, leases: MemoryApi
) -> None:
    """A replica may win and lose for months."""
    async with running(role):
        terms: list[weakref.ref[Any]] = []
        for _ in range(3):
            await until(lambda: role.watching.ledger.is_open)
            terms += [weakref.ref(role.watching), weakref.ref(role.leading)]
            mandate = role.mandate
            is_held_by(leases, "another")
            await until(lambda mandate=mandate: role.mandate is not mandate)  # type: ignore[misc]
            await until(lambda: role.problem() is None)
            is_held_by(leases, "")
        gc.collect()
        assert [term() for term in terms] == [None] * 6
