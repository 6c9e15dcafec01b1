"""How all monitors are at one instant.

Thousands are looked at a few at a time, so that nobody else waits, and whoever asks
within the same second shares one look. Of each only its state is kept: ten thousand
small objects a look would have Python collect its garbage again and again.
It may not know how anything is shown.
"""

import asyncio
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final, Protocol

from heartbeats.core.codec import Json
from heartbeats.core.model import Health, MonitorKey, Policy, State, Uid
from heartbeats.core.schedule import late_at
from heartbeats.core.status import to_status
from heartbeats.core.verdict import URGENCY, Verdict, verdict
from heartbeats.edges.page.changes import Changes
from heartbeats.ledger.entries import Entry

CHUNK: Final = 250
"""Monitors looked at before others may run: one or two milliseconds."""

KEPT_SECONDS: Final = 1.0
"""How long a look serves whoever asks next."""


class Monitors(Protocol):
    """Where the page reads; the ledger is one."""

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the monitors there are now."""
        ...

    def named(self, key: MonitorKey) -> Entry | None:
        """Return the monitor of a name."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A monitor and the word it says now."""

    entry: Entry
    word: Verdict

    def status(self, *, now: datetime) -> Json:
        """Return its status as it would be written now; ValueError if unjudged."""
        entry = self.entry
        if entry.subject is None:
            raise ValueError(f"{entry.key} is not judged here yet")
        return to_status(
            entry.state,
            entry.policy,
            entry.subject.table,
            generation=entry.generation,
            now=now,
        )


def look(entry: Entry, *, now: datetime) -> Seen:
    """Look at one monitor."""
    return Seen(entry, verdict(entry.state, entry.policy, now=now))


@dataclass(frozen=True, slots=True)
class Census:
    """All monitors by state, the worst first; `unjudged` more are not judged yet."""

    at: datetime
    version: int
    """All changes up to this one are in it."""
    by_state: Mapping[Health, Sequence[Entry]]
    """In the order of their names."""
    unjudged: int = 0

    @property
    def total(self) -> int:
        """Count the monitors that are judged."""
        return sum(map(len, self.by_state.values()))

    @property
    def counts(self) -> dict[Health, int]:
        """Count the monitors by state, the worst first."""
        return {state: len(entries) for state, entries in self.by_state.items()}

    @property
    def namespaces(self) -> list[str]:
        """Return the namespaces that have monitors, in the order of the alphabet."""
        entries = chain.from_iterable(self.by_state.values())
        return sorted({each.key.namespace for each in entries})


class Words:
    """What monitors say, worked out once for each state and remembered by it.

    States never change: another word comes with another state, but for Late, which
    comes with time.
    """

    def __init__(self) -> None:
        self._known: dict[Uid, tuple[State, Policy, Health, datetime | None]] = {}

    def of(self, entry: Entry, *, now: datetime) -> Health:
        """Return the word a monitor says now, as `verdict` does."""
        known = self._known.get(entry.uid)
        if known is None or known[0] is not entry.state or known[1] is not entry.policy:
            known = self._known[entry.uid] = self._work_out(entry, now=now)
        _, _, word, late = known
        return Health.LATE if late is not None and now >= late else word

    def keep(self, uids: Container[Uid]) -> None:
        """Forget all but these."""
        for uid in [each for each in self._known if each not in uids]:
            del self._known[uid]

    @staticmethod
    def _work_out(
        entry: Entry, *, now: datetime
    ) -> tuple[State, Policy, Health, datetime | None]:
        word = verdict(entry.state, entry.policy, now=now).health
        if word not in {Health.UP, Health.LATE}:
            return entry.state, entry.policy, word, None
        late = late_at(entry.state, entry.policy)
        return entry.state, entry.policy, Health.UP, late


class Survey:
    """Takes a census of the monitors when somebody asks for one."""

    def __init__(
        self, monitors: Monitors, changes: Changes, now: Callable[[], datetime]
    ) -> None:
        self._monitors, self._changes, self._now = monitors, changes, now
        self._words = Words()
        self._latest: asyncio.Task[Census] | None = None
        self._version = 0

    async def take(self, version: int = 0) -> Census:
        """Return how the monitors are, or were less than a second ago.

        All changes up to a version are in it.
        """
        latest = self._latest
        if latest is None or self._failed(latest) or self._version < version:
            self._version = self._changes.version
            latest = self._latest = asyncio.create_task(self._look())
        # Whoever hangs up must not take the others' answer away.
        return await asyncio.shield(latest)

    def forget(self) -> None:
        """Drop all that is remembered: it keeps states of a ledger that is gone."""
        self._latest, self._words = None, Words()

    def _expire(self) -> None:
        """Drop the latest census: it is too old to be told."""
        self._latest = None

    @staticmethod
    def _failed(task: "asyncio.Task[Census]") -> bool:
        return task.done() and (task.cancelled() or task.exception() is not None)

    async def _look(self) -> Census:
        now, version, words = self._now(), self._changes.version, self._words
        found: dict[Health, list[Entry]] = {state: [] for state in URGENCY}
        unjudged = 0
        for count, entry in enumerate(self._monitors, start=1):
            if entry.subject is None:
                unjudged += 1
            else:
                found[words.of(entry, now=now)].append(entry)
            if count % CHUNK == 0:
                await asyncio.sleep(0)
        for entries in found.values():
            entries.sort(key=_name)
            await asyncio.sleep(0)
        words.keep({each.uid for each in chain.from_iterable(found.values())})
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._expire)
        return Census(now, version, found, unjudged)


def _name(entry: Entry) -> str:
    """Order by namespace, then by name: no name has a character before the space."""
    return f"{entry.key.namespace} {entry.key.name}"
