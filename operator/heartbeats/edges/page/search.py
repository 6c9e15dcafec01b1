"""Which monitors a query asks for, and what went wrong with them lately.

As in a survey, a few are looked at before others may run. It may not know how anything
is shown.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from heartbeats.core.model import Health, Run
from heartbeats.edges.page.query import Query
from heartbeats.edges.page.survey import CHUNK, Census, Seen, look
from heartbeats.ledger.entries import Entry

RECENT: Final = timedelta(hours=24)


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


async def find(
    census: Census, query: Query, order: Callable[[Entry], float] | None = None
) -> Found:
    """Return what a query asks for, the worst first or in another order."""
    matched: list[Entry] = []
    async for entries in _matching(census, query):
        matched += entries
    if order is not None:
        matched.sort(key=order)
    first = (query.page - 1) * query.size
    page = matched[first : first + query.size]
    return Found(query, len(matched), [look(each, now=census.at) for each in page])


def newest_first(entry: Entry) -> float:
    """Order by since when it is so."""
    state = entry.state
    since_at = state.incident.opened_at if state.incident else state.changed_at
    return 0.0 if since_at is None else -since_at.timestamp()


@dataclass(frozen=True, slots=True)
class BadRun:
    """A run that was not good."""

    seen: Seen
    run: Run


async def bad_runs(census: Census, query: Query) -> tuple[int, Sequence[BadRun]]:
    """Return how many runs were bad lately, of what is not Down, and the newest."""
    scope = Query(query.namespace, frozenset(Health) - {Health.DOWN}, query.text)
    since_at = census.at - RECENT
    found: list[tuple[Run, Entry]] = []
    async for entries in _matching(census, scope):
        found += (
            (run, entry)
            for entry in entries
            for run in entry.state.history
            if run.outcome != "success" and run.at >= since_at
        )
    found.sort(key=lambda each: each[0].at, reverse=True)
    newest = found[: query.size]
    return len(found), [
        BadRun(look(entry, now=census.at), run) for run, entry in newest
    ]


async def _matching(census: Census, query: Query) -> AsyncIterator[Sequence[Entry]]:
    for state, entries in census.by_state.items():
        if query.states and state not in query.states:
            continue
        for first in range(0, len(entries), CHUNK):
            part = entries[first : first + CHUNK]
            yield [entry for entry in part if _matches(entry, query)]
            await asyncio.sleep(0)


def _matches(entry: Entry, query: Query) -> bool:
    if query.namespace and entry.key.namespace != query.namespace:
        return False
    return not query.text or query.text.casefold() in searched(entry)


def searched(entry: Entry) -> str:
    """Return the text in which is looked for a monitor: names, reason, owner.

    Taken from what is known anyway: to judge ten thousand for a search takes long.
    """
    state, policy = entry.state, entry.policy
    said = state.incident or state.trouble or state
    return " ".join(
        (
            str(entry.key),
            entry.spec.cron_job_name or "",
            said.reason,
            said.message,
            policy.owner or "",
            policy.severity or "",
        )
    ).casefold()
