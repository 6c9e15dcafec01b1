"""One attempt to send a ping over HTTP: an answer, or why there is none.

Nothing is repeated here, and redirects are not followed: what a login page answers
is no record. Proxies are taken from the environment, as curl does. Another thread may
abort an attempt at any time.
"""

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

from heartbeats import __version__
from heartbeats.client.pinger import REDIRECTS, Answer, NoAnswerError
from heartbeats.client.requests import Request
from heartbeats.clock import Clock

TEXT_LIMIT: Final = 200
"""Bytes of an answer that are read."""


class Attempt:
    """A request that is sent once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._connections: list[http.client.HTTPConnection] = []
        self._is_aborted = False

    def send(self, request: Request, timeout: float) -> Answer:
        """Send it; NoAnswerError when no answer came. `timeout` is for each wait."""
        ask = urllib.request.Request(  # noqa: S310 - PingUrl takes http(s) only
            request.url, data=request.body, method="POST", headers=_HEADERS
        )
        try:
            with self._opener().open(ask, timeout=timeout) as response:
                return self._read(response)
        except urllib.error.URLError as error:
            raise NoAnswerError(_reason(error.reason)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswerError(_reason(error)) from error

    def abort(self) -> None:
        """Cut the connection: what is not yet sent never will be."""
        self._is_aborted = True
        for connection in self._connections:
            if isinstance(connection.sock, socket.socket):
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def watch(self, kind: type["_Watched"]) -> Any:
        """Return a maker of connections that are cut when this is aborted."""

        def make(*arguments: Any, **options: Any) -> "_Watched":
            connection = kind(*arguments, **options)
            connection.check = self._check
            self._connections.append(connection)
            return connection

        return make

    def _check(self) -> None:
        if self._is_aborted:
            raise TimeoutError("given up")

    def _opener(self) -> urllib.request.OpenerDirector:
        opener = urllib.request.OpenerDirector()
        # Without the handlers that follow redirects and raise for statuses.
        for handler in (urllib.request.ProxyHandler(), _Http(self), _Https(self)):
            opener.add_handler(handler)
        return opener

    def _read(self, response: Any) -> Answer:
        text = response.read(TEXT_LIMIT).decode(errors="replace").strip()
        first = "".join(filter(str.isprintable, text.partition("\n")[0]))
        if response.status in REDIRECTS:
            first = response.headers.get("Location", "")
        wait = self._seconds(response.headers.get("Retry-After", ""))
        return Answer(response.status, first, wait)

    def _seconds(self, text: str) -> float | None:
        """Read Retry-After: seconds or a date; junk is None."""
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return None
        # A date of zone -0000 comes without one.
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - self._clock.now()).total_seconds())


class _Watched(http.client.HTTPConnection):
    """Asks, once it is connected, whether it is still wanted."""

    check: Callable[[], None]

    def connect(self) -> None:
        super().connect()
        self.check()


class _Secured(_Watched, http.client.HTTPSConnection):
    """The same over TLS."""


class _Http(urllib.request.HTTPHandler):
    def __init__(self, attempt: Attempt) -> None:
        super().__init__()
        self._make = attempt.watch(_Watched)

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._make, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, attempt: Attempt) -> None:
        super().__init__()
        self._make = attempt.watch(_Secured)

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._make, req)


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return str(error) if "given up" in str(error) else "no answer in time"
    text = getattr(error, "strerror", None) or str(error)
    return str(text) or type(error).__name__


_HEADERS: Final = {
    "User-Agent": f"heartbeats/{__version__}",
    "Content-Type": "text/plain; charset=utf-8",
    "Accept": "text/plain",
}
