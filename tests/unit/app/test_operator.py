"""The operator role: how its parts are joined, when it is ready, what it survives."""

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from heartbeats.app.operator import OperatorRole
from heartbeats.core.model import Reason, Uid
from heartbeats.core.tokens import Key
from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.objects import Namespace
from heartbeats.edges.kube.resources import MONITORS, SECRETS
from heartbeats.edges.kube.signing import KEY_SECRET, KeySecret
from heartbeats.edges.kube.store import Change, ObjectEvent
from heartbeats.ledger import Entry
from support.builders import (
    HOUR,
    NOW,
    MemoryApi,
    Object,
    SetClock,
    cron_job,
    metadata,
    monitor_object,
)
from support.elections import keep_leases_in_memory
from support.fakeapi import FakeApi
from support.roles import build, let_kopf_sleep, running, until

FIRST = Key.of(b"first " * 6)


@pytest.fixture
async def session(api: FakeApi) -> AsyncIterator[aiohttp.ClientSession]:
    async with await open_session(Credentials(server=api.url)) as session:
        yield session


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    let_kopf_sleep(monkeypatch)


@pytest.fixture(autouse=True)
def leases(monkeypatch: pytest.MonkeyPatch) -> MemoryApi:
    """Return the API that keeps the leader's Lease."""
    return keep_leases_in_memory(monkeypatch)


@pytest.fixture
def role(session: aiohttp.ClientSession) -> OperatorRole:
    return build(session, SetClock())


def ping(name: str = "backup", **fields: Any) -> Object:
    return monitor_object(name, **fields)


def watching(name: str = "mine", cron_job_name: str = "nightly") -> Object:
    return monitor_object(name, {"cronJob": {"name": cron_job_name}})


def entry(role: OperatorRole, name: str = "backup") -> Entry:
    found = role.watching.ledger.get(Uid(f"uid-{name}"))
    assert found is not None
    return found


def marked(role: OperatorRole) -> list[str]:
    """Take what autodiscovery is to look at."""
    queue = role.leading.discovery._queue
    found = [str(queue.get_nowait()) for _ in range(queue.qsize())]
    role.leading.discovery._queued.clear()
    return found


# Readiness


async def test_it_watches_what_the_scope_needs(
    session: aiohttp.ClientSession, role: OperatorRole
) -> None:
    plurals = [stream.selection.resource.plural for stream in role.streams]
    assert plurals == ["cronjobs", "jobs", "configmaps", "leases", "namespaces"]
    narrow = build(session, SetClock(), namespace="shop", own_namespace="ours")
    scopes = {
        stream.selection.resource.plural: stream.selection.namespace
        for stream in narrow.streams
    }
    assert scopes == {
        "cronjobs": "shop",
        "jobs": "shop",
        "configmaps": "ours",
        "leases": "ours",
    }


async def test_its_problem_names_what_is_missing_in_turn(role: OperatorRole) -> None:
    for stream in role.streams:
        plural = stream.selection.resource.plural
        assert role.problem() == f"{plural} are not read yet"
        stream.synced.set()
    assert role.problem() == "monitors have not been listed yet"
    role.watching.sweep.problem = None
    assert "operator-leader has not been read yet" in str(role.problem())
    role.election.problem = None
    assert role.problem() == "nobody leads yet"
    role.mandate.extend(SetClock().monotonic() + 10)
    assert role.problem() == "the ledger is not open yet"
    role.watching.ledger.open(now=NOW)
    assert role.problem() is None
    role.watching.cron_jobs.synced.clear()
    assert role.problem() == "cronjobs are not read yet"


async def test_a_watchdog_that_may_wait_is_not_silent(role: OperatorRole) -> None:
    clock = role._clock._clock
    assert isinstance(clock, SetClock)
    clock.turn(HOUR)
    assert role.last_judged() == clock.monotonic(), "a follower judges nothing"
    role.leading._open()
    opened = clock.monotonic()
    clock.turn(HOUR)
    assert role.last_judged() == opened
    await role.leading.watchdog.turn()
    assert role.last_judged() == clock.monotonic()


