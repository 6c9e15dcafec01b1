"""Leave to write: given once, extended while it lasts, and never given again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.errors import NotLeading, Unreachable
from heartbeats.edges.kube.mandate import Mandate
from heartbeats.edges.kube.resources import LEASES, MONITORS
from support.builders import SECOND, SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def mandate(clock: SetClock) -> Mandate:
    return Mandate(clock.monotonic)


def test_before_it_is_given_nothing_may_be_written(mandate: Mandate) -> None:
    assert not mandate.holds
    with pytest.raises(NotLeading):
        mandate.left()


def test_it_lasts_until_the_moment_it_was_given_for(
    mandate: Mandate, clock: SetClock
) -> None:
    mandate.extend(clock.monotonic() + 10)
    clock.turn(9 * SECOND)
    assert mandate.left() == 1
    clock.turn(SECOND)
    with pytest.raises(NotLeading):
        mandate.left()


def test_it_lasts_longer_when_it_is_extended_in_time(
    mandate: Mandate, clock: SetClock
) -> None:
    mandate.extend(clock.monotonic() + 10)
    clock.turn(9 * SECOND)
    mandate.extend(clock.monotonic() + 10)
    clock.turn(9 * SECOND)
    assert mandate.holds


def test_one_that_lapsed_unnoticed_cannot_be_extended(
    mandate: Mandate, clock: SetClock
) -> None:
    """The process was stopped for a while; the answer to a renewal comes after."""
    mandate.extend(clock.monotonic() + 10)
    clock.turn(11 * SECOND)
    mandate.extend(clock.monotonic() + 10)
    assert not mandate.holds


def test_one_that_was_ended_cannot_be_extended(
    mandate: Mandate, clock: SetClock
) -> None:
    mandate.extend(clock.monotonic() + 10)
    mandate.end()
    mandate.extend(clock.monotonic() + 20)
    assert not mandate.holds


# Before every write of a client


class Server:
    """Answers everything, and remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.hangs = False
        self.answers = asyncio.Event()
        self.counted: list[tuple[str, int]] = []

    def note(self, resource: str, code: int) -> None:
        self.counted.append((resource, code))

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if self.hangs:
            await self.answers.wait()
        return web.json_response({})


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def client(
    server: Server, mandate: Mandate, clock: SetClock
) -> AsyncIterator[Client]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with await open_session(Credentials(server=url)) as session:
        yield Client(session, clock=clock, fence=mandate, on_write=server.note)
    await runner.cleanup()


async def test_whoever_does_not_lead_reads_and_writes_nothing(
    client: Client, server: Server
) -> None:
    for write in (
        client.create(MONITORS, {}, namespace="shop"),
        client.merge(MONITORS, "a", {}, namespace="shop"),
        client.apply(MONITORS, "a", {}, manager="m", namespace="shop"),
        client.delete(MONITORS, "a", namespace="shop"),
        client.delete(LEASES, "a", namespace="shop"),
        client.request("PUT", MONITORS.path("shop", "a"), body={}),
    ):
        with pytest.raises(NotLeading):
            await write
    assert server.asked == []
    assert server.counted == [], "what was not sent is no write"
    await client.get(MONITORS, "a", dict, namespace="shop")
    assert len(server.asked) == 1


async def test_whoever_leads_writes_until_the_mandate_is_over(
    client: Client, server: Server, mandate: Mandate, clock: SetClock
) -> None:
    mandate.extend(clock.monotonic() + 10)
    await client.delete(MONITORS, "a", namespace="shop")
    clock.turn(10 * SECOND)
    with pytest.raises(NotLeading):
        await client.delete(MONITORS, "a", namespace="shop")
    assert len(server.asked) == 1


async def test_a_write_under_way_is_given_up_when_the_mandate_would_be_over(
    client: Client, server: Server, mandate: Mandate, clock: SetClock
) -> None:
    mandate.extend(clock.monotonic() + 0.05)
    server.hangs = True
    with pytest.raises(Unreachable):
        async with asyncio.timeout(5):
            await client.merge(MONITORS, "a", {}, namespace="shop")
    assert len(server.asked) == 1
