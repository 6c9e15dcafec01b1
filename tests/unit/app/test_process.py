"""One process: the roles that were chosen, their listeners, and an orderly end."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from heartbeats.app import ping, process
from heartbeats.app.process import Process
from heartbeats.config import Address, Config, Role
from heartbeats.edges.kube import sweep
from heartbeats.edges.kube.credentials import Credentials
from heartbeats.edges.kube.errors import CredentialsError
from heartbeats.edges.kube.kopf_thread import KopfThread
from heartbeats.edges.listener import ListenError
from support.elections import keep_leases_in_memory
from support.fakeapi import FakeApi
from support.roles import let_kopf_sleep, until

ANY = Address("127.0.0.1", 0)


@pytest.fixture(autouse=True)
def _surroundings(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead the process to the fake API, and let kopf do nothing."""
    credentials = Credentials(server=api.url)
    monkeypatch.setattr(process, "find_credentials", lambda **_: credentials)
    let_kopf_sleep(monkeypatch)
    keep_leases_in_memory(monkeypatch)


def config(role: Role, **fields: Any) -> Config:
    default: dict[str, Any] = {
        "ping_address": ANY,
        "metrics_address": ANY,
        "health_address": ANY,
        "page_address": ANY,
    }
    return Config(role=role, **{**default, **fields})


class Outside:
    """Whoever looks at a running process from outside."""

    def __init__(
        self, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
    ) -> None:
        self._client = client
        self._caplog = caplog

    @property
    def listeners(self) -> dict[str, str]:
        said = re.findall(r"The (\w+) listener is at (\S+)", self._caplog.text)
        return dict(said)

    async def checks(self, path: str) -> dict[str, bool]:
        url = self.listeners["health"] + path
        async with self._client.get(url) as answer:
            return {
                each["name"]: each["ok"] for each in (await answer.json())["checks"]
            }

    async def text(self, listener: str, path: str) -> str:
        async with self._client.get(self.listeners[listener] + path) as answer:
            assert answer.status == 200
            return await answer.text()


@asynccontextmanager
async def running(
    role: Role, caplog: pytest.LogCaptureFixture, **fields: Any
) -> AsyncIterator[tuple[Outside, asyncio.Task[None]]]:
    caplog.set_level("INFO")
    task = asyncio.create_task(Process(config(role, **fields), {}).run())
    async with aiohttp.ClientSession() as client:
        outside = Outside(client, caplog)
        last = "metrics" if role is Role.PING else "page"
        try:
            await until(lambda: last in outside.listeners or task.done())
            yield outside, task
        finally:
            if not task.done():
                os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait([task])


@pytest.mark.parametrize(
    ("role", "ready", "live", "listeners"),
    [
        (Role.PING, {"ping"}, {"loop"}, {"health", "metrics"}),
        (
            Role.OPERATOR,
            {"operator"},
            {"loop", "kopf", "watchdog"},
            {"health", "metrics", "page"},
        ),
        (
            Role.ALL,
            {"operator", "ping"},
            {"loop", "kopf", "watchdog"},
            {"health", "metrics", "page"},
        ),
    ],
)
async def test_each_role_brings_its_checks_and_listeners(
    caplog: pytest.LogCaptureFixture,
    role: Role,
    ready: set[str],
    live: set[str],
    listeners: set[str],
) -> None:
    async with running(role, caplog) as (outside, _):
        assert outside.listeners.keys() == listeners
        assert (await outside.checks("/readyz")).keys() == ready
        alive = await outside.checks("/healthz")
        assert alive.keys() == live
        assert all(alive.values())
        assert "heartbeat_operator_build_info" in await outside.text(
            "metrics", "/metrics"
        )


async def test_the_operator_becomes_ready(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Role.OPERATOR, caplog) as (outside, _):
        await until(lambda: "Watching 0 monitors" in caplog.text)
        assert await outside.checks("/readyz") == {"operator": True}


async def test_without_keys_the_ping_role_is_not_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(Role.PING, caplog) as (outside, _):
        assert await outside.checks("/readyz") == {"ping": False}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("role", Role)
async def test_a_signal_ends_it_with_success(
    caplog: pytest.LogCaptureFixture, role: Role, number: signal.Signals
) -> None:
    async with running(role, caplog) as (_, task):
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await task
    assert "Stopping" in caplog.text


async def test_a_role_that_fails_ends_the_process_with_its_error(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_role: ping.PingRole, _on_listening: object) -> None:
        raise RuntimeError("the ping role is broken")

    monkeypatch.setattr(ping.PingRole, "run", fail)
    async with running(Role.PING, caplog) as (_, task):
        with pytest.raises(ExceptionGroup) as caught:
            await task
    assert caught.group_contains(RuntimeError, match="the ping role is broken")


async def test_an_operator_that_fails_ends_the_process_and_stops_kopf(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[bool] = []

    async def stop(_thread: KopfThread) -> None:
        stopped.append(True)
        await stop_really(_thread)

    async def fail(_sweep: sweep.MonitorSweep) -> None:
        raise RuntimeError("a defect")

    stop_really = KopfThread.stop
    monkeypatch.setattr(KopfThread, "stop", stop)
    monkeypatch.setattr(sweep.MonitorSweep, "first", fail)
    async with running(Role.OPERATOR, caplog) as (_, task):
        with pytest.raises(ExceptionGroup) as caught:
            await task
    assert caught.group_contains(RuntimeError, match="a defect")
    assert stopped == [True]


async def test_an_address_in_use_ends_it_with_a_sentence(
    caplog: pytest.LogCaptureFixture, api: FakeApi
) -> None:
    taken = Address("127.0.0.1", int(api.url.rpartition(":")[2]))
    async with running(Role.PING, caplog, health_address=taken) as (_, task):
        with pytest.raises(ExceptionGroup) as caught:
            await task
    assert caught.group_contains(ListenError, match="choose another address")


async def test_without_credentials_it_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find(**_: object) -> Credentials:
        raise CredentialsError("There is no kubeconfig; pass --kubeconfig")

    monkeypatch.setattr(process, "find_credentials", find)
    with pytest.raises(CredentialsError):
        await Process(config(Role.PING), {}).run()


async def test_no_token_is_ever_logged(
    caplog: pytest.LogCaptureFixture, api: FakeApi
) -> None:
    token = "0189d3f0-1234-8567-89ab-0123456789ab"
    async with running(Role.PING, caplog, log_level="DEBUG") as (_, _task):
        caplog.set_level("DEBUG")
        [url] = re.findall(r"Pings are answered on (\S+)", caplog.text)
        async with aiohttp.ClientSession() as client:
            for path in (f"/ping/{token}", f"/{token}", f"/{token}/fail"):
                await (await client.get(url + path)).read()
                await (await client.post(url + path, data=b"out")).read()
    assert caplog.records
    said = "\n".join(str(vars(record)) for record in caplog.records)
    assert token not in said
