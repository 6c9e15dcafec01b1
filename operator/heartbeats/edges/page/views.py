"""What each page shows: plain values for templates, made of what was seen.

Text of users stays text here; templates escape it. It may not judge.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from heartbeats.config import may_call
from heartbeats.core import durations
from heartbeats.core.model import Health, MonitorKey, Policy, Source
from heartbeats.core.verdict import URGENCY
from heartbeats.edges.page import words
from heartbeats.edges.page.query import Query
from heartbeats.edges.page.search import BadRun, Found
from heartbeats.edges.page.survey import Census, Seen

INCIDENTS_SHOWN: Final = 20
"""Open incidents above the list of monitors; their own page has all."""

OFFERED: Final = 200
"""Namespaces offered by the form: any other can be typed."""


def path_of(key: MonitorKey) -> str:
    """Return where a monitor's own page is."""
    return f"/monitors/{quote(key.namespace, safe='')}/{quote(key.name, safe='')}"


@dataclass(frozen=True, slots=True)
class Line:
    """A monitor as lists show it."""

    seen: Seen
    now: datetime

    @property
    def key(self) -> MonitorKey:
        """Return where it lives."""
        return self.seen.entry.key

    @property
    def path(self) -> str:
        """Return where its own page is."""
        return path_of(self.key)

    @property
    def health(self) -> str:
        """Return its word."""
        return self.seen.word.health.value

    @property
    def reason(self) -> str:
        """Return why, in one word."""
        return self.seen.word.reason.value

    @property
    def message(self) -> str:
        """Return why, in a sentence."""
        return words.message(self.seen)

    @property
    def since(self) -> datetime | None:
        """Return since when it is so."""
        return words.since(self.seen)

    @property
    def policy(self) -> Policy:
        """Return what is applied to it."""
        return self.seen.entry.policy

    @property
    def schedule(self) -> str:
        """Tell when its runs are due."""
        return words.schedule(self.policy)

    @property
    def runbook(self) -> str | None:
        """Return its runbook, if that is a web address."""
        url = self.policy.runbook_url
        return url if url and may_call(url) else None

    @property
    def marks(self) -> list[words.Mark]:
        """Return its last runs."""
        return words.strip(self.seen.entry.state)

    @property
    def last_at(self) -> datetime | None:
        """Return when it was last heard of."""
        last = self.seen.entry.state.last_check_in
        return last.at if last else None

    @property
    def following(self) -> str:
        """Say what is awaited next."""
        return words.following(self.seen, self.now)


def lines(seen: Iterable[Seen], now: datetime) -> Iterator[Line]:
    """Return monitors as lists show them."""
    return (Line(each, now) for each in seen)


def of_incidents(query: Query, size: int | None = None) -> Query:
    """Return the query for what is Down: a list of incidents has no other states."""
    page, size = (query.page, query.size) if size is None else (1, size)
    return Query(query.namespace, frozenset({Health.DOWN}), query.text, page, size)


def overview(census: Census, found: Found, down: Found) -> dict[str, Any]:
    """Show the counts, what is Down, the filter and a page of the monitors."""
    query, now = found.query, census.at
    return {
        "now": now,
        "version": census.version,
        "query": query,
        "found": found,
        "counts": census.counts,
        "tiles": tiles(census.counts),
        "states": URGENCY,
        "namespaces": census.namespaces[:OFFERED],
        "unjudged": census.unjudged,
        "total": census.total,
        "incidents": list(lines(down.page, now)),
        "more_incidents": down.total - len(down.page),
        "all_incidents": Query(query.namespace, text=query.text).at("/incidents"),
        "lines": lines(found.page, now),
        "turn": lambda page: query.turned(page).at("/"),
    }


def tiles(counts: Mapping[Health, int]) -> list[tuple[Health, int, str]]:
    """Return each state with its number and where only its monitors are shown."""
    return [
        (state, count, Query(states=frozenset({state})).at("/"))
        for state, count in counts.items()
    ]


def incidents(
    census: Census, down: Found, unknown: Found, bad: tuple[int, Sequence[BadRun]]
) -> dict[str, Any]:
    """Show what is Down, what is Unknown, and what went wrong lately."""
    now, query = census.at, replace(down.query, states=frozenset())
    bad_total, newest = bad
    return {
        "now": now,
        "version": census.version,
        "query": query,
        "found": down,
        "lines": list(lines(down.page, now)),
        "unknown": list(lines(unknown.page, now)),
        "unknown_total": unknown.total,
        "bad": [(Line(each.seen, now), each.run) for each in newest],
        "bad_total": bad_total,
        "turn": lambda page: query.turned(page).at("/incidents"),
    }


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that is applied to a monitor, and who said so."""

    name: str
    value: str
    origin: str


_BUILT_IN: Final = (
    "gracePeriod",
    "failureThreshold",
    "recoveryThreshold",
    "historyLimit",
)


def settings(seen: Seen, effective: dict[str, Any]) -> list[Setting]:
    """Return what is really applied, with where each value came from."""
    spec, policy = seen.entry.spec, seen.entry.policy
    origins = dict(policy.origins)
    written = {
        "recoveryThreshold": spec.recovery_threshold,
        "historyLimit": spec.history_limit,
        "firstCheckInWithin": spec.first_check_in_within,
    }
    origins |= {name: "spec" for name, value in written.items() if value is not None}
    origins.setdefault("activeDeadline", "activeDeadlineSeconds of the Job")
    if policy.orphaned:
        origins["schedule"] = "the CronJob as it was last seen"
    if policy.source is Source.PING and policy.time_zone:
        origins["timeZone"] = "spec" if spec.time_zone else "built in"
    for name in _BUILT_IN:
        origins.setdefault(name, "built in")
    shown = {k: v for k, v in effective.items() if k not in {"origins", "interval"}}
    order = sorted(shown, key=lambda name: _ORDER.index(name) if name in _ORDER else 99)
    return [
        Setting(
            name, str(shown[name]), origins.get(name) or origins.get("interval", "")
        )
        for name in order
    ]


_ORDER: Final = (
    *("schedule", "timeZone", "gracePeriod", "maxRuntime", "activeDeadline"),
    *("firstCheckInWithin", "failureThreshold", "recoveryThreshold", "historyLimit"),
    *("severity", "owner", "description", "runbookURL"),
)


def monitor(seen: Seen, service: str, now: datetime) -> dict[str, Any]:
    """Show all that is known of one monitor."""
    entry = seen.entry
    status = seen.status(now=now)
    return {
        "now": now,
        "line": Line(seen, now),
        "state": entry.state,
        "policy": entry.policy,
        "message": seen.word.message,
        "explained": words.explained(seen, now),
        "conditions": status["conditions"],
        "settings": settings(seen, status["effective"]),
        "is_ping": entry.policy.source is Source.PING,
        "cron_job": entry.spec.cron_job_name,
        "created_at": entry.created_at,
        "ping_pattern": f"{service.rstrip('/')}/ping/TOKEN",
        "format": durations.format,
    }
