"""How all monitors are at one instant, and which of them a query asks for.

Thousands are looked at a few at a time, so that nobody else waits, and whoever asks
within the same second shares one look. It may not know how anything is shown.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from heartbeats.core.model import Health, MonitorKey
from heartbeats.core.verdict import Verdict, verdict
from heartbeats.edges.page.changes import Changes
from heartbeats.edges.page.query import STATES, Query
from heartbeats.ledger.entries import Entry

CHUNK: Final = 250
"""Monitors looked at before others may run: about a millisecond."""

KEPT_SECONDS: Final = 1.0
"""How long a look serves whoever asks next."""

RANK: Final = {health: rank for rank, health in enumerate(STATES)}


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

    @property
    def urgency(self) -> tuple[int, str, str]:
        """Sort by this, the worst first."""
        key = self.entry.key
        return RANK[self.word.health], key.namespace, key.name


def look(entry: Entry, *, now: datetime) -> Seen:
    """Look at one monitor."""
    return Seen(entry, verdict(entry.state, entry.policy, now=now))


@dataclass(frozen=True, slots=True)
class Census:
    """All monitors, the worst first; `unjudged` more are not judged here yet."""

    at: datetime
    version: int
    """All changes up to this one are in it."""
    seen: Sequence[Seen]
    unjudged: int

    @property
    def counts(self) -> dict[Health, int]:
        """Count the monitors by state, the worst first."""
        counted = Counter(each.word.health for each in self.seen)
        return {health: counted[health] for health in STATES}

    @property
    def namespaces(self) -> list[str]:
        """Return the namespaces that have monitors, in the order of the alphabet."""
        return sorted({each.entry.key.namespace for each in self.seen})


@dataclass(frozen=True, slots=True)
class Found:
    """What a query left of a census, and the page that it asked for."""

    query: Query
    total: int
    page: Sequence[Seen]

    @property
    def pages(self) -> int:
        """Return how many pages there are: at least one."""
        return max(1, -(-self.total // self.query.size))


class Survey:
    """Takes a census of the monitors when somebody asks for one."""

    def __init__(
        self, monitors: Monitors, changes: Changes, now: Callable[[], datetime]
    ) -> None:
        self._monitors, self._changes, self._now = monitors, changes, now
        self._latest: asyncio.Task[Census] | None = None

    async def take(self) -> Census:
        """Return how the monitors are, or were less than a second ago."""
        if self._latest is None or self._failed(self._latest):
            self._latest = asyncio.create_task(self._look())
        # Whoever hangs up must not take the others' answer away.
        return await asyncio.shield(self._latest)

    def forget(self) -> None:
        """Drop the latest census: it keeps what may be gone."""
        self._latest = None

    @staticmethod
    def _failed(task: "asyncio.Task[Census]") -> bool:
        return task.done() and (task.cancelled() or task.exception() is not None)

    async def _look(self) -> Census:
        now, version = self._now(), self._changes.version
        seen: list[Seen] = []
        unjudged = 0
        for count, entry in enumerate(self._monitors, start=1):
            if entry.subject is None:
                unjudged += 1
            else:
                seen.append(look(entry, now=now))
            if count % CHUNK == 0:
                await asyncio.sleep(0)
        seen.sort(key=lambda each: each.urgency)
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self.forget)
        return Census(now, version, seen, unjudged)


async def find(census: Census, query: Query) -> Found:
    """Return what a query asks for, in the order of the census."""
    matched: list[Seen] = []
    for first in range(0, len(census.seen), CHUNK):
        part = census.seen[first : first + CHUNK]
        matched += [each for each in part if matches(each, query)]
        await asyncio.sleep(0)
    first = (query.page - 1) * query.size
    return Found(query, len(matched), matched[first : first + query.size])


def matches(seen: Seen, query: Query) -> bool:
    """Tell whether a monitor is asked for."""
    if query.namespace and seen.entry.key.namespace != query.namespace:
        return False
    if query.states and seen.word.health not in query.states:
        return False
    return not query.text or query.text.casefold() in searched(seen)


def searched(seen: Seen) -> str:
    """Return the text in which is looked for a monitor: names, reason, owner."""
    policy = seen.entry.policy
    return " ".join(
        (
            str(seen.entry.key),
            seen.entry.spec.cron_job_name or "",
            seen.word.reason,
            seen.word.message,
            policy.owner or "",
            policy.severity or "",
        )
    ).casefold()
