"""One sleep for the earliest deadline of all.

The watchdog wakes when something is due, makes sure that what was heard is
complete up to now, and only then lets the ledger judge. Without that evidence
nothing is judged: a deadline is looked at again soon, and silence of ours never
becomes somebody's Down. It may not decide anything about a monitor itself.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Protocol

from heartbeats.clock import Clock
from heartbeats.core.model import Uid
from heartbeats.ledger import Entry, Ledger

logger = logging.getLogger(__name__)

LONGEST_SLEEP = timedelta(seconds=5)
"""The wall clock may be stepped and the machine may sleep: look again often."""

RETRY_AFTER = timedelta(seconds=2)

EXPLAINED_WITHIN = 0.1
"""Seconds that a verdict waits for its explanation once the evidence is there."""


class EvidenceError(Exception):
    """What is needed to judge is not known; the text says what is missing."""


class Evidence(Protocol):
    """Makes sure that what was heard is complete."""

    async def complete(self, entries: Sequence[Entry]) -> None:
        """Return when the ledger knows all that happened to them before this call.

        Raises EvidenceError.
        """

    async def explain(self, entries: Sequence[Entry]) -> None:
        """Read what may say why these monitors hear nothing, if it can be read.

        Cancelled when it takes too long: what was read by then counts.
        """


class Observer(Protocol):
    """Counts what the watchdog does."""

    def evaluated(self, at: datetime) -> None:
        """Note a finished round."""

    def blind(self, seconds: float) -> None:
        """Note time in which deadlines could not be judged."""


class Watchdog:
    """Judges monitors when their time has come."""

    def __init__(
        self,
        ledger: Ledger,
        evidence: Evidence,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._ledger = ledger
        self._evidence = evidence
        self._clock = clock
        self._observer = observer
        self._changed = asyncio.Event()
        self._blind_since: float | None = None
        self._unjudged: set[Uid] = set()
        self.last_turn: float | None = None
        """When the last round ended, in monotonic seconds."""

    def wake(self) -> None:
        """Look at the earliest deadline again: it may have moved."""
        self._changed.set()

    async def run(self) -> None:
        """Judge until cancelled."""
        while True:
            await self.turn()
            await self._sleep()

    async def turn(self) -> None:
        """Judge what is due now."""
        now = self._clock.now()
        due = self._ledger.wakes.take(now=now)
        if due:
            await self._judge(due, now=now)
        if not self._waits(now):
            self._see_again()
        self.last_turn = self._clock.monotonic()
        if self._blind_since is None:
            self._observer.evaluated(self._clock.now())

    async def _judge(self, due: list[Uid], *, now: datetime) -> None:
        """Judge what expired with evidence, and what only became late without."""
        expired = [
            entry
            for uid in due
            if (entry := self._ledger.get(uid)) and self._ledger.has_expired(entry, now)
        ]
        # Also of what is only late: a pod may be gone when its window ends.
        async with self._explaining(due):
            if expired:
                try:
                    await self._evidence.complete(expired)
                except EvidenceError as error:
                    blind = {entry.uid for entry in expired}
                    self._postpone(blind, str(error), until=now + RETRY_AFTER)
                    due = [uid for uid in due if uid not in blind]
                else:
                    self._unjudged.difference_update(each.uid for each in expired)
        for uid in due:
            self._ledger.judge(uid, now=now)

    def _waits(self, now: datetime) -> bool:
        """Tell whether a window still waits that could not be judged.

        It may have gone since, or been reported after all: then nobody is blind.
        """
        return any(
            (entry := self._ledger.get(uid)) and self._ledger.has_expired(entry, now)
            for uid in self._unjudged
        )

    @asynccontextmanager
    async def _explaining(self, due: Sequence[Uid]) -> AsyncIterator[None]:
        """Read explanations while the evidence is read, and hardly longer."""
        entries = [entry for uid in due if (entry := self._ledger.get(uid))]
        reading = asyncio.create_task(self._evidence.explain(entries))
        try:
            yield
            await asyncio.wait({reading}, timeout=EXPLAINED_WITHIN)
        finally:
            reading.cancel()
            [failed] = await asyncio.gather(reading, return_exceptions=True)
        if isinstance(failed, Exception):
            logger.warning("What explains silence cannot be read: %r", failed)

    def _postpone(self, due: Collection[Uid], why: str, *, until: datetime) -> None:
        monotonic = self._clock.monotonic()
        if self._blind_since is None:
            logger.warning("%d deadlines are not judged: %s", len(due), why)
        else:
            self._observer.blind(monotonic - self._blind_since)
        self._blind_since = monotonic
        self._unjudged.update(due)
        for uid in due:
            if self._ledger.get(uid) is not None:
                self._ledger.wakes.set(uid, until)

    def _see_again(self) -> None:
        if self._blind_since is not None:
            logger.info("Deadlines are judged again")
            self._observer.blind(self._clock.monotonic() - self._blind_since)
            self._blind_since = None
        self._unjudged.clear()

    async def _sleep(self) -> None:
        at = self._ledger.wakes.next_at()
        span = LONGEST_SLEEP
        if at is not None:
            span = min(span, max(at - self._clock.now(), timedelta()))
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(span.total_seconds()):
                await self._changed.wait()
