"""The ping service: a listener, the dialects, and one way through for all requests.

    async with PingService(directory, recorder, clock, options) as service:
        print(service.url)

What a request means is the dialects' business; who listens to it and what it is
measured by is decided here. Paths hold tokens, so no path ever reaches a log.
"""

import logging
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_hex
from types import TracebackType
from typing import Self

from aiohttp import web

from heartbeats.clock import Clock
from heartbeats.config import Address
from heartbeats.edges.listener import ListenError
from heartbeats.edges.ping import answers, requests
from heartbeats.edges.ping.acceptance import Acceptance
from heartbeats.edges.ping.answers import RefusedError
from heartbeats.edges.ping.listener import Listener
from heartbeats.edges.ping.openapi import with_document
from heartbeats.edges.ping.ports import Directory, Observer, Recorder
from heartbeats.edges.ping.requests import Call, Reading
from heartbeats.edges.ping.routes import (
    ROUTES,
    Dialect,
    Match,
    Router,
    answers_json,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may set; every span has a sensible default."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes any free port; `PingService.address` tells which."""
    dialects: Collection[Dialect] = frozenset(Dialect)
    reading: Reading = field(default_factory=Reading)
    capture_failures: bool = True
    """False keeps no output of jobs at all (`--capture-output=none`)."""
    commit_patience: timedelta = timedelta(seconds=4)
    head_patience: timedelta = timedelta(seconds=10)
    """How long a new connection may take for its first request head."""
    drain_patience: timedelta = timedelta(seconds=10)
    """How long requests under way may take once the service stops."""


def _unobserved(dialect: str, code: int, seconds: float) -> None:
    """Observe nothing."""


def _new_id() -> str:
    """Make the id of an accepted check-in: the same one in every replay."""
    return token_hex(16)


class PingService:
    """Listens while it is entered; leaving answers what is under way, then closes."""

    def __init__(
        self,
        directory: Directory,
        recorder: Recorder,
        clock: Clock,
        options: Options,
        *,
        observe: Observer = _unobserved,
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        self._clock = clock
        self._options = options
        self._observe = observe
        routes = [each for each in ROUTES if each.dialect in options.dialects]
        self._router = Router(with_document(routes))
        self._acceptance = Acceptance(
            directory,
            recorder,
            clock,
            new_id=new_id,
            capture_failures=options.capture_failures,
            patience=options.commit_patience,
        )
        self._listener: Listener | None = None
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        """Start to listen; ListenError when the address is taken."""
        options = self._options
        self._listener = Listener(
            self._handle, head_seconds=options.head_patience.total_seconds()
        )
        self._runner = web.ServerRunner(
            self._listener, shutdown_timeout=options.drain_patience.total_seconds()
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, options.host, options.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError.at(Address(options.host, options.port), error) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take no new connection, answer what is under way, close the rest."""
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def address(self) -> tuple[str, int]:
        """Return the host and port that are really listened on."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the ping service does not listen; enter it first")
        host, port = self._runner.addresses[0][:2]
        return host, port

    @property
    def url(self) -> str:
        """Return the listener's own address, as this machine reaches it."""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def _handle(self, http: web.BaseRequest) -> web.Response:
        """Answer a request, whatever it is, and measure that."""
        began = self._clock.monotonic()
        if self._listener is not None:
            self._listener.request_came(http.protocol)
        match = self._router.find(http.rel_url.raw_path)
        dialect = match.route.dialect if match else None
        try:
            response = await self._answer(http, match)
        except RefusedError as refusal:
            response = refusal.answer(as_json=answers_json(dialect))
        except Exception as error:  # noqa: BLE001 - the top of every request
            _log_without_values(error)
            response = answers.reply({"error": "internal error"}, 500)
        seconds = self._clock.monotonic() - began
        self._observe(dialect or "", response.status, seconds)
        return response

    async def _answer(self, http: web.BaseRequest, match: Match | None) -> web.Response:
        if requests.is_bot(http):
            raise answers.no_bots()
        if match is None:
            raise answers.not_found()
        if http.method not in match.route.methods:
            raise answers.method_not_allowed(match.route.methods)
        call = Call(
            http=http,
            token=requests.bearer(http) if match.route.takes_bearer else match.token,
            code=match.code,
            received_at=self._clock.now(),
            reading=self._options.reading,
        )
        return await match.route.handler(call, self._acceptance)


def _log_without_values(error: Exception) -> None:
    """Log where it happened but not the message: that may quote a request."""
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("a ping request failed with %s at\n%s", type(error).__name__, where)
