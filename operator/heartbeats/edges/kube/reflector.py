"""A reflector keeps a copy of a collection, and never stops doing so.

It lists in pages, watches from there, resumes after any cut from the last version
seen, and lists again when that version is no longer to be trusted. After a list it
sweeps: what is stored but not listed was deleted while nobody watched.

No error ends it, only cancellation does. It tells what it sees to synchronous
callbacks on its own loop, and gives way to the loop often, so that no number of
objects stalls it. It never writes to the API server.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from types import MappingProxyType
from typing import Generic, TypeVar

import msgspec

from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.decode import (
    Decoder,
    LineSplitter,
    Odd,
    WatchLine,
    decode,
    number,
    version_of,
)
from heartbeats.edges.kube.objects import KubeObject
from heartbeats.edges.kube.pace import Pace
from heartbeats.edges.kube.progress import Progress, StreamLimit, Turns
from heartbeats.edges.kube.recovery import OUTAGES, Recovery
from heartbeats.edges.kube.selection import Selection
from heartbeats.edges.kube.store import ObjectEvent, Store

logger = logging.getLogger(__name__)

__all__ = ["Reflector", "Selection"]

ObjectT = TypeVar("ObjectT", bound=KubeObject)


class Reflector(Generic[ObjectT]):
    """A live copy of a collection, kept by the task that awaits `run()`.

    `synced` is set while no gap is known; `streaming` says that a watch is open;
    `last_activity` is when the server last sent anything (monotonic seconds). They
    are hints: only `confirm()` proves that the copy is current.
    """

    def __init__(
        self,
        client: Client,
        selection: Selection[ObjectT],
        *,
        on_event: Callable[[ObjectEvent[ObjectT]], None],
        on_synced: Callable[[str], None] | None = None,
        retain: Callable[[ObjectT], ObjectT] = lambda item: item,
        pace: Pace | None = None,
    ) -> None:
        self.selection = selection
        self.synced = asyncio.Event()
        self.streaming = False
        self.last_activity: float | None = None
        self.lists = 0
        self._client = client
        self._now = client.clock.monotonic
        self._pace = pace or Pace()
        self._store = Store(on_event, on_synced, retain)
        self._decoder = Decoder(selection.resource, selection.object_type)
        self._progress = Progress()
        self._fields = {"resource": selection.resource.plural}
        self._recovery = Recovery(self._pace, self._now, self._fields)
        self._turns = Turns(self._pace.turn, self._now)
        self._limit: StreamLimit | None = None
        self._probing_for = 0
        self._is_prepared = self._is_probe = False
        self._fruitless = 0
        self._in_doubt = False

    @property
    def objects(self) -> Mapping[str, ObjectT]:
        """The objects known now, by uid, as `retain` left them."""
        return MappingProxyType(self._store.objects)

    @property
    def resource_version(self) -> int:
        """All changes up to this version have been delivered; 0 before a list."""
        return self._progress.version

    @property
    def restarts(self) -> int:
        """How often the stream failed and was taken up again."""
        return self._recovery.failures

    @property
    def skipped(self) -> int:
        """How often an object could not be decoded."""
        return self._decoder.skipped

    @property
    def callback_errors(self) -> int:
        """How often a callback raised."""
        return self._store.callback_errors

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                delay = await self._round()
            except errors.ApiError as error:
                if not isinstance(error, OUTAGES):
                    self._lose()
                delay = self._recovery.failed(error)
                self._in_doubt = True
            except Exception as error:
                logger.exception("Listing again after a surprise", extra=self._fields)
                self._lose()
                delay = self._recovery.failed(errors.ApiError(repr(error)))
            await asyncio.sleep(delay)

    async def confirm(self, *, within: timedelta) -> None:
        """Return once the copy is at least as new as this call.

        StaleError when that takes longer than `within`, another ApiError when the
        API server does not answer. Costs a small request, and a new watch or list
        when the open one does not happen to bring news.
        """
        async with self._limited(within):
            await self._hurry_to(await self._newest_version())

    async def reach(self, version: int, *, within: timedelta) -> None:
        """Return once all up to this version has been delivered; raises as `confirm`.

        A version that the cluster has reached: another one may never come.
        """
        async with self._limited(within):
            await self._hurry_to(version)

    def prepare(self) -> None:
        """Have the server say about a second from now how far the stream is.

        Whoever confirms it by then need not wait for a new stream to say so. A small
        collection is listed sooner than that.
        """
        if not self._is_probe and len(self.objects) > self._pace.page_limit:
            self._is_prepared = True
            self._end_watch()

    def newest(self) -> int:
        """Return the version of the object that changed last; 0: there is none."""
        found = (each.metadata.resource_version for each in self.objects.values())
        return max(map(number, found), default=0)

    @asynccontextmanager
    async def _limited(self, within: timedelta) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(within.total_seconds()):
                yield
        except TimeoutError as error:
            raise errors.StaleError(
                f"{self.selection.resource.plural} could not be confirmed as current "
                f"within {within.total_seconds():g} s; is the API server slow?"
            ) from error

    async def _hurry_to(self, version: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.catch_up):
                await self._progress.reach(version)
        if not self._is_probe and self._progress.version < version:
            self._end_watch()
        await self._progress.reach(version)

    async def _newest_version(self) -> int:
        """Return the version of the cluster now, by a consistent read."""
        version = await self.selection.newest_version(self._client)
        if version < self._progress.version:
            # Restored from a backup: a watch from our version would see nothing.
            logger.warning("The API server's history went back", extra=self._fields)
            self._lose()
            self._end_watch()
        return version

    async def _round(self) -> float:
        """List if need be, then watch to its end; return the delay until the next."""
        if self._in_doubt and self._progress.version:
            await self._newest_version()
        self._in_doubt = False
        if self._must_list():
            await self._list()
        began = self._now()
        cut_short = await self._watch()
        return 0.0 if cut_short else self._recovery.ended(self._now() - began)

    def _must_list(self) -> bool:
        version = self._progress.version
        return (
            version == 0
            or version < self._probing_for
            or self._fruitless >= self._pace.fruitless
            # One page is cheaper than a probe, and quicker.
            or (self._progress.is_behind and len(self.objects) <= self._pace.page_limit)
        )

    async def _list(self) -> None:
        seen: set[str] = set()
        token = ""
        while True:
            page = await self.selection.page(
                self._client, token=token, limit=self._pace.page_limit
            )
            self._heard()
            await self._take_page(page.items or [], seen)
            token = page.metadata.token
            if not token:
                break
        for uid in self._store.absent_from(seen):
            self._store.remove(uid, initial=True)
            await self._turns.give_way()
        self.lists += 1
        self._fruitless = self._probing_for = 0
        self._progress.advance(number(page.metadata.version))
        self.synced.set()
        self._store.tell_synced(page.metadata.version)

    async def _take_page(self, items: list[msgspec.Raw], seen: set[str]) -> None:
        for raw in items:
            item = self._decoder.object(raw)
            if isinstance(item, Odd):
                seen.add(item.uid)
            else:
                seen.add(item.metadata.uid)
                self._store.put(item, initial=True)
            await self._turns.give_way()

    async def _watch(self) -> bool:
        """Watch until the stream ends; return True when a confirmation ended it."""
        progress, pace = self._progress, self._pace
        self._probing_for = progress.wanted if progress.is_behind else 0
        self._is_probe = self._is_prepared or self._probing_for > 0
        self._is_prepared = False
        limit = self._limit = StreamLimit(pace.opening, pace.inactivity)
        stream = self.selection.watch(
            self._client,
            version=progress.version,
            seconds=pace.probe if self._is_probe else pace.uniform(*pace.watch),
        )
        try:
            async with limit, stream as chunks:
                self.streaming = True
                self._fruitless += 1
                self._recovery.works()
                lines = LineSplitter()
                limit.heard()
                self._heard()
                async for chunk in chunks:
                    limit.heard()
                    self._heard()
                    for line in lines.feed(chunk):
                        self._take(decode(line, WatchLine))
                        await self._turns.give_way()
        except TimeoutError:
            if limit.was_cut_short:
                self._fruitless = 0
                return True
            raise errors.Unreachable("the watch fell silent") from None
        finally:
            self.streaming = self._is_probe = False
            self._limit = None
        return False

    def _take(self, line: WatchLine) -> None:
        """Take in one line of a watch; what it means stands in its type."""
        match line.type:
            case "ADDED" | "MODIFIED" | "DELETED":
                version = self._take_object(line)
            case "BOOKMARK":
                version = version_of(line.object)
            case "ERROR":
                raise errors.from_status(decode(line.object, errors.Status))
            case other:
                raise errors.Malformed(f"a watch line has the unknown type {other!r}")
        self._progress.advance(number(version))
        self._fruitless = 0

    def _take_object(self, line: WatchLine) -> str:
        item = self._decoder.object(line.object)
        is_gone = line.type == "DELETED"
        if isinstance(item, Odd):
            if is_gone:
                self._store.remove(item.uid)
            return item.version
        if is_gone:
            self._store.remove(item.metadata.uid, item)
        else:
            self._store.put(item)
        return item.metadata.resource_version

    def _end_watch(self) -> None:
        if self._limit is not None:
            self._limit.cut_short()

    def _heard(self) -> None:
        self.last_activity = self._now()

    def _lose(self) -> None:
        """Take note of a gap: nothing is current until the next list."""
        self._progress.forget()
        self.synced.clear()
