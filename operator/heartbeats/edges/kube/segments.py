"""Reads the journal: applies segments, and deletes them when they are not needed.

A segment's resourceVersion orders its entries against all
others, whoever wrote them. Deleted is only what every monitor in it has stored,
or what belongs to a monitor that is proven to be gone.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from heartbeats.core.model import MonitorKey, Uid
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.objects import ConfigMap, KubeObject
from heartbeats.edges.kube.resources import CONFIG_MAPS, MONITORS
from heartbeats.edges.kube.segment_store import DATA
from heartbeats.edges.kube.store import Change, ObjectEvent
from heartbeats.journal import (
    Entry,
    UnreadableSegmentError,
)
from heartbeats.journal import decode as decode_segment
from heartbeats.ledger import Ledger

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
DELETERS = 4
"""Deletes under way at once: pings may come as fast as they are taken away."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A segment that was applied and waits for its monitors to be stored."""

    name: str
    revision: int
    monitors: tuple[tuple[MonitorKey, Uid, int], ...]
    """Whose entries it holds, and where the last one of each stands."""
    entries: int


class JournalReader:
    """Applies segments to the ledger in their order and deletes what is stored."""

    def __init__(
        self, client: Client, namespace: str, apply: Callable[[Entry], None]
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._apply = apply
        self._pending: dict[str, _Pending] = {}
        self._listed: list[ConfigMap] = []
        self._kept: set[str] = set()
        self._dropped: set[Uid] = set()
        """Monitors that are gone, of which segments are still there."""
        self._ledger: Ledger | None = None

    def attach(self, ledger: Ledger) -> None:
        """Name the ledger that tells what is stored."""
        self._ledger = ledger

    @property
    def pending(self) -> int:
        """Count the entries whose segments are not deleted yet."""
        return sum(segment.entries for segment in self._pending.values())

    def take(self, event: ObjectEvent[ConfigMap]) -> None:
        """Take what the reflector tells; a list's segments wait for its end."""
        if event.kind is Change.DELETED:
            self.lose(event.object)
        elif event.initial:
            self._listed.append(event.object)
        else:
            self.see(event.object)

    def listed(self, _version: str) -> None:
        """Apply the segments of a list in the order they were written.

        A list comes in the order of names; a monitor's entries must not.
        """
        segments, self._listed = self._listed, []
        for segment in sorted(segments, key=_revision):
            self.see(segment)

    def see(self, segment: ConfigMap) -> None:
        """Apply a segment; a known one changes nothing."""
        if segment.metadata.name in self._pending:
            return
        try:
            entries = decode_segment(
                segment.data.get(DATA, ""), revision=_revision(segment)
            )
        except UnreadableSegmentError as error:
            logger.error(  # noqa: TRY400 - the sentence is enough
                "Journal segment %s is kept, but not applied: %s",
                segment.metadata.name,
                error,
            )
            return
        self._pending[segment.metadata.name] = _Pending(
            segment.metadata.name,
            _revision(segment),
            _last_places(entries),
            len(entries),
        )
        for entry in entries:
            self._apply(entry)

    def lose(self, segment: ConfigMap) -> None:
        """Forget a segment that was deleted."""
        self._pending.pop(segment.metadata.name, None)

    async def run(self) -> None:
        """Delete stored segments until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self.sweep()

    async def sweep(self) -> None:
        """Delete every segment that nobody needs any more."""
        spent = deque(
            [each for each in tuple(self._pending.values()) if await self._spent(each)]
        )
        async with asyncio.TaskGroup() as group:
            for _ in range(min(DELETERS, len(spent))):
                group.create_task(self._delete_all(spent))
        if self._dropped:
            held = (each.monitors for each in self._pending.values())
            self._dropped &= {uid for monitors in held for _, uid, _ in monitors}

    async def _spent(self, segment: _Pending) -> bool:
        try:
            return await self._is_spent(segment)
        except errors.KubeError as error:
            self._complain(segment, error)
            return False

    async def _delete_all(self, spent: deque[_Pending]) -> None:
        while spent:
            segment = spent.popleft()
            try:
                await self._delete(segment)
            except errors.KubeError as error:
                self._complain(segment, error)

    def _complain(self, segment: _Pending, error: errors.KubeError) -> None:
        """Tell once what keeps a segment; the others go on."""
        if segment.name not in self._kept:
            self._kept.add(segment.name)
            logger.warning(
                "Journal segment %s is not deleted yet: %s", segment.name, error
            )

    async def _delete(self, segment: _Pending) -> None:
        with suppress(errors.NotFound):
            await self._client.delete(
                CONFIG_MAPS, segment.name, namespace=self._namespace
            )
        self._pending.pop(segment.name, None)
        self._kept.discard(segment.name)

    async def _is_spent(self, segment: _Pending) -> bool:
        for key, uid, place in segment.monitors:
            if not await self._is_stored(key, uid, place):
                return False
        return True

    async def _is_stored(self, key: MonitorKey, uid: Uid, place: int) -> bool:
        if self._ledger is None or not self._ledger.is_open:
            return False
        entry = self._ledger.get(uid)
        if entry is not None:
            return entry.stored.applied.journal_revision >= place
        if uid not in self._dropped and not await self._is_gone(key, uid):
            return False
        self._ledger.forget(uid)
        if uid in self._dropped:
            return True
        self._dropped.add(uid)
        logger.warning(
            "A ping of %s is dropped: the monitor is gone",
            key,
            extra={"namespace": key.namespace, "monitor": key.name, "uid": uid},
        )
        return True

    async def _is_gone(self, key: MonitorKey, uid: Uid) -> bool:
        try:
            found = await self._client.get(
                MONITORS, key.name, KubeObject, namespace=key.namespace
            )
        except errors.NotFound:
            return True
        return found.metadata.uid != uid


def _last_places(
    entries: Iterable[Entry],
) -> tuple[tuple[MonitorKey, Uid, int], ...]:
    last = {
        (entry.monitor, entry.uid): entry.check_in.revision or 0 for entry in entries
    }
    return tuple((key, uid, place) for (key, uid), place in last.items())


def _revision(segment: ConfigMap) -> int:
    return int(segment.metadata.resource_version)
