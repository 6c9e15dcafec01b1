"""Who reads no answer is cut off, though its machine says it is there."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from heartbeats.edges.ping.listener import Listener

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit"
)
SECONDS = 0.2
WITHIN = 10.0
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@asynccontextmanager
async def connected() -> AsyncIterator[socket.socket]:
    """Connect to a listener that takes its time to answer."""

    async def answer(_: web.BaseRequest) -> web.Response:
        await asyncio.sleep(2 * SECONDS if not asked else 0)
        asked.append(1)
        return web.Response(body=b"x" * 10_000)

    asked: list[int] = []
    listener = Listener(answer, head_seconds=WITHIN, unread_seconds=SECONDS)
    runner = web.ServerRunner(listener)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    with socket.socket() as client:
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, runner.addresses[0][:2])
        yield client
    await runner.cleanup()


async def ask_for_ever(client: socket.socket) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(client, REQUEST * 100)
        await asyncio.sleep(0.01)


async def test_a_client_that_reads_no_answer_is_cut_off() -> None:
    async with connected() as client:
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(ask_for_ever(client), WITHIN)


async def test_a_client_that_waits_for_its_answer_is_not() -> None:
    loop = asyncio.get_running_loop()
    async with connected() as client:
        for _ in range(2):
            await loop.sock_sendall(client, REQUEST)
            assert (await loop.sock_recv(client, 100)).startswith(b"HTTP/1.1 200 ")
            await asyncio.sleep(2 * SECONDS)
            while len(await loop.sock_recv(client, 65_536)) == 65_536:
                pass
