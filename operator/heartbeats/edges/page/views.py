"""What each page shows: plain values for templates, made of what was seen.

Text of users stays text here; templates escape it. It may not judge.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from heartbeats.config import may_call
from heartbeats.core import durations
from heartbeats.core.model import Health, MonitorKey, Policy, Run, Source
from heartbeats.core.status import to_status
from heartbeats.edges.page import words
from heartbeats.edges.page.query import STATES, Query
from heartbeats.edges.page.survey import Census, Found, Seen, matches

INCIDENTS_SHOWN: Final = 20
"""Open incidents above the list of monitors; their own page has all."""

RECENT: Final = timedelta(hours=24)
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


def open_incidents(census: Census, query: Query) -> list[Seen]:
    """Return what is Down in a query's namespace and text, the newest first."""
    scope = Query(query.namespace, frozenset({Health.DOWN}), query.text)
    down = [each for each in census.seen if matches(each, scope)]
    oldest = census.at - timedelta(days=36_500)
    return sorted(down, key=lambda each: words.since(each) or oldest, reverse=True)


def overview(census: Census, found: Found) -> dict[str, Any]:
    """Show the counts, what is Down, the filter and a page of the monitors."""
    query, now = found.query, census.at
    incidents = open_incidents(census, query)
    return {
        "now": now,
        "version": census.version,
        "query": query,
        "found": found,
        "counts": census.counts,
        "tiles": tiles(census.counts),
        "states": STATES,
        "namespaces": census.namespaces[:OFFERED],
        "unjudged": census.unjudged,
        "total": len(census.seen),
        "incidents": list(lines(incidents[:INCIDENTS_SHOWN], now)),
        "more_incidents": max(0, len(incidents) - INCIDENTS_SHOWN),
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


@dataclass(frozen=True, slots=True)
class BadRun:
    """A run of the last hours that was not good, of a monitor that is not Down."""

    line: Line
    run: Run


def of_incidents(query: Query) -> Query:
    """Return the query for what is Down: a list of incidents has no other states."""
    return replace(query, states=frozenset({Health.DOWN}))


def incidents(census: Census, down: Found) -> dict[str, Any]:
    """Show what is Down, what is Unknown, and what went wrong lately."""
    now, query = census.at, replace(down.query, states=frozenset())
    scope = Query(query.namespace, frozenset(STATES) - {Health.DOWN}, query.text)
    others = [each for each in census.seen if matches(each, scope)]
    unknown = [each for each in others if each.word.health is Health.UNKNOWN]
    bad = _bad_runs(others, now)
    return {
        "now": now,
        "version": census.version,
        "query": query,
        "found": down,
        "lines": list(lines(down.page, now)),
        "unknown": list(lines(unknown[: query.size], now)),
        "unknown_total": len(unknown),
        "bad": bad[: query.size],
        "bad_total": len(bad),
        "turn": lambda page: query.turned(page).at("/incidents"),
    }


def _bad_runs(seen: Iterable[Seen], now: datetime) -> list[BadRun]:
    found = [
        BadRun(Line(each, now), run)
        for each in seen
        for run in each.entry.state.history
        if run.outcome != "success" and now - run.at <= RECENT
    ]
    return sorted(found, key=lambda bad: bad.run.at, reverse=True)


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
    if entry.subject is None:
        raise ValueError(f"{entry.key} is not judged here yet")
    status = to_status(
        entry.state,
        entry.policy,
        entry.subject.table,
        generation=entry.generation,
        now=now,
    )
    awaited = words.deadline(seen)
    return {
        "now": now,
        "line": Line(seen, now),
        "state": entry.state,
        "policy": entry.policy,
        "message": seen.word.message,
        "deadline": awaited.at if awaited else None,
        "conditions": status["conditions"],
        "settings": settings(seen, status["effective"]),
        "notes": entry.policy.notes,
        "is_ping": entry.policy.source is Source.PING,
        "cron_job": entry.spec.cron_job_name,
        "created_at": entry.created_at,
        "ping_pattern": f"{service.rstrip('/')}/ping/TOKEN",
        "format": durations.format,
    }
