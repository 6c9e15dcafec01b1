"""A ping service that only listens: what came, in its order, answered as told.

It has no journal and no monitors; for those there is the real one.
"""

import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "/ping/6f0c1f0e-0000-8000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Came:
    """A ping that came in."""

    signal: str
    """What follows the token: start, 0, fail; empty for a success."""
    query: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Reply:
    """How one ping is answered; `gate` holds the answer back until it is set."""

    status: int = 200
    body: bytes = b"OK"
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: threading.Event | None = None


class PingService(ThreadingHTTPServer):
    """Answers OK unless a reply was laid down for the next ping."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came: list[Came] = []
        self.replies: deque[Reply] = deque()
        self.news = threading.Condition()

    @property
    def url(self) -> str:
        """Return the URL to ping."""
        return f"http://127.0.0.1:{self.server_port}{TOKEN}"

    @property
    def signals(self) -> list[str]:
        """Return what the pings said, in their order."""
        with self.news:
            return [each.signal for each in self.came]

    def take(self, came: Came) -> Reply:
        """Note a ping; return how it is answered."""
        with self.news:
            self.came.append(came)
            self.news.notify_all()
            return self.replies.popleft() if self.replies else Reply()

    def wait_for(self, count: int) -> list[Came]:
        """Return the pings as soon as there are so many."""
        with self.news:
            assert self.news.wait_for(lambda: len(self.came) >= count, 20), self.came
            return list(self.came)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that did not wait for its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: PingService

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body, parts = self.rfile.read(length), urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        signal = parts.path.removeprefix(TOKEN).strip("/")
        reply = self.server.take(Came(signal, query, body))
        if reply.gate is not None:
            reply.gate.wait(30)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


@contextmanager
def ping_service() -> Iterator[PingService]:
    """Run a service on a free port."""
    with PingService() as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()
