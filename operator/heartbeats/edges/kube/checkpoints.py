"""Merges many small segments of the journal into few large ones: checkpoints.

Statuses lag when more monitors check in than the write budget stores, and every
segment waits for all of its monitors. Only what is still needed is written again,
each entry with its own place, so that a replay of both changes nothing. It deletes
nothing: it marks what a stored checkpoint has made superfluous.
"""

import hashlib
import logging
from collections import deque
from contextlib import suppress
from typing import Final

from heartbeats.edges.kube import errors
from heartbeats.edges.kube.backlog import Backlog, Held
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.progress import Turns
from heartbeats.edges.kube.resources import CONFIG_MAPS
from heartbeats.edges.kube.segment_store import CHECKPOINT, segment_object
from heartbeats.edges.kube.spent import Spent
from heartbeats.edges.kube.tries import Tries
from heartbeats.journal import SEGMENT_BYTES, segment

logger = logging.getLogger(__name__)

AGE_SECONDS: Final = 10.0
"""Most segments are spent sooner than that. Whether an old one is worth merging is
seen again after as long."""
FEW: Final = 200
"""So many segments are no burden to anybody."""
SMALL_BYTES: Final = SEGMENT_BYTES // 4
"""A larger segment is left alone: it would be much to write, and few objects less."""
SPENT_SHARE: Final = 4
"""A checkpoint, or a large segment, is merged when a fourth of it is still needed. So
the bytes of all further merges are at most a third of those of the first."""
ROUND_SECONDS: Final = 1.0
MOST_WRITES: Final = 8
"""Checkpoints in a round, however many segments there are: a quarter of the bytes that
pings may take, and few writes beside those of the statuses."""
MOST_TRIES: Final = 6
"""A failed write waits a second for its next try, then longer, up to half a minute."""
TURN_SECONDS: Final = 0.005

_ROOM: Final = SEGMENT_BYTES - len(segment(()))


class Checkpoints:
    """Keeps the number of segments small while the statuses lag."""

    def __init__(
        self, client: Client, namespace: str, backlog: Backlog, spent: Spent
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._backlog = backlog
        self._spent = spent
        self._monotonic = client.clock.monotonic
        self._turns = Turns(TURN_SECONDS, self._monotonic)
        self._tries: Tries[None] = Tries(ROUND_SECONDS, MOST_TRIES)

    async def turn(self) -> float:
        """Merge, if there is much to merge; return how long to wait for the next turn.

        Never raises: what cannot be merged is deleted all the same when it is spent.
        """
        try:
            await self._merge()
        except errors.KubeError as error:
            return self._failed(error)
        except Exception as error:
            logger.exception("Merging journal segments again after a surprise")
            return self._failed(error)
        self._tries.succeeded(None)
        return ROUND_SECONDS

    def _failed(self, error: Exception) -> float:
        wait = self._tries.failed(None)
        if wait == ROUND_SECONDS:
            logger.warning("Journal segments are not merged yet: %s", error)
        if isinstance(error, errors.ApiError) and error.retry_after is not None:
            return max(wait, error.retry_after.total_seconds())
        return wait

    async def _merge(self) -> None:
        if not self._spent.can_tell:
            return
        # The newest first, should there be too many: they have the longest to wait.
        ripe = deque(reversed(await self._ripe()))
        for _ in range(min(len(ripe) // FEW, MOST_WRITES)):
            if len(ripe) <= FEW:
                return
            merged, entries = await self._fill(ripe)
            if entries:
                await self._store(segment(entries))
            for each in merged:
                each.is_merged = True

    async def _ripe(self) -> list[Held]:
        """Return what is worth merging."""
        found: list[Held] = []
        for each in self._backlog:
            if not each.is_ripe and each.look_at <= self._monotonic():
                each.look_at = self._monotonic() + AGE_SECONDS
                each.is_ripe = self._is_worthwhile(each)
                await self._turns.give_way()
            if each.is_ripe and not each.is_merged:
                found.append(each)
        return found

    def _is_worthwhile(self, held: Held) -> bool:
        if not held.is_checkpoint and held.size <= SMALL_BYTES:
            return True
        needed = held.needed_bytes(self._spent.knows)
        return needed * SPENT_SHARE <= held.size

    async def _fill(self, ripe: deque[Held]) -> tuple[list[Held], list[bytes]]:
        """Take as many as a checkpoint may hold; return them, and what is needed."""
        merged: list[Held] = []
        entries: list[bytes] = []
        size = 0
        while ripe:
            needed = ripe[0].needed(self._spent.knows)
            size += sum(len(entry) + 1 for entry in needed)
            if merged and size > _ROOM:
                break
            merged.append(ripe.popleft())
            entries += needed
            await self._turns.give_way()
        return merged, entries

    async def _store(self, text: str) -> None:
        """Write a checkpoint, named by what it says: the same again is stored once.

        It is held when the watch tells of it, like one that another operator wrote.
        """
        name = f"{CHECKPOINT}{hashlib.sha256(text.encode()).hexdigest()[:32]}"
        with suppress(errors.AlreadyExists):  # the answer to an earlier try was lost
            await self._client.create(
                CONFIG_MAPS, segment_object(name, text), namespace=self._namespace
            )
