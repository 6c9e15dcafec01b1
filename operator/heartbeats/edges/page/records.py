"""Monitors as JSON, for programs: the names are those of the status, where it has them.

docs/status-page.md describes every field, and a test compares. Additions only.
It may not hold what a status does not.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from heartbeats.core.codec import write_instant
from heartbeats.core.model import Incident
from heartbeats.edges.page import words
from heartbeats.edges.page.render import HEADERS
from heartbeats.edges.page.search import Found
from heartbeats.edges.page.survey import Census, Seen

Json = dict[str, Any]

AT_ONCE: Final = 100
"""Monitors written before others may run: some milliseconds."""

PATH: Final = "/api/v1/monitors"
_DETAILS: Final[tuple[str, ...]] = (
    *("conditions", "effective", "lastCheckIn", "lastStartTime", "activeRuns"),
    *("consecutiveSuccesses", "history"),
)


def answer(body: Json, status: int = 200) -> web.Response:
    """Answer with JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")) + "\n"
    return web.Response(
        text=text, status=status, content_type="application/json", headers=HEADERS
    )


async def listing(census: Census, found: Found) -> Json:
    """Write a page of monitors, with what is needed to get the next."""
    monitors: list[Json] = []
    for number, seen in enumerate(found.page, start=1):
        monitors.append(record(seen))
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
    query = found.query
    following = query.turned(query.page + 1).at(PATH)
    return {
        "time": write_instant(census.at),
        "counts": {state.value: count for state, count in census.counts.items()},
        "unjudged": census.unjudged,
        "total": found.total,
        "page": query.page,
        "pages": found.pages,
        "next": following if query.page < found.pages else None,
        "monitors": monitors,
    }


def record(seen: Seen) -> Json:
    """Write what a list tells of a monitor; what never was is left out."""
    entry, word = seen.entry, seen.word
    state, policy = entry.state, entry.policy
    awaited = words.deadline(seen)
    return _present(
        {
            "namespace": entry.key.namespace,
            "name": entry.key.name,
            "state": word.health.value,
            "reason": word.reason.value,
            "message": word.message,
            "sinceTime": words.since(seen),
            "source": policy.source.value,
            "cronJob": entry.spec.cron_job_name,
            "schedule": words.schedule(policy),
            "lastSuccessTime": state.last_success_at,
            "lastFailureTime": state.last_failure_at,
            "nextExpectedTime": state.next_expected_at,
            "deadline": awaited.at if awaited else None,
            "consecutiveFailures": state.consecutive_failures,
            "severity": policy.severity,
            "owner": policy.owner,
            "description": policy.description,
            "runbookURL": policy.runbook_url,
            "incident": _incident(state.incident),
        }
    )


def details(seen: Seen, *, now: datetime) -> Json:
    """Write all that is told of one monitor."""
    status = seen.status(now=now)
    more = {name: status[name] for name in _DETAILS if name in status}
    return {"time": write_instant(now), **record(seen), **more}


def _incident(incident: Incident | None) -> Json | None:
    if incident is None:
        return None
    return _present(
        {
            "openedTime": incident.opened_at,
            "reason": incident.reason.value,
            "message": incident.message,
            "slotTime": incident.slot_at,
        }
    )


def _present(fields: Mapping[str, Any]) -> Json:
    return {
        name: write_instant(value) if isinstance(value, datetime) else value
        for name, value in fields.items()
        if value is not None and value != ""
    }
