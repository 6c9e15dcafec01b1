"""What changed, told to open pages as server-sent events.

One task renders each change once, at most every two seconds, and sends the same bytes
to everybody. Clients are bounded; one that does not read is dropped. A page says which
version it shows, so nothing is lost between its making and its first event.
While no page is open nothing is done.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from heartbeats.clock import Clock
from heartbeats.core.model import Health, MonitorKey
from heartbeats.core.verdict import instant
from heartbeats.edges.page.changes import Changes
from heartbeats.edges.page.clients import Client
from heartbeats.edges.page.render import HEADERS, fragment
from heartbeats.edges.page.search import searched
from heartbeats.edges.page.survey import Monitors, Seen, Survey, look
from heartbeats.edges.page.views import Line, tiles

logger = logging.getLogger(__name__)

MOST_CLIENTS: Final = 100
COALESCE_SECONDS: Final = 2.0
TICK_SECONDS: Final = 15.0
"""A page that hears nothing for longer says that it is not live."""

MANY: Final = 200
"""More changes at once are not sent one by one: pages are loaded again."""

PATIENCE_SECONDS: Final = 10.0
RETRY_MILLISECONDS: Final = 3_000
AT_ONCE: Final = 25
"""Rows rendered before others may run: some milliseconds."""

_LONGEST_VERSION: Final = 18


class Live:
    """Tells changes while anybody has a page open."""

    def __init__(
        self,
        monitors: Monitors,
        survey: Survey,
        changes: Changes,
        clock: Clock,
        follows: Callable[[], str | None],
    ) -> None:
        self._monitors, self._survey, self._changes = monitors, survey, changes
        self._clock, self._follows = clock, follows
        self._clients: set[Client] = set()
        self._opened = asyncio.Event()
        self._told = changes.version
        """Everybody who listens knows of all changes up to this version."""

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Tell changes while the application runs; for its `cleanup_ctx`."""
        task = asyncio.create_task(self._run())
        yield
        task.cancel()
        await asyncio.wait([task])

    async def close(self, _app: web.Application) -> None:
        """End all streams; for the application's `on_shutdown`."""
        for client in tuple(self._clients):
            client.end()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer with events until either side has had enough."""
        if len(self._clients) >= MOST_CLIENTS:
            text = f"{MOST_CLIENTS} pages are open already; this one is not live.\n"
            return web.Response(text=text, status=503, headers={"Retry-After": "60"})
        response = web.StreamResponse(
            headers={
                **HEADERS,
                "Content-Type": "text/event-stream; charset=utf-8",
                "X-Accel-Buffering": "no",
            }
        )
        client = Client(request.transport)
        client.send(self._hello(_version_of(request)))
        self._clients.add(client)
        self._opened.set()
        try:
            await response.prepare(request)
            async for event in client.events():
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await response.write(event)
        except TimeoutError:
            client.drop()
        except ConnectionError:
            pass  # it has left already
        finally:
            self._clients.discard(client)
        return response

    def _hello(self, version: int) -> bytes:
        """Begin a stream for a page of some version: what it missed comes next."""
        retry = f"retry: {RETRY_MILLISECONDS}\n".encode()
        if self._changes.after(version) is None:
            return retry + self._event("reload", self._changes.version)
        self._told = min(self._told, version) if self._clients else version
        return retry + self._event("tick", version)

    async def _run(self) -> None:
        leads, said_at = self._leads, self._clock.monotonic()
        while True:
            if not self._clients:
                self._opened.clear()
                await self._opened.wait()
            await asyncio.sleep(COALESCE_SECONDS)
            version = self._changes.version
            if leads is not self._leads:
                leads = self._leads
                event = self._event("reload", version)
            elif leads and self._told != version:
                event = await self._news(version)
            elif self._clock.monotonic() - said_at >= TICK_SECONDS:
                event = self._event("tick", version)
            else:
                continue
            self._tell(event)
            self._told, said_at = version, self._clock.monotonic()

    @property
    def _leads(self) -> bool:
        return self._follows() is None

    def _tell(self, event: bytes) -> None:
        for client in tuple(self._clients):
            client.send(event)

    async def _news(self, version: int) -> bytes:
        """Tell what changed; a defect of ours costs the details only."""
        try:
            return await self._details(version)
        except Exception:
            logger.exception("What changed cannot be shown, please report this")
            return self._event("reload", version)

    async def _details(self, version: int) -> bytes:
        """Render what changed, once for everybody."""
        changed = self._changes.after(self._told)
        if changed is None or len(changed) > MANY:
            return self._event("reload", version)
        counts = (await self._survey.take(version)).counts
        rows: list[dict[str, Any]] = []
        for first in range(0, len(changed), AT_ONCE):
            rows += self._rows(changed[first : first + AT_ONCE], self._clock.now())
            await asyncio.sleep(0)
        gone = [str(key) for key in changed if self._monitors.named(key) is None]
        told = fragment("_counts.html", {"tiles": tiles(counts)})
        return self._event("change", version, rows=rows, gone=gone, counts=told)

    def _rows(
        self, keys: Sequence[MonitorKey], now: datetime
    ) -> Iterator[dict[str, Any]]:
        for key in keys:
            entry = self._monitors.named(key)
            if entry is not None and entry.subject is not None:
                yield _row(look(entry, now=now), now)

    def _event(self, name: str, version: int, **data: Any) -> bytes:
        text = json.dumps({"time": instant(self._clock.now()), **data})
        return f"id: {version}\nevent: {name}\ndata: {text}\n\n".encode()


def _row(seen: Seen, now: datetime) -> dict[str, Any]:
    line = Line(seen, now)
    context = {"line": line, "now": now}
    is_down = seen.word.health is Health.DOWN
    return {
        "key": str(line.key),
        "namespace": line.key.namespace,
        "state": line.health,
        "text": searched(seen.entry),
        "said": f"{line.key} is {line.health}: {line.reason}",
        "row": fragment("_row.html", context),
        "incident": fragment("_incident.html", context) if is_down else None,
    }


def _version_of(request: web.Request) -> int:
    """Return what a page shows: by its last event, else as it was loaded."""
    text = request.headers.get("Last-Event-ID") or request.query.get("since", "")
    readable = text.isascii() and text.isdigit() and len(text) <= _LONGEST_VERSION
    return int(text) if readable else -1
