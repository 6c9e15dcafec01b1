"""An API server in this process that takes writes, and forgets as a real one does.

It adds to the fake one what an operator needs to work for a month: objects are
created, applied, merged and deleted over HTTP; owned ones go with their owners; what
is older than some minutes leaves the history. Its Date is the simulated one.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from support.fakeapi import PATH, FakeApi, Object, status

_HISTORY = 2000
_SEEN = 100
_PAGES_LAST = 60.0
_EVENTS_LAST = 3600.0
"""As a real API server does; kept for a month they are 12 MB."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object, as little of it as the fake server asks for."""

    plural: str


class MonthApi(FakeApi):
    """Writes as an operator makes them; seconds last as long as the loop says."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(second=1.0)
        self._now = now
        self.seen = deque(maxlen=_SEEN)  # type: ignore[assignment]
        self.on_monitor: Callable[[str, Object], None] = lambda _kind, _body: None
        """Hears of monitors, as kopf does."""
        self.writes = 0

    def _application(self) -> web.Application:
        app = super()._application()
        app.router.add_route("*", "/{path:.*}", self._write)
        app.on_response_prepare.append(self._date)
        return app

    async def _date(self, _: web.Request, answer: web.StreamResponse) -> None:
        answer.headers["Date"] = format_datetime(self._now(), usegmt=True)

    # Forgetting

    def _record(self, kind: str, resource: Any, content: Object) -> None:
        super()._record(kind, resource, content)
        if len(self._history) > 2 * _HISTORY:
            del self._history[:_HISTORY]
        if resource.plural == "heartbeatmonitors":
            self.on_monitor(kind, content)

    async def _list(self, *arguments: Any) -> web.StreamResponse:
        before = set(self._snapshots)
        answer = await super()._list(*arguments)
        for version in set(self._snapshots) - before:
            later = asyncio.get_running_loop().call_later
            later(_PAGES_LAST, self._snapshots.pop, version, None)
        return answer

    # Writing

    async def _write(self, request: web.Request) -> web.StreamResponse:
        found = PATH.match(request.path.removesuffix("/status"))
        if found is None:
            return web.json_response(status(404, "NotFound"), status=404)
        self.writes += 1
        namespace, plural, name = found.groups()
        body = await request.json() if request.can_read_body else {}
        key = (plural, namespace or "", name or body["metadata"]["name"])
        old = self._objects.get(key)
        if why := _refusal(request, body, old):
            return web.json_response(status(*why), status=why[0])
        if request.method == "DELETE":
            self.remove(*key)
            return web.json_response(old)
        answer = self.store(*key, body)
        if plural == "events":
            later = asyncio.get_running_loop().call_later
            later(_EVENTS_LAST, self._objects.pop, key, None)
        return web.json_response(answer, status=200 if old else 201)

    def store(self, plural: str, namespace: str, name: str, body: Object) -> Object:
        """Create or change an object; `status` and `data` are replaced whole."""
        old = self._objects.get((plural, namespace, name), {})
        now = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        meta = {"creationTimestamp": now, "generation": 1, **old.get("metadata", {})}
        if old and body.get("spec", old.get("spec")) != old.get("spec"):
            meta["generation"] += 1
        said = {k: v for k, v in body.get("metadata", {}).items() if k not in _OURS}
        meta = {k: v for k, v in {**meta, **said}.items() if k not in _PUT}
        fields = {**old, **body, "namespace": namespace, "metadata": meta}
        return self.put(Kind(plural), name, **fields)  # type: ignore[arg-type]

    def remove(self, plural: str, namespace: str, name: str) -> None:
        """Delete an object, and what it owns."""
        old = self._objects[plural, namespace, name]
        self.delete(Kind(plural), name, namespace=namespace)  # type: ignore[arg-type]
        uid = old["metadata"]["uid"]
        for key, each in list(self._objects.items()):
            owners = each["metadata"].get("ownerReferences", ())
            if any(owner["uid"] == uid for owner in owners):
                self.remove(*key)


_OURS = frozenset({"uid", "resourceVersion", "creationTimestamp", "generation"})
_PUT = frozenset({"uid", "resourceVersion", "name", "namespace"})


def _refusal(
    request: web.Request, body: Mapping[str, Any], old: Object | None
) -> tuple[int, str] | None:
    """Say why a write is refused: the name is taken, or missing, or it is stale."""
    if request.method == "POST":
        return None if old is None else (409, "AlreadyExists")
    if old is None:
        return None if _may_create(request) else (404, "NotFound")
    found = body.get("preconditions") or body.get("metadata") or {}
    wanted = found.get("resourceVersion")
    is_stale = wanted not in {None, old["metadata"]["resourceVersion"]}
    return (409, "Conflict") if is_stale else None


def _may_create(request: web.Request) -> bool:
    return "apply" in request.content_type and not request.path.endswith("/status")
