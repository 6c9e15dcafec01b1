"""HTTP to the API server: bytes in, bytes out, every failure one of `errors`.

Nothing is retried here, because only the caller knows whether a repetition is still
wanted. It holds no state but the session, which belongs to the caller. The verbs of
Kubernetes are in `client`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

import aiohttp
import msgspec

from heartbeats.clock import Clock
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.mandate import Fence
from heartbeats.edges.kube.resources import resource_in

Params = Mapping[str, str]

JSON: Final = "application/json"

REQUEST_SECONDS: Final = 30.0
"""A request takes milliseconds; a page of 500 Jobs under load a few seconds."""

CONNECT_SECONDS: Final = 5.0
"""Covers a lost SYN and a slow TLS handshake, and still ends within a back-off."""

NO_ANSWER: Final = 0
"""The code `on_write` gets when there was no answer."""


class WriteObserver(Protocol):
    """Counts writes."""

    def __call__(self, resource: str, code: int) -> None:
        """Take note of a write to a resource (as `resource_in` says) and its code."""


class AnswerObserver(Protocol):
    """Measures requests."""

    def __call__(self, method: str, seconds: float) -> None:
        """Take note of how long a request took, answered or not; a watch is none."""


class DateObserver(Protocol):
    """Learns what time it is for the API server."""

    def __call__(
        self, server_at: datetime, *, sent_at: datetime, received_at: datetime
    ) -> None:
        """Take note of an answer's Date (whole seconds, cut off) and our own times."""


class Transport:
    """Requests to one API server."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        clock: Clock,
        on_write: WriteObserver | None = None,
        on_answer: AnswerObserver | None = None,
        on_date: DateObserver | None = None,
        fence: Fence | None = None,
    ) -> None:
        self.clock = clock
        self._session = session
        self._on_write = on_write
        self._on_answer = on_answer
        self._on_date = on_date
        self._fence = fence

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: bytes | Mapping[str, Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = REQUEST_SECONDS,  # noqa: ASYNC109 - aiohttp applies it
    ) -> bytes:
        """Send a request, return the body of its answer; `timeout` in seconds.

        A write behind a fence waits no longer than it may be sent, and is given up
        then: NotLeading comes before it is sent, Unreachable after.
        """
        if self._fence is not None and method != "GET":
            timeout = min(timeout, self._fence.left())
        began = self.clock.monotonic()
        try:
            async with self._open(
                method,
                path,
                params=params or {},
                data=body if body is None or isinstance(body, bytes) else _json(body),
                headers={"Accept": accept, "Content-Type": content_type},
                timeout=_timeout(total=timeout),
            ) as response:
                answer = await response.read()
        except errors.ApiError as error:
            self._count(method, path, error.code)
            raise
        finally:
            if self._on_answer is not None:
                self._on_answer(method, self.clock.monotonic() - began)
        self._count(method, path, response.status)
        return answer

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        params: Params,
        accept: str = JSON,
        timeout: float | None = None,  # noqa: ASYNC109 - aiohttp applies it
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a long or endless answer; yields its chunks.

        Without a `timeout` (seconds) the caller bounds the silence.
        """
        async with self._open(
            "GET",
            path,
            params=params,
            data=None,
            headers={"Accept": accept},
            timeout=_timeout(total=timeout),
        ) as response:
            yield response.content.iter_any()

    @asynccontextmanager
    async def _open(
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and hand out its answer; the one place that maps errors."""
        sent_at = self.clock.now()
        try:
            async with self._session.request(
                # Relative, so that a server behind a path prefix keeps the prefix.
                method,
                path.lstrip("/"),
                allow_redirects=False,
                **options,
            ) as response:
                self._note_date(response, sent_at)
                if response.status >= _NO_SUCCESS:
                    raise errors.from_response(
                        response.status, response.headers, await response.read()
                    )
                yield response
        except (aiohttp.ClientError, OSError) as error:
            raise errors.Unreachable(
                f"no answer from the API server to {method} {path}: "
                f"{str(error) or type(error).__name__}"
            ) from error

    def _count(self, method: str, path: str, code: int) -> None:
        if self._on_write is not None and method != "GET":
            self._on_write(resource_in(path), code)

    def _note_date(self, response: aiohttp.ClientResponse, sent_at: datetime) -> None:
        if self._on_date is None:
            return
        try:
            server_at = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        self._on_date(server_at, sent_at=sent_at, received_at=self.clock.now())


_NO_SUCCESS = 300


def _json(body: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(body)


def _timeout(*, total: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_SECONDS)