async def test_kopf_is_given_time_in_every_term(role: OperatorRole) -> None:
    """Liveness asks for its last turn; a new one has not had any yet."""
    clock = role._clock._clock
    assert isinstance(clock, SetClock)
    clock.turn(HOUR)
    assert role.last_kopf_turn() == clock.monotonic() - 3600
    role._begin()
    assert role.last_kopf_turn() == clock.monotonic()


async def test_it_becomes_ready_in_an_empty_cluster_and_stops(
    role: OperatorRole,
) -> None:
    async with running(role):
        await until(lambda: role.problem() is None)
        assert role.watching.kopf._thread.is_alive()
        await until(lambda: role.leading.watchdog.last_turn is not None)
    assert not role.watching.kopf._thread.is_alive()


async def test_it_judges_nothing_before_every_monitor_is_read(
    api: FakeApi, role: OperatorRole
) -> None:
    body = api.put(MONITORS, "backup", namespace="shop", spec={"ping": {}})
    async with running(role):
        await until(lambda: "1 monitors" in str(role.problem()))
        assert not role.watching.ledger.is_open
        told = ping(uid=body["metadata"]["uid"])
        thread = threading.Thread(
            target=role.watching.facts.hand_over, args=(None, told)
        )
        thread.start()
        await asyncio.to_thread(thread.join)
        await until(lambda: role.problem() is None)
        assert role.watching.ledger.is_open


async def test_a_monitor_that_cannot_be_read_does_not_hold_up_the_start(
    api: FakeApi, role: OperatorRole, caplog: pytest.LogCaptureFixture
) -> None:
    body = api.put(MONITORS, "odd", namespace="shop", spec={"ping": {}})
    odd = ping("odd", uid=body["metadata"]["uid"], creationTimestamp="yesterday")
    async with running(role):
        await until(lambda: "1 monitors" in str(role.problem()))
        role.watching.facts.hand_over(None, odd)
        await until(lambda: role.problem() is None)
    assert "A monitor cannot be read" in caplog.text
    name = 'heartbeat_operator_odd_objects_total{resource="heartbeatmonitors"}'
    assert f"{name} 1.0" in role._metrics.render().decode()


async def test_before_the_start_and_after_the_end_nothing_is_handed_over(
    role: OperatorRole,
) -> None:
    role.watching.facts.hand_over("ADDED", ping())
    loop = asyncio.new_event_loop()
    loop.close()
    role.watching.facts._loop = loop
    role.watching.facts.hand_over("ADDED", ping())
    assert len(role.watching.ledger) == 0


# Facts


async def test_monitors_come_and_go(role: OperatorRole) -> None:
    role.watching.facts.see_monitor(None, ping())
    role.watching.facts.see_monitor("MODIFIED", ping(resourceVersion="2"))
    assert [known.resource_version for known in role.watching.ledger] == ["2"]
    role.watching.facts.see_monitor("DELETED", ping(resourceVersion="3"))
    assert len(role.watching.ledger) == 0


async def test_a_monitor_marks_its_cronjob_and_the_one_in_whose_way_it_stands(
    role: OperatorRole,
) -> None:
    role.watching.ledger.open(now=NOW)
    role.watching.facts.see_monitor("ADDED", watching("mine", "nightly"))
    assert "shop/nightly" in marked(role)
    role.watching.facts.see_monitor("DELETED", ping("report-cronjob"))
    assert "shop/report" in marked(role)


async def test_a_monitor_swept_away_gives_its_cronjob_back_to_autodiscovery(
    role: OperatorRole,
) -> None:
    role.watching.ledger.open(now=NOW)
    role.watching.facts.see_monitor("ADDED", watching())
    marked(role)
    role.watching.facts.lose(Uid("uid-mine"))
    assert marked(role) == ["shop/nightly"]
    assert len(role.watching.ledger) == 0
    role.watching.facts.lose(Uid("uid-mine"))


