"""Reads the journal: applies segments, and deletes them when they are not needed.

An entry's place orders it against all others, whoever wrote them: a segment's
resourceVersion and the index in it, or what a checkpoint says. Deleted is only what
every monitor in it has stored, what belongs to a monitor that is proven to be gone,
and what a stored checkpoint holds.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from heartbeats.core.model import Blindness
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.backlog import Backlog, Held, in_order
from heartbeats.edges.kube.checkpoints import AGE_SECONDS, Checkpoints
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.objects import ConfigMap
from heartbeats.edges.kube.resources import CONFIG_MAPS
from heartbeats.edges.kube.segment_store import DATA
from heartbeats.edges.kube.spent import Spent
from heartbeats.edges.kube.store import Change, ObjectEvent
from heartbeats.edges.kube.unread import Unread
from heartbeats.journal import Entry, UnreadableSegmentError
from heartbeats.ledger import Ledger

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
DELETERS = 4
"""Deletes under way at once: pings may come as fast as they are taken away."""


class JournalReader:
    """Applies segments to the ledger in their order and deletes what is stored."""

    def __init__(
        self,
        client: Client,
        namespace: str,
        apply: Callable[[Entry], None],
        on_blind: Callable[[Blindness], None],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._apply = apply
        self._backlog = Backlog()
        self._listed: dict[str, Held] = {}
        self._kept: set[str] = set()
        self.unread = Unread(on_blind)
        self._spent = Spent(client)
        self._checkpoints = Checkpoints(client, namespace, self._backlog, self._spent)

    def attach(self, ledger: Ledger) -> None:
        """Name the ledger that tells what is stored."""
        self._spent.attach(ledger)

    @property
    def pending(self) -> int:
        """Count the entries that are not deleted yet."""
        return self._backlog.entries

    def take(self, event: ObjectEvent[ConfigMap]) -> None:
        """Take what the reflector tells; a list's segments wait for its end."""
        if event.kind is Change.DELETED:
            self.lose(event.object)
        elif event.initial:
            self._list(event.object)
        else:
            self.see(event.object)

    def listed(self, _version: str) -> None:
        """Apply the segments of a list in the order of their entries' places.

        A list comes in the order of names; a monitor's entries must not. Nor do they
        by the segments' revisions: a checkpoint is newer than what it holds.
        """
        found, self._listed = self._listed, {}
        for held in found.values():
            self._backlog.add(held)
        # Read once more, and bit by bit: all of them at once may be too much to hold.
        self._apply_all(*(held.entries() for held in found.values()))

    def see(self, segment: ConfigMap) -> None:
        """Apply a segment; a known one changes nothing.

        A checkpoint comes after the segments it was made of, whoever made it: what it
        holds was counted, and the ledger counts no place twice.
        """
        if (found := self._read(segment)) is not None:
            held, entries = found
            self._backlog.add(held)
            self._apply_all(entries)

    def _list(self, segment: ConfigMap) -> None:
        """Keep a segment of a list until its end."""
        if (found := self._read(segment)) is not None:
            held, _ = found
            self._listed[held.name] = held

    def _read(self, segment: ConfigMap) -> tuple[Held, list[Entry]] | None:
        """Read a segment; None for one that is known, or that cannot be read."""
        name = segment.metadata.name
        if name in self._backlog or name in self.unread:
            return None
        try:
            return self._backlog.read(
                name,
                segment.data.get(DATA, ""),
                int(segment.metadata.resource_version),
                look_at=self._client.clock.monotonic() + AGE_SECONDS,
            )
        except UnreadableSegmentError as error:
            self.unread.keep(segment, error)
            return None

    def _apply_all(self, *found: Iterable[Entry]) -> None:
        for entry in in_order(*found):
            self._apply(entry)

    def lose(self, segment: ConfigMap) -> None:
        """Forget a segment that was deleted."""
        self._listed.pop(segment.metadata.name, None)
        self._backlog.drop(segment.metadata.name)
        self.unread.drop(segment.metadata.name)

    async def run(self) -> None:
        """Delete stored segments, and merge the others, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sweep_always())
            group.create_task(self._merge_always())

    async def _sweep_always(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self.sweep()

    async def _merge_always(self) -> None:
        while True:
            wait = await self.merge()
            await asyncio.sleep(wait)

    async def sweep(self) -> None:
        """Delete every segment that nobody needs any more."""
        spent = deque([each for each in self._backlog if await self._is_spent(each)])
        async with asyncio.TaskGroup() as group:
            for _ in range(min(DELETERS, len(spent))):
                group.create_task(self._delete_all(spent))
        self._spent.remember(self._backlog)

    async def merge(self) -> float:
        """Write what many segments hold of use into few; return when to come again."""
        return await self._checkpoints.turn()

    async def _is_spent(self, held: Held) -> bool:
        try:
            return held.is_merged or await self._spent.proves(held)
        except errors.KubeError as error:
            self._complain(held, error)
            return False

    async def _delete_all(self, spent: deque[Held]) -> None:
        while spent:
            held = spent.popleft()
            try:
                await self._delete(held)
            except errors.KubeError as error:
                self._complain(held, error)

    def _complain(self, held: Held, error: errors.KubeError) -> None:
        """Tell once what keeps a segment; the others go on."""
        if held.name not in self._kept:
            self._kept.add(held.name)
            logger.warning(
                "Journal segment %s is not deleted yet: %s", held.name, error
            )

    async def _delete(self, held: Held) -> None:
        with suppress(errors.NotFound):
            await self._client.delete(CONFIG_MAPS, held.name, namespace=self._namespace)
        self._backlog.drop(held.name)
        self._kept.discard(held.name)
