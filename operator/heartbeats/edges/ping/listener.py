"""Connections of the ping listener: closed when they bring no request in time.

Built on aiohttp's low-level server: its router and middleware cost a quarter of a
ping. What aiohttp itself logs and answers is stripped of what a client sent, because
a request line holds a token.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from heartbeats.edges.ping import answers

KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep an idle connection (60 s): else they meet a closed one."""

MAX_LINE_BYTES = 8_190
MAX_HEADERS = 100
LINGER_SECONDS = 10
"""How long the rest of a body is read and dropped after the answer."""

UNREAD_SECONDS = 30
"""How long answers may wait for a client that reads none: it may even be alive."""

_TIMED_OUT = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)


class _Connection(RequestHandler):
    """Refuses what is no HTTP in our own words: aiohttp's quote the request."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Say that it can't be read; the connection ends with that."""
        # Logs it, and raises when part of an answer has gone out already.
        super().handle_error(request, status, exc, message)
        return answers.unreadable(status).answer(as_json=False)


class Listener(web.Server):
    """An aiohttp server whose connections must begin with a whole request head."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        head_seconds: float,
        unread_seconds: float = UNREAD_SECONDS,
    ) -> None:
        super().__init__(
            handler,
            access_log=None,
            logger=_quiet_logger(),
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADERS,
            # A few bytes could otherwise become gigabytes.
            auto_decompress=False,
        )
        self._head_seconds = head_seconds
        self._unread_seconds = unread_seconds
        self._silent: dict[RequestHandler, asyncio.TimerHandle] = {}

    def __call__(self) -> RequestHandler:
        """Make the protocol of a new connection."""
        return _Connection(self, loop=self._loop, **self._kwargs)

    def connection_made(
        self, handler: RequestHandler, transport: asyncio.Transport
    ) -> None:
        """Expect a request from now on."""
        super().connection_made(handler, transport)
        _limit_unread(transport, self._unread_seconds)
        self._silent[handler] = asyncio.get_running_loop().call_later(
            self._head_seconds, self._time_out, handler, transport
        )

    def connection_lost(
        self, handler: RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Expect nothing any more."""
        self.request_came(handler)
        super().connection_lost(handler, exc)

    def request_came(self, handler: RequestHandler) -> None:
        """Note that a connection has brought a request."""
        if timer := self._silent.pop(handler, None):
            timer.cancel()

    def _time_out(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        del self._silent[handler]
        transport.write(_TIMED_OUT)
        transport.close()


def _limit_unread(transport: asyncio.Transport, seconds: float) -> None:
    """Have the system cut off who takes nothing of what is sent for so long."""
    connection = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)  # where the system has it
    if connection is not None and option is not None:
        connection.setsockopt(socket.IPPROTO_TCP, option, int(seconds * 1000))


def _quiet_logger() -> logging.Logger:
    """Return aiohttp's logger: it tells what kind of error, never what was sent."""
    log = logging.getLogger(f"{__name__}.http")
    if not log.filters:
        log.addFilter(_without_values)
    return log


def _without_values(record: logging.LogRecord) -> bool:
    """Drop what the exception says, and clients that do not talk HTTP altogether."""
    kind = record.exc_info[0] if record.exc_info else None
    record.exc_info = record.exc_text = None
    if kind is None:
        return True
    record.msg, record.args = "connection ended by %s", (kind.__name__,)
    return not issubclass(kind, HttpProcessingError)
