"""An API server in this process that fails on demand; the real one never would.

It keeps what makes lists and watches hard: one version for all, a window of history,
pages from a snapshot, bookmarks. It has no schemas, rights or writes over HTTP: for
those there is the real one. One of its seconds lasts `second` real ones.
"""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import takewhile
from typing import Any

from aiohttp import web

from heartbeats.edges.kube.resources import Resource

Object = dict[str, Any]

PATH = re.compile(
    r"^/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/([^/]+))?/([^/]+)(?:/([^/]+))?$"
)


class Ending(StrEnum):
    """How a faulty answer ends."""

    CLOSED = "closed"  # properly
    CUT = "cut"  # in the middle
    STALL = "stall"  # never: the connection stays open and says nothing


@dataclass
class Fault:
    """What becomes of the next requests: get, list, page (a further one) or watch.

    After `events` real events of a watch, `body` is sent; then comes the ending.
    """

    verb: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    events: int = 0
    ending: Ending = Ending.CLOSED
    times: int = 1


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    verb: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class Stream:
    """An open watch."""

    response: web.StreamResponse
    request: web.Request
    is_frozen: bool = False

    async def send(self, line: bytes) -> None:
        if not self.is_frozen:
            await self.response.write(line)

    def cut(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()


def status(code: int, reason: str = "", message: str = "") -> Object:
    """Make a Status object."""
    text = message or f"a fault of code {code}"
    return {"kind": "Status", "code": code, "reason": reason, "message": text}


def line(kind: str, content: Object) -> bytes:
    """Make a line of a watch."""
    return json.dumps({"type": kind, "object": content}).encode() + b"\n"


_ROUNDED = 1e-4
"""Seconds: a loop of simulated time rounds, and a timer may ring a little early."""

GONE = status(410, "Expired", "too old resource version")


class FakeApi:
    """Objects, their history, and the faults to come."""

    def __init__(self, *, second: float = 0.02) -> None:
        self.version = 100
        self.second = second
        self.token: str | None = None
        self.gone_as_http = False
        self.seen: list[Seen] = []
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._history: list[tuple[int, str, str, Object]] = []
        self._compacted = 0
        self._snapshots: dict[int, list[Object]] = {}
        self._faults: list[Fault] = []
        self._streams: list[Stream] = []
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    # What a test does to it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen, on the same port as before after a stop."""
        self._runner = web.AppRunner(
            self._application(),
            shutdown_timeout=0.01,
            handler_cancellation=True,
            access_log=None,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        return app

    async def stop(self) -> None:
        """Go down: cut everything, refuse connections."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    def put(self, resource: Resource, name: str, **body: Any) -> Object:
        """Create or change an object of namespace "default" (or `namespace=`)."""
        namespace = body.pop("namespace", "default")
        key = (resource.plural, namespace, name)
        old = self._objects.get(key)
        self.version += 1
        uid = old["metadata"]["uid"] if old else f"uid-{self.version}"
        meta = {"name": name, "namespace": namespace, "uid": uid}
        meta |= {"resourceVersion": str(self.version), **body.pop("metadata", {})}
        new = self._objects[key] = {"metadata": meta, **body}
        self._record("MODIFIED" if old else "ADDED", resource, new)
        return new

    def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str = "default",
        silent: bool = False,
    ) -> None:
        """Delete an object; silently: no watch will ever tell."""
        old = self._objects.pop((resource.plural, namespace, name))
        self.version += 1
        meta = {**old["metadata"], "resourceVersion": str(self.version)}
        if not silent:
            self._record("DELETED", resource, {**old, "metadata": meta})

    def elsewhere(self) -> None:
        """Something changes that no watched collection shows."""
        self.version += 1

    def compact(self) -> None:
        """Forget the history, and the snapshots of lists under way."""
        self._compacted = self.version
        self._history.clear()
        self._snapshots.clear()

    def fail(self, fault: Fault) -> None:
        """Let the next requests of this verb fail; faults queue up."""
        self._faults.append(fault)

    def freeze(self) -> None:
        """Open watches stay open, and never say anything again."""
        for stream in self._streams:
            stream.is_frozen = True

    def cut(self) -> None:
        """Break the connections of all open watches."""
        for stream in self._streams:
            stream.cut()

    def count(self, verb: str) -> int:
        """So many requests of this verb came in."""
        return sum(seen.verb == verb for seen in self.seen)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait, but not for ever, until a condition over this server holds."""
        async with asyncio.timeout(10):
            while not condition():
                await self._changed.wait()

    # What it does by itself

    def _record(self, kind: str, resource: Resource, content: Object) -> None:
        self._history.append((self.version, kind, resource.plural, content))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        found = PATH.match(request.path)
        if found is None:
            return web.json_response(status(404, "NotFound"), status=404)
        namespace, plural, name = found.groups()
        query = request.query
        further = "page" if "continue" in query else "list"
        verb = "watch" if query.get("watch") == "true" else further
        verb = "get" if name else verb
        self.seen.append(Seen(verb, dict(query), dict(request.headers)))
        self._wake()
        if (
            self.token
            and request.headers.get("Authorization") != f"Bearer {self.token}"
        ):
            return web.json_response(status(401, "Unauthorized"), status=401)
        fault = self._next_fault(verb)
        if fault is not None and fault.status != web.HTTPOk.status_code:
            return web.Response(
                status=fault.status,
                headers=fault.headers,
                body=fault.body or json.dumps(status(fault.status)).encode(),
            )
        if verb == "get":
            return self._get(namespace, plural, name)
        if verb == "watch":
            return await self._watch(request, namespace, plural, fault)
        return await self._list(request, namespace, plural, fault)

    def _get(self, namespace: str | None, plural: str, name: str) -> web.Response:
        for (kind, inside, named), found in self._objects.items():
            if (kind, named) == (plural, name) and namespace in {None, inside}:
                return web.json_response(found)
        return web.json_response(status(404, "NotFound"), status=404)

    def _next_fault(self, verb: str) -> Fault | None:
        for fault in self._faults:
            if fault.verb == verb:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None

    async def _list(
        self,
        request: web.Request,
        namespace: str | None,
        plural: str,
        fault: Fault | None,
    ) -> web.StreamResponse:
        token = request.query.get("continue")
        if token:
            version, start = json.loads(base64.b64decode(token))
        else:
            version, start = self.version, 0
            selector = request.query.get("labelSelector")
            self._snapshots[version] = [
                found
                for (kind, *_), found in sorted(self._objects.items())
                if kind == plural and _matches(found, namespace, selector)
            ]
        if version not in self._snapshots:
            return web.json_response(status(410, "Expired"), status=410)
        content = self._page(version, start, int(request.query.get("limit", "0")))
        if "PartialObjectMetadataList" in request.headers["Accept"]:
            content["items"] = [{"metadata": o["metadata"]} for o in content["items"]]
        body = json.dumps(content).encode()
        if fault is None:
            return web.Response(body=body, content_type="application/json")
        return await self._break_off(request, fault, fault.body or body)

    def _page(self, version: int, start: int, limit: int) -> Object:
        found = self._snapshots[version]
        end = start + limit if limit else len(found)
        meta: Object = {"resourceVersion": str(version)}
        if end < len(found):
            meta["remainingItemCount"] = len(found) - end
            token = json.dumps([version, end]).encode()
            meta["continue"] = base64.b64encode(token).decode()
        return {"metadata": meta, "items": found[start:end]}

    async def _break_off(
        self, request: web.Request, fault: Fault, body: bytes
    ) -> web.StreamResponse:
        if fault.ending is Ending.STALL:
            await asyncio.Event().wait()
        if fault.ending is Ending.CLOSED:
            return web.Response(body=body, content_type="application/json")
        async with self._stream(request) as stream:
            await stream.send(body[: len(body) // 2])
            stream.cut()
        return stream.response

    @asynccontextmanager
    async def _stream(self, request: web.Request) -> AsyncIterator[Stream]:
        stream = Stream(web.StreamResponse(), request)
        await stream.response.prepare(request)
        self._streams.append(stream)
        self._wake()
        try:
            with suppress(ConnectionError):
                yield stream
        finally:
            self._streams.remove(stream)

    async def _watch(
        self,
        request: web.Request,
        namespace: str | None,
        plural: str,
        fault: Fault | None,
    ) -> web.StreamResponse:
        sent = int(request.query["resourceVersion"])
        if sent < self._compacted and self.gone_as_http:
            return web.json_response(GONE, status=410)
        async with self._stream(request) as stream:
            if sent < self._compacted:
                await stream.send(line("ERROR", GONE))
                return stream.response
            events = self._events(request, namespace, plural, sent)
            count = 0
            while fault is None or count < fault.events:
                content = await anext(events, None)
                if content is None:
                    return stream.response
                await stream.send(content)
                count += 1
            await stream.send(fault.body)
            if fault.ending is Ending.STALL:
                await asyncio.Event().wait()
            if fault.ending is Ending.CUT:
                stream.cut()
        return stream.response

    async def _events(
        self, request: web.Request, namespace: str | None, plural: str, sent: int
    ) -> AsyncIterator[bytes]:
        """Yield lines until the time is up; a bookmark comes two seconds before."""
        loop = asyncio.get_running_loop()
        selector = request.query.get("labelSelector")
        end = loop.time() + int(request.query["timeoutSeconds"]) * self.second
        bookmark = min(loop.time() + 60 * self.second, end - 2 * self.second)
        looked = sent
        while loop.time() < end - _ROUNDED:
            changed, complete = self._changed, self.version
            if sent < self._compacted:
                yield line("ERROR", GONE)
                return
            news, looked = self._since(looked), complete
            for version, kind, of, content in news:
                if of == plural:
                    sent = version
                    if _matches(content, namespace, selector):
                        yield line(kind, content)
            if loop.time() >= bookmark - _ROUNDED:
                bookmark = loop.time() + 60 * self.second
                meta = {"resourceVersion": str(complete)}
                yield line("BOOKMARK", {"metadata": meta})
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(bookmark, end)):
                    await changed.wait()

    def _since(self, version: int) -> list[tuple[int, str, str, Object]]:
        """Return what happened after a version, the oldest first."""
        newer = takewhile(lambda each: each[0] > version, reversed(self._history))
        return list(newer)[::-1]


def _matches(content: Object, namespace: str | None, selector: str | None) -> bool:
    meta = content["metadata"]
    labels = meta.get("labels", {})
    wanted = dict(pair.split("=") for pair in selector.split(",")) if selector else {}
    return namespace in {None, meta["namespace"]} and wanted.items() <= labels.items()
