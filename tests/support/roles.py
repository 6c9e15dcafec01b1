"""An operator role in this process, over a fake API server and without kopf.

It holds no expectations but that the role does not end by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import kopf
import pytest

from heartbeats.app.operator import OperatorRole
from heartbeats.clock import Clock, CorrectedClock
from heartbeats.config import Config
from heartbeats.edges.kube import kopf_thread, sweep
from heartbeats.edges.kube.credentials import Credentials
from heartbeats.edges.metrics.operator import OperatorMetrics


def let_kopf_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let kopf do nothing, and nobody wait long for what it would tell."""

    async def operator(**options: Any) -> None:
        await options["stop_flag"].wait()

    monkeypatch.setattr(kopf, "operator", operator)
    let_kopf_start_at_once(monkeypatch)
    monkeypatch.setattr(sweep, "START_SECONDS", 0.001)


def let_kopf_start_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let its thread wait for no API server, and hardly between two lives of kopf."""

    async def at_once(*_: object) -> None:
        pass

    monkeypatch.setattr(kopf_thread, "until_served", at_once)
    monkeypatch.setattr(kopf_thread, "PAUSE_SECONDS", 0.001)


def build(session: aiohttp.ClientSession, clock: Clock, **config: Any) -> OperatorRole:
    """Put a role together that delivers no Secrets."""
    return OperatorRole(
        Config(**{"ping_secrets": False, **config}),
        Credentials(server="http://127.0.0.1:1"),
        session,
        CorrectedClock(clock),
        OperatorMetrics("1"),
        "http://ping",
    )


@asynccontextmanager
async def running(role: OperatorRole) -> AsyncIterator[None]:
    """Run it until the end of the block."""
    task = asyncio.create_task(role.run())
    try:
        yield
        assert not task.done(), "the role ended"
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], object]) -> None:
    """Wait, but not for ever, until a condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a fact, not an event
            await asyncio.sleep(0.001)
