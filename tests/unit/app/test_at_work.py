"""When a leader counts as at work, and when its heartbeat may go outwards."""

from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from heartbeats.app.leading import JUDGED_WITHIN
from heartbeats.app.operator import OperatorRole
from heartbeats.clock import CorrectedClock
from heartbeats.config import Config
from heartbeats.edges.kube.credentials import Credentials
from heartbeats.edges.kube.freshness import STALE_SECONDS
from heartbeats.edges.metrics.operator import OperatorMetrics
from support.builders import NOW, SetClock

SLOWLY = JUDGED_WITHIN + 1


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def role(session: aiohttp.ClientSession, clock: SetClock) -> OperatorRole:
    """Build a leader that has read everything and hears all its streams."""
    role = OperatorRole(
        Config(ping_secrets=False),
        Credentials(server="http://127.0.0.1:1"),
        session,
        CorrectedClock(clock),
        OperatorMetrics("1"),
        "http://ping",
    )
    role.mandate.extend(clock.monotonic() + 10_000)
    role.watching.sweep.problem = None
    role.watching.ledger.open(now=NOW)
    hear(role, clock)
    return role


def hear(role: OperatorRole, clock: SetClock) -> None:
    """Let every stream say something now."""
    for stream in role.streams:
        stream.synced.set()
        stream.streaming = True
        stream.last_activity = clock.monotonic()


def later(clock: SetClock, seconds: float) -> None:
    clock.turn(timedelta(seconds=seconds))


async def test_its_heartbeat_goes_out_once_it_has_judged(role: OperatorRole) -> None:
    assert role.problem() is None
    assert "nothing was judged by fresh facts" in str(role.leading.silence())
    await role.leading.watchdog.turn()
    assert role.leading.silence() is None


async def test_a_watchdog_that_hangs_ends_both(
    role: OperatorRole, clock: SetClock
) -> None:
    await role.leading.watchdog.turn()
    later(clock, SLOWLY)
    hear(role, clock)
    assert role.problem() == "no deadline was looked at for 60 s"
    assert role.leading.silence() is not None
    await role.leading.watchdog.turn()
    assert (role.problem(), role.leading.silence()) == (None, None)


@pytest.mark.parametrize(
    ("is_open", "heartbeat_ends", "readiness_ends"),
    [
        # It may be half open: what it brought last counts for a while.
        (True, STALE_SECONDS, STALE_SECONDS),
        # It broke off: rounds count no more, and the heartbeat ends first.
        (False, JUDGED_WITHIN, STALE_SECONDS),
    ],
)
async def test_deaf_rounds_end_the_heartbeat_and_then_readiness(
    role: OperatorRole,
    clock: SetClock,
    is_open: bool,
    heartbeat_ends: float,
    readiness_ends: float,
) -> None:
    await role.leading.watchdog.turn()
    for stream in role.streams:
        stream.streaming = is_open
    for second in range(1, 140):
        later(clock, 1)
        await role.leading.watchdog.turn()
        assert (role.leading.silence() is None) == (second <= heartbeat_ends)
        assert (role.problem() is None) == (second <= readiness_ends)
    assert str(role.problem()).startswith("cronjobs were last heard of")
    hear(role, clock)
    await role.leading.watchdog.turn()
    assert (role.problem(), role.leading.silence()) == (None, None)


async def test_a_follower_that_hears_nothing_is_not_ready_either(
    role: OperatorRole, clock: SetClock
) -> None:
    role.mandate.end()
    later(clock, STALE_SECONDS + 1)
    assert str(role.problem()).startswith("cronjobs were last heard of")
