"""The ping role: what it knows of monitors, when it is ready, and its end."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import msgspec
import pytest

from heartbeats.app.ping import Directory, PingRole, TimedStore
from heartbeats.clock import CorrectedClock, SystemClock
from heartbeats.config import Address, Config
from heartbeats.core.model import Health, MonitorKey, Reason, Uid
from heartbeats.core.tokens import Key
from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.directory import NotCurrentError, TokenDirectory
from heartbeats.edges.kube.objects import Monitor
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.edges.ping.ports import MonitorView, NotSureError
from heartbeats.journal import JournalUnavailable
from support.builders import MemoryApi, SetClock, metadata
from support.fakeapi import FakeApi

TOKEN = "0189d3f0-0000-8000-8000-000000000000"
KEY = Key.of(b"a key " * 6)


class Tokens(TokenDirectory):
    """A directory of one monitor, or of none, that may not be current."""

    def __init__(self, spec: dict[str, Any] | None, **status: Any) -> None:
        super().__init__(MemoryApi(), "heartbeats-system")
        body = {"metadata": metadata("backup"), "spec": spec, "status": status}
        self.found = None if spec is None else msgspec.convert(body, Monitor)
        self.error: Exception | None = None
        self.asked: list[timedelta] = []

    def find(self, token: str) -> Monitor | None:
        assert token == TOKEN
        return self.found

    async def find_newest(self, token: str, patience: timedelta) -> Monitor | None:
        self.asked.append(patience)
        if self.error is not None:
            raise self.error
        return self.find(token)


def test_a_monitor_is_what_the_dialects_need_of_it() -> None:
    spec = {"ping": {}, "interval": "1h", "recoveryThreshold": 2, "suspend": True}
    tokens = Tokens(
        spec,
        state="Down",
        nextExpectedTime="2026-11-21T13:00:00Z",
        incident={"reason": "RunMissed"},
    )
    assert Directory(tokens).lookup(TOKEN) == MonitorView(
        key=MonitorKey("shop", "backup"),
        uid=Uid("uid-backup"),
        health=Health.DOWN,
        incident_reason=Reason.RUN_MISSED,
        next_expected_at=datetime(2026, 11, 21, 13, tzinfo=UTC),
        is_ping=True,
        suspended=True,
        interval=timedelta(hours=1),
        recovers_at_once=False,
    )


def test_a_plain_monitor_is_new_and_recovers_at_once() -> None:
    view = Directory(Tokens({"ping": {}, "schedule": "0 2 * * *"})).lookup(TOKEN)
    assert view is not None
    assert (view.health, view.interval) == (Health.NEW, None)
    assert (view.recovers_at_once, view.suspended) == (True, False)


def test_an_unknown_token_names_nothing() -> None:
    assert Directory(Tokens(None)).lookup(TOKEN) is None


async def test_settling_asks_for_a_list_within_the_services_patience() -> None:
    tokens = Tokens({"ping": {}})
    assert await Directory(tokens).settle(TOKEN) == Directory(tokens).lookup(TOKEN)
    [patience] = tokens.asked
    assert patience <= timedelta(seconds=4)


async def test_without_a_list_nobody_is_sure() -> None:
    tokens = Tokens(None)
    tokens.error = NotCurrentError("monitors could not be confirmed")
    with pytest.raises(NotSureError, match="could not be confirmed"):
        await Directory(tokens).settle(TOKEN)


# How long commits take


class Store:
    """Takes two seconds by the clock, or refuses."""

    def __init__(self, clock: SetClock) -> None:
        self.clock = clock
        self.error: Exception | None = None

    async def append(self, text: str) -> int:
        self.clock.turn(timedelta(seconds=2))
        if self.error is not None:
            raise self.error
        return len(text)


async def test_commits_are_measured_and_refusals_are_not() -> None:
    metrics, clock = OperatorMetrics("1"), SetClock()
    store = Store(clock)
    timed = TimedStore(store, clock, metrics)
    assert await timed.append("four") == 4
    store.error = JournalUnavailable("full")
    with pytest.raises(JournalUnavailable):
        await timed.append("four")
    text = metrics.render().decode()
    assert "heartbeat_operator_journal_commit_seconds_sum 2.0" in text
    assert "heartbeat_operator_journal_commit_seconds_count 1.0" in text


# The role


@pytest.fixture
async def session(api: FakeApi) -> AsyncIterator[aiohttp.ClientSession]:
    async with await open_session(Credentials(server=api.url)) as session:
        yield session


@pytest.fixture
def role(session: aiohttp.ClientSession) -> PingRole:
    config = Config(ping_address=Address("127.0.0.1", 0))
    clock = CorrectedClock(SystemClock())
    return PingRole(config, session, clock, OperatorMetrics("1"))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a fact, not an event
            await asyncio.sleep(0)


async def test_it_is_ready_once_monitors_and_keys_are_read(role: PingRole) -> None:
    unread = "the monitors are not read yet"
    assert role.problem() == unread
    role.tokens.monitors.lists = 1
    assert role.problem() == "the ping keys are not read yet"
    role.tokens.keyring.use((KEY,))
    assert role.problem() is None
    role.tokens.monitors.synced.clear()
    assert role.problem() is None, "what was read goes on being answered"


async def test_without_the_key_it_is_not_ready_and_says_why(role: PingRole) -> None:
    role.tokens.monitors.lists = 1
    await role.tokens.keyring.look()
    assert "Secret heartbeats-system/heartbeats-ping-key is missing" in str(
        role.problem()
    )


async def test_it_answers_until_it_is_cancelled_and_says_that_it_drains(
    role: PingRole,
) -> None:
    listening: asyncio.Future[str] = asyncio.Future()
    task = asyncio.create_task(role.run(listening.set_result))
    url = await listening
    role.tokens.keyring.use((KEY,))
    await until(lambda: role.tokens.synced)
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{url}/ping/{TOKEN}") as answer,
    ):
        assert answer.status == 404
    task.cancel()
    await asyncio.wait([task])
    assert role.problem() == "the ping service is draining"
    with pytest.raises(aiohttp.ClientError):
        async with aiohttp.ClientSession() as client:
            await client.get(url)


def test_the_ping_role_needs_no_kopf() -> None:
    code = "import sys, heartbeats.app.process; sys.exit('kopf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
