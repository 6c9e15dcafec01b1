"""Carries out what the ledger learned: statuses, then what a flip asks for.

The order is the promise: the status with its pending flips is stored first, then
each flip's Event and log line go out under stable names (`telling`), then the next
write clears them. Killed anywhere in between, a restart repeats the rest and nothing
twice. Within the budget flips go before routine writes, then the oldest news first.
Every write carries the resourceVersion it was derived from, so a writer that lost
touch loses the race.
"""

import asyncio
import logging
from typing import Any

import msgspec

from heartbeats.clock import Clock
from heartbeats.core.model import State, Uid
from heartbeats.core.status import digest, to_status
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.budget import Budget
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.decode import decode
from heartbeats.edges.kube.monitors import sighting_of
from heartbeats.edges.kube.progress import Turns
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.edges.kube.status_request import Held, send_status
from heartbeats.edges.kube.telling import FlipTeller
from heartbeats.edges.kube.tries import Tries
from heartbeats.ledger import Entry, Ledger

logger = logging.getLogger(__name__)

WRITERS = 8
RETRY_SECONDS = 1.0
TURN_SECONDS = 0.005
MOST_TRIES = 9
"""A failed write waits a second for its next try, then longer, up to four minutes."""


class StatusWriter:
    """Keeps what is stored equal to what is known."""

    def __init__(
        self, client: Client, teller: FlipTeller, clock: Clock, budget: Budget
    ) -> None:
        self._client = client
        self._teller = teller
        self._clock = clock
        self._budget = budget
        self._turns = Turns(TURN_SECONDS, clock.monotonic)
        self._ledger: Ledger | None = None
        self._queue: asyncio.PriorityQueue[tuple[int, int, Uid]] = (
            asyncio.PriorityQueue()
        )
        self._waiting: dict[Uid, int] = {}
        self._busy: set[Uid] = set()
        self._again: dict[Uid, bool] = {}
        self._order = 0
        self._tries: Tries[Uid] = Tries(RETRY_SECONDS, MOST_TRIES)

    def attach(self, ledger: Ledger) -> None:
        """Name the ledger whose entries are written."""
        self._ledger = ledger

    def mark(self, uid: Uid, *, urgent: bool) -> None:
        """Note that a status may have to be written; flips before the others."""
        if uid in self._busy:
            self._again[uid] = urgent or self._again.get(uid, False)
            return
        rank = 0 if urgent else 1
        if self._waiting.get(uid, 2) <= rank:
            return
        self._waiting[uid] = rank
        self._order += 1
        self._queue.put_nowait((rank, self._order, uid))

    @property
    def backlog(self) -> int:
        """Count the monitors that wait to be written."""
        return len(self._waiting) + len(self._busy)

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WRITERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            await self._budget.take()
            uid = await self._next()
            self._busy.add(uid)
            try:
                await self._write(uid)
            except Exception:
                logger.exception("A status could not be written", extra={"uid": uid})
                self._retry(uid, self._tries.failed(uid))
            finally:
                self._busy.discard(uid)
                if uid in self._again:
                    self.mark(uid, urgent=self._again.pop(uid))

    async def _next(self) -> Uid:
        """Return whose status is written next."""
        while True:
            rank, _, uid = await self._queue.get()
            if self._waiting.get(uid) == rank:  # else it was marked with a higher one
                del self._waiting[uid]
                return uid

    async def _write(self, uid: Uid) -> None:
        entry = self._ledger.get(uid) if self._ledger is not None else None
        if entry is None or entry.subject is None or self._ledger is None:
            return
        state = entry.state
        status = to_status(
            state,
            entry.policy,
            entry.subject.table,
            generation=entry.generation,
            now=self._clock.now(),
        )
        is_stored = digest(status) == entry.stored_digest
        if is_stored:
            self._budget.give_back()
            await self._turns.give_way()  # thousands are looked at when work begins
        if is_stored or await self._store(entry, state, status):
            self._teller.tell(uid, state)

    async def _store(self, entry: Entry, state: State, status: dict[str, Any]) -> bool:
        """Write a status; False: nothing more can be done for this monitor now."""
        try:
            answer = await send_status(self._client, entry, status)
        except errors.NotFound:
            self._forget(entry)
            return False
        except (errors.Conflict, errors.Invalid) as error:
            # A replacement that comes too late is answered with 422 and no cause.
            is_invalid = isinstance(error, errors.Invalid)
            if is_invalid and (error.causes or not entry.edited):
                self._later(entry, error)
                return False
            await self._read_again(entry)
            return False
        except errors.ApiError as error:
            self._later(entry, error)
            return False
        self._tries.succeeded(entry.uid)
        self._note_stored(entry, state, status, answer)
        return True

    def _note_stored(
        self, entry: Entry, state: State, status: dict[str, Any], answer: bytes
    ) -> None:
        """Note what is stored now; what is left in it of others' is replaced next."""
        held = decode(answer, Held)
        edited = held.status != status and not entry.edited
        version = held.metadata.resource_version
        if self._ledger is not None:
            name = digest(held.status if edited else status)
            self._ledger.stored(entry.uid, state, name, version, edited=edited)
        if edited:
            self._again[entry.uid] = True

    def _forget(self, entry: Entry) -> None:
        if self._ledger is not None:
            self._ledger.lose_monitor(entry.uid)

    async def _read_again(self, entry: Entry) -> None:
        """Take over what somebody else wrote, and judge again by it."""
        if self._ledger is None:
            return
        key = entry.key
        try:
            body = await self._client.request(
                "GET", MONITORS.path(key.namespace, key.name)
            )
        except errors.NotFound:
            self._forget(entry)
            return
        except errors.ApiError as error:
            self._later(entry, error)
            return
        seen = sighting_of(msgspec.json.decode(body))
        if seen.uid != entry.uid:
            self._forget(entry)
        self._ledger.see_monitor(seen, now=self._clock.now())
        self._again[entry.uid] = True

    def _later(self, entry: Entry, error: errors.ApiError) -> None:
        """Try one monitor again later, while the others go on."""
        wait = self._tries.failed(entry.uid)
        if wait == RETRY_SECONDS and not isinstance(error, errors.NotLeading):
            logger.warning(
                "The status of %s is not stored yet: %s",
                entry.key,
                error.message,
                extra={"namespace": entry.key.namespace, "monitor": entry.key.name},
            )
        elif isinstance(error, errors.ServerError) and self._ledger is not None:
            self._ledger.replace_next(entry.uid)
        if error.retry_after is not None:
            asked = error.retry_after.total_seconds()
            wait = max(wait, asked)
            if isinstance(error, errors.TooManyRequests):
                self._budget.pause(asked)
        self._retry(entry.uid, wait)

    def _retry(self, uid: Uid, wait: float) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(wait, lambda: self.mark(uid, urgent=True))
