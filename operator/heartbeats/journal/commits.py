"""Group commit: all entries that wait are stored by the next write.

A few writes are under way at once; what comes meanwhile waits for the next and
shares it. Identical reports of one monitor that wait together are stored once.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Protocol

from heartbeats.journal.entries import Entry, encode_entry, segment
from heartbeats.journal.errors import JournalUnavailable
from heartbeats.journal.limits import Limits, Shares
from heartbeats.journal.patience import Patience

COMMITS_IN_FLIGHT = 2
SLOW_SECONDS = 0.5
MOST_SLOW = 8
"""A commit that takes longer holds up nobody: so many of them go on beside the others.
Else a ping that just missed one would wait for two slow ones, which is too long."""
SEGMENT_BYTES = 32 * 1024
"""A segment grows no larger, so that no object is ever a burden to the API server."""
PATIENCE = timedelta(seconds=4)
"""Clients give up after five seconds; they must get our answer before."""


class SegmentStore(Protocol):
    """Keeps immutable texts in one order for all replicas."""

    async def append(self, text: str) -> int:
        """Store a segment durably and return its revision.

        A lost answer is retried here under the segment's one name. Raises
        JournalUnavailable when it is not known to be stored.
        """
        ...


@dataclass(slots=True, eq=False)
class _Waiting:
    """An entry that is not stored yet, and who waits for it."""

    written: bytes
    callers: list[asyncio.Future[int]]

    @property
    def is_wanted(self) -> bool:
        """Tell whether anybody still waits for it."""
        return not all(caller.done() for caller in self.callers)

    def tell(self, revision: int) -> None:
        """Tell everybody who still waits that it is stored."""
        for caller in self.callers:
            if not caller.done():
                caller.set_result(revision)

    def fail(self, error: Exception) -> None:
        """Tell everybody who still waits that it is not known to be stored."""
        for caller in self.callers:
            if not caller.done():
                caller.set_exception(error)


class Journal:
    """Stores entries in groups; bounded in what waits and what is under way."""

    def __init__(
        self,
        store: SegmentStore,
        *,
        limits: Limits | None = None,
        commits_in_flight: int = COMMITS_IN_FLIGHT,
        patience: timedelta = PATIENCE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._limits = limits or Limits()
        self._in_flight = commits_in_flight
        self._patience = patience.total_seconds()
        self._monotonic = monotonic
        self._shares = Shares(self._limits, now=monotonic())
        self._waiting: dict[tuple[object, ...], _Waiting] = {}
        self._waiting_bytes = 0
        self._commits: set[asyncio.Task[None]] = set()
        self._slow: set[asyncio.Task[None]] = set()
        self._ends = Patience()
        self._pending = 0

    @property
    def pending(self) -> int:
        """How many callers wait for their commit."""
        return self._pending

    async def record(self, entry: Entry, *, within: float | None = None) -> int:
        """Return the revision of the entry's segment once it is stored.

        Raises JournalUnavailable at once when too much waits, and at the latest after
        so many seconds, `patience` if nothing is said.
        """
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._admit(entry, stored)
        self._ends.watch(stored, self._patience if within is None else within)
        self._pending += 1
        try:
            return await stored
        finally:
            self._pending -= 1

    def _admit(self, entry: Entry, caller: asyncio.Future[int]) -> None:
        """Give an entry its place in the next commit."""
        identity = _identity(entry)
        waiting = self._waiting.get(identity)
        if waiting is not None:
            waiting.callers.append(caller)
            return
        written = encode_entry(entry)
        self._check_room(len(written))
        self._shares.take(entry.uid, len(written), now=self._monotonic())
        self._waiting[identity] = _Waiting(written, [caller])
        self._waiting_bytes += len(written)
        self._pump()

    def _check_room(self, size: int) -> None:
        limits, entries = self._limits, len(self._waiting)
        too_much = self._waiting_bytes + size > limits.waiting_bytes
        if too_much or entries >= limits.waiting_entries:
            raise JournalUnavailable(
                f"{entries} pings already wait for the journal; try again later"
            )

    def _pump(self) -> None:
        """Start a commit of what waits, if fewer than enough are under way."""
        if self._waiting and len(self._commits) < self._in_flight:
            loop = asyncio.get_running_loop()
            task = loop.create_task(self._commit())
            self._commits.add(task)
            slow = loop.call_later(SLOW_SECONDS, self._let_others_pass, task)
            task.add_done_callback(partial(self._done, slow))

    def _let_others_pass(self, task: asyncio.Task[None]) -> None:
        """Count a slow commit no longer among those under way."""
        if len(self._slow) < MOST_SLOW:
            self._commits.discard(task)
            self._slow.add(task)
            self._pump()

    def _done(self, slow: asyncio.TimerHandle, task: asyncio.Task[None]) -> None:
        slow.cancel()
        self._commits.discard(task)
        self._slow.discard(task)
        self._pump()

    def _group(self) -> list[_Waiting]:
        """Take as many entries as a segment may hold, without those given up."""
        group: list[_Waiting] = []
        size = 0
        while self._waiting:
            identity, first = next(iter(self._waiting.items()))
            if group and size + len(first.written) > SEGMENT_BYTES:
                break
            del self._waiting[identity]
            self._waiting_bytes -= len(first.written)
            if first.is_wanted:
                group.append(first)
                size += len(first.written) + 1
        return group

    async def _commit(self) -> None:
        """Store what waits by now, and tell everybody who waits for it."""
        group = self._group()
        if not group:
            return
        try:
            async with asyncio.timeout(self._patience):
                text = segment(each.written for each in group)
                revision = await self._store.append(text)
        except TimeoutError:
            _fail(group, JournalUnavailable("the journal is too slow"))
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            _fail(group, error)
        except asyncio.CancelledError:
            _fail(group, JournalUnavailable("the journal is closing"))
            raise
        else:
            for each in group:
                each.tell(revision)


def _fail(group: Iterable[_Waiting], error: Exception) -> None:
    for each in group:
        each.fail(error)


def _identity(entry: Entry) -> tuple[object, ...]:
    """Return what makes two reports the same: all but their ids and times."""
    said = entry.check_in
    return (
        entry.uid,
        said.kind,
        said.run_id,
        said.source,
        said.message,
        said.exit_code,
        said.duration,
        said.ambiguous,
        str(said.detail),
    )
