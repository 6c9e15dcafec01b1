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
`cut`, a slow one either and `let_pass` after a while. `partition` cuts everything,
`ailing` answers in the server's place or late, `cut_watches` and `mute_watches` do so
to what is open, and `listen` tells what the server says. It holds no expectations, and
nothing in the product knows of it.
"""

import asyncio
import base64
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from support.ailments import Ailment
from support.traps import Asked, Rule, Trap, When

_HOP_BY_HOP = {"connection", "host", "keep-alive", "transfer-encoding"}
_FAREWELL = 0.1
"""Seconds in which closed TLS connections end; the loop must outlive them."""

_LARGEST = 16 * 1024**2
"""Bytes of a request's body; the API server takes three million."""


Listener = Callable[[Asked, bytes], None]
"""Hears each piece of an answer, in the rig's thread."""


class FaultRig:
    """The proxy, in a thread and an event loop of its own."""

    def __init__(self, source: Path) -> None:
        self._cluster = yaml.safe_load(source.read_text())["clusters"][0]["cluster"]
        self._loop = asyncio.new_event_loop()
        self._traps: list[Trap] = []
        self._listeners: list[Listener] = []
        self._open_calls: list[web.Request] = []
        self._mute: set[int] = set()
        self._ailments: list[Ailment] = []
        self._is_parted = False
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

    def listen(self, listener: Listener) -> None:
        """Have somebody hear all answers from now on."""
        self._listeners.append(listener)

    @contextmanager
    def partition(self) -> Iterator[None]:
        """Cut all connections, and every new one, until the end of the block."""
        self._wait(self._part(is_parted=True))
        try:
            yield
        finally:
            self._wait(self._part(is_parted=False))

    async def _part(self, *, is_parted: bool) -> None:
        self._is_parted = is_parted
        self._cut(self._open_calls)

    @contextmanager
    def ailing(self, ailment: Ailment) -> Iterator[Ailment]:
        """Have the server ail until the end of the block; cut what is open if so."""
        self._wait(self._fall_ill(ailment))
        try:
            yield ailment
        finally:
            self._ailments.remove(ailment)

    async def _fall_ill(self, ailment: Ailment) -> None:
        self._ailments.append(ailment)
        if ailment.answers:
            self._cut(self._open_calls)

    def cut_watches(self) -> int:
        """Cut every watch that is open; return how many."""
        found: int = self._wait(self._cut_open_watches())
        return found

    async def _cut_open_watches(self) -> int:
        return self._cut(self._watches())

    def mute_watches(self) -> int:
        """Let no open watch say anything more, nor end; return how many.

        To who listens they are as a peer that has gone without a word.
        """
        found: int = self._wait(self._mute_open_watches())
        return found

    async def _mute_open_watches(self) -> int:
        self._mute.update(map(id, self._watches()))
        return len(self._mute)

    def _watches(self) -> list[web.Request]:
        return [each for each in self._open_calls if "watch" in each.query]

    @staticmethod
    def _cut(calls: list[web.Request]) -> int:
        cut = tuple(calls)
        for request in cut:
            _abort(request)
        return len(cut)

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
        await asyncio.sleep(_FAREWELL)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self._is_parted:
            return _abort(request)
        self._open_calls.append(request)
        try:
            return await self._answer(request)
        except (ConnectionResetError, aiohttp.ClientError):
            return _abort(request)
        finally:
            self._open_calls.remove(request)
            self._mute.discard(id(request))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(
            request.method, request.path, request.query_string, await request.read()
        )
        for ailment in tuple(self._ailments):
            if ailment.rule(asked) and (said := await ailment.hear(asked)):
                return said
        await self._hold(asked, When.BEFORE)
        async with self._forward(request, asked.body) as answer:
            await self._hold(asked, When.AFTER)
            return await self._pass_on(request, asked, answer)

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

    async def _pass_on(
        self, request: web.Request, asked: Asked, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """Send an answer as it comes: a watch never ends."""
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        response.headers.extend(_end_to_end(answer.headers))
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            if id(request) in self._mute:
                continue
            for listener in self._listeners:
                listener(asked, chunk)
            await response.write(chunk)
        await response.write_eof()
        return response


def _end_to_end(headers: Any) -> list[tuple[str, str]]:
    found = headers.items()
    return [(name, value) for name, value in found if name.lower() not in _HOP_BY_HOP]


def _abort(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # which nobody gets
