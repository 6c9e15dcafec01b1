"""One sleep for the earliest deadline of all.

The watchdog wakes when a deadline has passed, makes sure that what was heard is
complete up to it, and only then lets the ledger judge. Without that evidence
nothing is judged: a deadline is looked at again soon, and silence of ours never
becomes somebody's Down. It may not decide anything about a monitor itself.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from heartbeats.clock import Clock
from heartbeats.core.model import Uid
from heartbeats.ledger import Entry, Ledger
from heartbeats.pause import pause

logger = logging.getLogger(__name__)

LONGEST_SLEEP = timedelta(seconds=5)
"""The wall clock may be stepped and the machine may sleep: look again often."""

RETRY_AFTER = timedelta(seconds=2)

AHEAD = timedelta(seconds=0.8)
"""How long before judging the evidence is read. A deadline is judged a second after it
has passed, so it has passed by then too; and reading takes up to a second."""

PREPARED = timedelta(seconds=1.65)
"""How long before judging it is made ready to be read. The API server says how far a
stream is at the earliest a second after it was told to: that must be a moment after
the evidence is asked for, else the word is too old."""

FORETOLD_AT_ONCE = 200
"""Some ten milliseconds of work: pings wait no longer for it."""

EXPLAINED_WITHIN = 0.1
"""Seconds that a verdict waits for its explanation once the evidence is there."""


class EvidenceError(Exception):
    """What is needed to judge is not known; the text says what is missing."""


class Evidence(Protocol):
    """Makes sure that what was heard is complete."""

    def prepare(self, entries: Sequence[Entry]) -> None:
        """Expect to be asked in a moment for what is known of these."""

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


@dataclass(slots=True)
class _Foresight:
    """What was looked at before its time had come, up to an instant."""

    by: datetime | None
    explained: set[Uid] = field(default_factory=set)
    """Whose silence was looked into: all that comes due."""
    proven: set[Uid] = field(default_factory=set)
    """Those that had expired by then, and of which all before is known."""


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
        self._prepared: datetime | None = None
        """Up to when the evidence was prepared for what comes due."""
        self._foresight = _Foresight(None)
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
            await self._prepare()
            await self._foresee()

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

    async def _prepare(self) -> None:
        """Have all made ready for what is judged soon, if something is."""
        by = self._clock.now() + PREPARED
        at = self._ledger.wakes.next_at()
        if at is None or at > by or not self._is_unprepared(at):
            return
        self._prepared = by
        expired = list(self._expired(self._ledger.wakes.coming(by=by), by))
        if expired:
            self._evidence.prepare(expired)
            await self._foretell(expired, until=at - AHEAD)

    async def _foretell(self, entries: Sequence[Entry], *, until: datetime) -> None:
        """Have the ledger work out what silence leads to, while there is time."""
        for number, _ in enumerate(self._ledger.foretell(entries), start=1):
            if number % FORETOLD_AT_ONCE == 0:
                await asyncio.sleep(0)
                if self._clock.now() >= until:
                    return

    def _is_unprepared(self, at: datetime) -> bool:
        return self._prepared is None or at > self._prepared

    async def _foresee(self) -> None:
        """Read the evidence for what is judged in a moment, if something is."""
        by = self._clock.now() + AHEAD
        at = self._ledger.wakes.next_at()
        if at is None or at > by or not self._is_unforeseen(at):
            return
        coming = self._ledger.wakes.coming(by=by)
        foresight = self._foresight = _Foresight(by, explained=set(coming))
        async with self._explaining(coming):
            expired = list(self._expired(coming, by))
            with suppress(EvidenceError):  # it is asked again when they are due
                if expired:
                    await self._evidence.complete(expired)
                    foresight.proven = {entry.uid for entry in expired}

    def _is_unforeseen(self, at: datetime) -> bool:
        return self._foresight.by is None or at > self._foresight.by

    def _expired(self, uids: Iterable[Uid], now: datetime) -> Iterator[Entry]:
        """Yield the monitors whose deadline silence breaks by then."""
        for entry in filter(None, map(self._ledger.get, uids)):
            if self._ledger.has_expired(entry, now):
                yield entry

    async def _judge(self, due: list[Uid], *, now: datetime) -> None:
        """Judge what expired with evidence, and what only became late without."""
        due = self._judge_foreseen(due, now=now)
        expired = list(self._expired(due, now))
        # Also of what is only late: a pod may be gone when its window ends.
        async with self._explaining(set(due) - self._foresight.explained):
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

    def _judge_foreseen(self, due: list[Uid], *, now: datetime) -> list[Uid]:
        """Judge what was proven before its time came; return the others."""
        others: list[Uid] = []
        for uid in due:
            if self._is_proven(uid):
                self._unjudged.discard(uid)
                self._ledger.judge(uid, now=now)
            else:
                others.append(uid)
        return others

    def _is_proven(self, uid: Uid) -> bool:
        """Tell whether the deadline that has passed is the one that was foreseen."""
        by, entry = self._foresight.by, self._ledger.get(uid)
        if by is None or entry is None or uid not in self._foresight.proven:
            return False
        return self._ledger.has_expired(entry, by)

    def _waits(self, now: datetime) -> bool:
        """Tell whether a window still waits that could not be judged.

        It may have gone since, or been reported after all: then nobody is blind.
        """
        return any(self._expired(self._unjudged, now))

    @asynccontextmanager
    async def _explaining(self, due: Iterable[Uid]) -> AsyncIterator[None]:
        """Read explanations while the evidence is read, and hardly longer."""
        entries = list(filter(None, map(self._ledger.get, due)))
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
            span = min(span, max(self._next_step(at) - self._clock.now(), timedelta()))
        self._changed.clear()
        await pause(span.total_seconds(), self._changed)

    def _next_step(self, at: datetime) -> datetime:
        """Return when there is something to do for what is judged at an instant."""
        if self._is_unprepared(at):
            return at - PREPARED
        return at - AHEAD if self._is_unforeseen(at) else at
