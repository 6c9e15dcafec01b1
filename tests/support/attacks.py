"""Hostile clients of the ping service: what they send, over sockets of their own.

Each is a coroutine on an address; it returns the status codes that it was answered
with. What can say MARK does: it must be found in no log.
"""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import chain, repeat
from uuid import uuid4

from support.odd_requests import BLOCK, MARK, odd_requests, post

Address = tuple[str, int]
Attack = Callable[[Address, str], Awaitable[set[int]]]

_PATIENCE = 60.0
_HUGE = 10_000_000_000


async def send_odd_requests(address: Address, path: str) -> set[int]:
    """Send each on a connection of its own, a few at once."""
    turn = asyncio.Semaphore(8)

    async def send(data: bytes) -> set[int]:
        async with turn, _connected(address) as (reader, writer):
            return await _exchange(reader, writer, [data], lasting=0.5)

    return _together(await asyncio.gather(*map(send, odd_requests(path))))


async def stream_endlessly(address: Address, path: str, seconds: float = 4) -> set[int]:
    """Send heads and bodies that never end, as fast as they are taken."""
    chunked = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    length = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {_HUGE}\r\n\r\n"
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\n"
    begun = {
        length: BLOCK,
        chunked: b"10000\r\n" + BLOCK + b"\r\n",
        f"{chunked}0\r\n": b"X-Trailer: " + b"x" * 4_000 + b"\r\n",
        f"{chunked}1;": b"extension=" + BLOCK,
        f"{chunked}{'0' * 10}": b"0" * 65_536,
        f"{head}X: ": BLOCK,
        f"{head}{MARK}: 1\r\n": b"X: y\r\n" * 10_000,
        "GET /": BLOCK,
        "": BLOCK,
        "\r\n": b"\r\n" * 32_768,
    }

    async def send(start: str, more: bytes) -> set[int]:
        data = chain([start.encode()], repeat(more))
        async with _connected(address) as (reader, writer):
            return await _exchange(reader, writer, data, lasting=seconds)

    return _together(await asyncio.gather(*(send(*each) for each in begun.items())))


async def send_slowly(address: Address, path: str) -> set[int]:
    """Send a byte a second, of heads and of bodies, until the service has enough."""
    chunked = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    slow = [
        (b"", f"GET {path}?msg={MARK} HTTP/1.1\r\nHost: x\r\n\r\n".encode()),
        (f"GET {path} HTTP/1.1\r\n".encode(), f"X-Slow: {MARK}{MARK}\r\n\r\n".encode()),
        (post(path, b"X: y", b"x" * 90)[:-90], b"x" * 90),
        (
            f"{chunked}\r\n".encode(),
            b"1\r\nx\r\n" * 20,
        ),
    ]

    async def send(start: bytes, rest: bytes) -> set[int]:
        data = [start, *(rest[at : at + 1] for at in range(len(rest)))]
        async with _connected(address) as (reader, writer):
            return await _exchange(reader, writer, data, lasting=14, pause=1)

    return _together(await asyncio.gather(*(send(*each) for each in slow * 10)))


async def stay_idle(address: Address, path: str, connections: int = 500) -> set[int]:
    """Open connections and say nothing until they are closed."""

    async def wait() -> set[int]:
        async with _connected(address) as (reader, writer):
            return await _exchange(reader, writer, [], lasting=14)

    return _together(await asyncio.gather(*(wait() for _ in range(connections))))


async def stay_slow_or_idle(address: Address, path: str) -> set[int]:
    """Do both at once: both take as long as the service's patience."""
    both = await asyncio.gather(send_slowly(address, path), stay_idle(address, path))
    return _together(both)


async def pipeline(address: Address, path: str) -> set[int]:
    """Send many requests at once, the answers to which come meanwhile."""
    last = f"GET /{MARK} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    head = f"GET /{MARK}{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    async def send() -> set[int]:
        async with _connected(address) as (reader, writer):
            return await _exchange(
                reader, writer, [*[head * 100] * 30, last], lasting=8
            )

    return _together(await asyncio.gather(*(send() for _ in range(5))))


async def never_read(address: Address, path: str, seconds: float = 4) -> set[int]:
    """Send requests and read no answer at all."""
    head = f"GET /{MARK}{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 1_000

    async def send() -> None:
        async with _connected(address) as (_, writer):
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(seconds):
                    while True:
                        writer.write(head)
                        await writer.drain()

    await asyncio.gather(*(send() for _ in range(5)))
    return set()


async def guess_tokens(address: Address, path: str, count: int = 20_000) -> set[int]:
    """Ask for random tokens on twenty kept connections."""
    connections = 20

    async def guess() -> set[int]:
        found = set()
        async with _connected(address) as (reader, writer):
            for _ in range(count // connections):
                writer.write(
                    f"GET /ping/{uuid4()} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
                )
                head = await reader.readuntil(b"\r\n\r\n")
                found |= set(_statuses(head))
                await reader.readexactly(_length(head))
        return found

    return _together(await asyncio.gather(*(guess() for _ in range(connections))))


@asynccontextmanager
async def _connected(
    address: Address,
) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
    """Open a connection; it is cut off at the end."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _exchange(
    reader: StreamReader,
    writer: StreamWriter,
    data: Iterable[bytes],
    *,
    lasting: float,
    pause: float = 0,
) -> set[int]:
    """Send and hear for so many seconds, or until the other side hangs up."""
    heard = bytearray()
    hearing = asyncio.create_task(_hear(reader, heard))
    sending = asyncio.create_task(_say(writer, data, pause))
    await asyncio.wait([hearing], timeout=lasting)
    for task in (hearing, sending):
        task.cancel()
    await asyncio.gather(hearing, sending, return_exceptions=True)
    return set(_statuses(bytes(heard)))


async def _hear(reader: StreamReader, heard: bytearray) -> None:
    with suppress(OSError):
        while more := await reader.read(65_536):
            heard += more


async def _say(writer: StreamWriter, data: Iterable[bytes], pause: float) -> None:
    with suppress(OSError):
        for each in data:
            writer.write(each)
            await writer.drain()
            await asyncio.sleep(pause)


def _statuses(heard: bytes) -> Iterator[int]:
    """Find the status line of each answer."""
    for line in heard.split(b"HTTP/")[1:]:
        words = line.split(None, 2)
        if len(words) > 1 and words[1].isdigit():
            yield int(words[1])


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.split()[0])


def _together(found: Iterable[set[int]]) -> set[int]:
    return set().union(*found)


def attack(how: Attack, address: Address, path: str) -> tuple[set[int], float]:
    """Run an attack to its end; returns what was answered and how long it took."""
    began = time.monotonic()
    loop = asyncio.new_event_loop()
    try:
        answered = loop.run_until_complete(how(address, path))
    finally:
        loop.close()
    return answered, time.monotonic() - began
