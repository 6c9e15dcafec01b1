"""Tells of flips that are stored: an Event, then a line in the event log.

It has a budget of its own, so that a thousand flips at once delay no status. What is
told is cleared from the state, and by that from the next status; until then a restart
tells it again under the same names.
"""

import asyncio
import logging
from typing import Protocol

from heartbeats.clock import Clock
from heartbeats.core.model import Flip, State, Uid
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.budget import Budget
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.events import EventPoster, is_worth_telling
from heartbeats.edges.kube.tries import Tries
from heartbeats.ledger import Entry, Ledger

logger = logging.getLogger(__name__)

TELLERS = 4
RETRY_SECONDS = 1.0
MOST_TRIES = 9
"""A refused Event waits a second for its next try, then longer, up to four minutes."""


class Teller(Protocol):
    """Whoever writes the event log."""

    def flipped(self, entry: Entry, flip: Flip) -> None:
        """Log a flip."""


class FlipTeller:
    """Sends what the stored flips ask for."""

    def __init__(
        self, client: Client, teller: Teller, clock: Clock, budget: Budget
    ) -> None:
        self._events = EventPoster(client)
        self._teller = teller
        self._clock = clock
        self._budget = budget
        self._ledger: Ledger | None = None
        self._queue: asyncio.Queue[Uid] = asyncio.Queue()
        self._stored: dict[Uid, State] = {}
        self._busy: set[Uid] = set()
        self._tries: Tries[Uid] = Tries(RETRY_SECONDS, MOST_TRIES)

    def attach(self, ledger: Ledger) -> None:
        """Name the ledger that is told what is out."""
        self._ledger = ledger

    def tell(self, uid: Uid, stored: State) -> None:
        """Tell of the flips in a state that is stored."""
        if not stored.pending_flips:
            return
        known = uid in self._stored
        self._stored[uid] = stored
        if not known and uid not in self._busy:
            self._queue.put_nowait(uid)

    @property
    def backlog(self) -> int:
        """Count the monitors whose flips wait to be told."""
        return len(self._stored) + len(self._busy)

    async def run(self) -> None:
        """Tell until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(TELLERS):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            uid = await self._queue.get()
            state = self._stored.pop(uid, None)
            if state is None:
                continue
            self._busy.add(uid)
            try:
                await self._tell(uid, state)
            except Exception:
                logger.exception("A flip could not be told", extra={"uid": uid})
                self._later(uid, state, RETRY_SECONDS)
            finally:
                self._busy.discard(uid)
                if uid in self._stored:
                    self._queue.put_nowait(uid)

    async def _tell(self, uid: Uid, state: State) -> None:
        entry = self._ledger.get(uid) if self._ledger is not None else None
        if entry is None or self._ledger is None:
            return
        waiting = {flip.id for flip in entry.state.pending_flips}
        told: list[str] = []
        for flip in state.pending_flips:
            if flip.id not in waiting:
                continue  # told a moment ago
            if not await self._post(entry, flip, state):
                break
            self._teller.flipped(entry, flip)
            told.append(flip.id)
        if told:
            self._ledger.told(uid, told, now=self._clock.now())

    async def _post(self, entry: Entry, flip: Flip, state: State) -> bool:
        if not is_worth_telling(flip):
            return True
        await self._budget.take()
        try:
            await self._events.post(entry.key, entry.uid, flip)
        except (errors.Forbidden, errors.NotFound, errors.Invalid) as error:
            # A terminating namespace takes no Events: the line still goes out.
            logger.warning("An Event of %s is refused: %s", entry.key, error.message)
        except errors.ApiError as error:
            self._refused(entry, state, error)
            return False
        self._tries.succeeded(entry.uid)
        return True

    def _refused(self, entry: Entry, state: State, error: errors.ApiError) -> None:
        wait = self._tries.failed(entry.uid)
        if wait == RETRY_SECONDS and not isinstance(error, errors.NotLeading):
            logger.warning("An Event of %s waits: %s", entry.key, error.message)
        if error.retry_after is not None:
            wait = max(wait, error.retry_after.total_seconds())
            self._budget.pause(error.retry_after.total_seconds())
        self._later(entry.uid, state, wait)

    def _later(self, uid: Uid, state: State, wait: float) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(wait, self.tell, uid, state)
