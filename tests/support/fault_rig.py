"""A proxy between a process of ours and the API server that holds single requests.

It listens in plain HTTP on 127.0.0.1 and passes everything on as it came, with the
caller's own token, watches included. A test sets a trap for one request; when
that comes it is held, before the server has heard of it or after the server has
answered, while all others go on. The test then does what is to happen at that very
moment, a kill for instance, and lets the request pass or cuts its connection:

    with FaultRig.running(kubeconfig) as rig:
        start(rig.kubeconfig(kubeconfig, folder / "kubeconfig"))
        with rig.trap(asks("POST", r".*/events"), When.AFTER) as trap:
            cause_an_event()
            trap.wait()
            kill()

Whoever asks the same again meanwhile is held as well, and what is still held when the
block ends is cut. So a lost request is BEFORE and `cut`, a lost answer AFTER and
`cut`, a slow one either and `let_pass` after a while. It holds no expectations, and
nothing in the product knows of it.
"""

import asyncio
import base64
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

_HOP_BY_HOP = {"connection", "host", "keep-alive", "transfer-encoding"}
_LARGEST = 16 * 1024**2
"""Bytes of a request's body; the API server takes three million."""


class When(Enum):
    """The side of the server's answer on which a request is held."""

    BEFORE = "before the server hears of it"
    AFTER = "after the server has answered"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule may look at."""

    method: str
    path: str
    query: str
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body of a write; everything of ours is JSON."""
        return json.loads(self.body)


Rule = Callable[[Asked], bool]


def asks(method: str, path: str, having: Callable[[Any], bool] | None = None) -> Rule:
    """Return a rule: this method, this path (a pattern for the whole), such a body."""
    form = re.compile(path)

    def holds(asked: Asked) -> bool:
        if asked.method != method or not form.fullmatch(asked.path):
            return False
        return having is None or having(asked.json)

    return holds


class Trap:
    """Waits for a request, and says what becomes of it and of its repetitions."""

    def __init__(self, rule: Rule, when: When, loop: asyncio.AbstractEventLoop) -> None:
        self.rule, self.when = rule, when
        self._loop = loop
        self._sprung = threading.Event()
        self._is_cut: asyncio.Future[bool] = loop.create_future()

    def wait(self, *, within: float = 30.0) -> None:
        """Return when the request is held; AssertionError after so many seconds."""
        assert self._sprung.wait(within), f"nothing was held {self.when.value}"

    def let_pass(self) -> None:
        """Let the request, or its answer, go where it was going."""
        self._decide(is_cut=False)

    def cut(self) -> None:
        """Close the caller's connection without an answer."""
        self._decide(is_cut=True)

    def _decide(self, *, is_cut: bool) -> None:
        def decide() -> None:
            if not self.is_decided:
                self._is_cut.set_result(is_cut)

        self._loop.call_soon_threadsafe(decide)

    @property
    def is_decided(self) -> bool:
        """Tell whether the trap is out of use."""
        return self._is_cut.done()

    async def hold(self) -> None:
        """Hold a request; ConnectionResetError when it is to be cut."""
        self._sprung.set()
        # The caller may die meanwhile: that ends the request, not the trap.
        if await asyncio.shield(self._is_cut):
            raise ConnectionResetError("cut by a test")


class FaultRig:
    """The proxy, in a thread and an event loop of its own."""

    def __init__(self, source: Path) -> None:
        self._cluster = yaml.safe_load(source.read_text())["clusters"][0]["cluster"]
        self._loop = asyncio.new_event_loop()
        self._traps: list[Trap] = []
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    @classmethod
    @contextmanager
    def running(cls, source: Path) -> Iterator["FaultRig"]:
        """Run one before the server of a kubeconfig until the end of the block."""
        rig = cls(source)
        thread = threading.Thread(target=rig._loop.run_forever, daemon=True)
        thread.start()
        try:
            rig._wait(rig._open())
            yield rig
        finally:
            rig._wait(rig._close())
            rig._loop.call_soon_threadsafe(rig._loop.stop)
            thread.join()
            rig._loop.close()

    def kubeconfig(self, source: Path, target: Path) -> Path:
        """Write a kubeconfig of that server anew, with the way to it through here."""
        text: Any = yaml.safe_load(source.read_text())
        for each in text["clusters"]:
            each["cluster"] = {"server": self.url}
        target.touch(mode=0o600)
        target.write_text(yaml.safe_dump(text))
        return target

    @contextmanager
    def trap(self, rule: Rule, when: When) -> Iterator[Trap]:
        """Hold the next request that a rule is about."""
        trap = self._wait(self._set(rule, when))
        try:
            yield trap
        finally:
            trap.cut()

    async def _set(self, rule: Rule, when: When) -> Trap:
        self._traps = [each for each in self._traps if not each.is_decided]
        self._traps.append(Trap(rule, when, self._loop))
        return self._traps[-1]

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        authority = base64.b64decode(self._cluster["certificate-authority-data"])
        context = ssl.create_default_context(cadata=authority.decode())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(
            request.method, request.path, request.query_string, await request.read()
        )
        try:
            await self._hold(asked, When.BEFORE)
            async with self._forward(request, asked.body) as answer:
                await self._hold(asked, When.AFTER)
                return await _pass_on(request, answer)
        except (ConnectionResetError, aiohttp.ClientError):
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # which nobody gets

    async def _hold(self, asked: Asked, when: When) -> None:
        for trap in tuple(self._traps):
            if trap.when is when and not trap.is_decided and trap.rule(asked):
                await trap.hold()

    def _forward(self, request: web.Request, body: bytes) -> Any:
        assert self._session is not None
        url = URL(f"{self._cluster['server']}{request.raw_path}", encoded=True)
        return self._session.request(
            request.method, url, data=body or None, headers=_end_to_end(request.headers)
        )


def _end_to_end(headers: Any) -> list[tuple[str, str]]:
    found = headers.items()
    return [(name, value) for name, value in found if name.lower() not in _HOP_BY_HOP]


async def _pass_on(
    request: web.Request, answer: aiohttp.ClientResponse
) -> web.StreamResponse:
    """Send an answer as it comes: a watch never ends."""
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    response.headers.extend(_end_to_end(answer.headers))
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response