async def test_cronjobs_come_and_go(role: OperatorRole) -> None:
    role.watching.ledger.open(now=NOW)
    role.watching.facts.see_cron_job(ObjectEvent(Change.ADDED, cron_job()))
    assert [facts.name for facts in role.watching.ledger.sources] == ["nightly"]
    role.watching.facts.see_cron_job(ObjectEvent(Change.DELETED, cron_job()))
    assert list(role.watching.ledger.sources) == []
    assert "shop/nightly" in marked(role)


def namespace(kind: Change, **annotations: str) -> ObjectEvent[Namespace]:
    meta = metadata("shop", annotations=annotations)
    return ObjectEvent(kind, msgspec.convert({"metadata": meta}, Namespace))


async def test_of_a_namespace_only_our_annotations_are_kept(
    role: OperatorRole,
) -> None:
    role.watching.ledger.open(now=NOW)
    role.watching.facts.see_cron_job(ObjectEvent(Change.ADDED, cron_job()))
    marked(role)
    said = {"heartbeats.dev/monitor": "false", "kubectl.kubernetes.io/x": "{}"}
    role.watching.facts.see_namespace(namespace(Change.ADDED, **said))
    kept = role.watching.ledger.sources.annotations("shop")
    assert kept == {"heartbeats.dev/monitor": "false"}
    assert marked(role) == ["shop/nightly"]
    role.watching.facts.see_namespace(namespace(Change.DELETED, **said))
    assert role.watching.ledger.sources.annotations("shop") == {}


# Keys


def supply(api: MemoryApi, *keys: Key) -> None:
    texts = [base64.b64encode(key.secret).decode() for key in keys]
    data = dict(zip(("current", "previous"), texts, strict=False))
    meta = {"name": KEY_SECRET, "namespace": "heartbeats-system"}
    api.put(SECRETS, {"metadata": meta, "data": data})


@pytest.fixture
def keys(role: OperatorRole) -> MemoryApi:
    """Return the API that holds the key Secret; the ledger is open."""
    memory = MemoryApi()
    role.leading.signer._secret = KeySecret(memory, "heartbeats-system")
    role.watching.ledger.open(now=NOW)
    return memory


async def test_each_ping_monitor_names_the_key_that_signed_its_token(
    role: OperatorRole, keys: MemoryApi
) -> None:
    role.watching.facts.see_monitor("ADDED", ping())
    role.watching.facts.see_monitor("ADDED", watching())
    supply(keys, FIRST)
    await role.leading.signer.look()
    assert entry(role).state.key_id == FIRST.id
    assert entry(role, "mine").state.key_id is None
    role.watching.facts.see_monitor("ADDED", ping("late"))
    assert entry(role, "late").state.key_id == FIRST.id


async def test_a_lost_key_is_said_by_every_ping_monitor_and_in_the_metrics(
    role: OperatorRole, keys: MemoryApi
) -> None:
    named = {**ping(), "status": {"ping": {"keyID": "lost"}}}
    role.watching.facts.see_monitor("ADDED", named)
    await role.leading.signer.look()
    flaw = entry(role).state.flaw
    assert flaw is not None
    assert flaw.reason is Reason.KEY_LOST
    assert "restore it from a backup" in flaw.message
    text = role._metrics.render().decode()
    assert "heartbeat_operator_ping_key_lost 1.0" in text
    assert keys.of("POST") == []


async def test_a_key_that_is_lost_is_known_before_anything_is_judged(
    api: FakeApi, role: OperatorRole, caplog: pytest.LogCaptureFixture
) -> None:
    """Else every restart would say Ready, and a moment later take it back."""
    opened: list[bool] = []

    async def look() -> None:
        opened.append(role.watching.ledger.is_open)

    role.leading.signer.look = look  # type: ignore[method-assign]
    async with running(role):
        await until(lambda: len(opened) > 1)
    assert opened[:2] == [False, True]
