"""The dialect of First heartbeat: a POST at the end of a job that went well.

The answer is JSON and says how the monitor stands with this heartbeat.
"""

from datetime import UTC, datetime

from aiohttp import web

from heartbeats.core.model import Health, Kind
from heartbeats.edges.ping import answers
from heartbeats.edges.ping.acceptance import Acceptance, Report
from heartbeats.edges.ping.ports import MonitorView
from heartbeats.edges.ping.requests import Call


async def heartbeat(call: Call, acceptance: Acceptance) -> web.Response:
    """Record a success."""
    view = await acceptance.find(call)
    report = Report(kind=Kind.SUCCESS, output=await call.text())
    await acceptance.record(call, view, report)
    now = call.received_at
    return answers.reply(
        {
            "status": health_after_success(view, now=now).value,
            "nextExpected": _written(next_expected_after_success(view, now=now)),
        }
    )


def health_after_success(view: MonitorView, *, now: datetime) -> Health:
    """Foretell what the operator, which hears of it later, will make of a success."""
    health = view.health_at(now=now)
    match health:
        case Health.NEW | Health.UP | Health.LATE:
            return Health.UP
        case Health.DOWN if view.recovers_at_once:
            return Health.UP
        case _:
            return health


def next_expected_after_success(view: MonitorView, *, now: datetime) -> datetime | None:
    """Return when the next run is due, or None when it is not known here."""
    if view.interval is not None:
        return now + view.interval
    due_at = view.next_expected_at
    return due_at if due_at is not None and due_at > now else None


def _written(instant: datetime | None) -> str | None:
    if instant is None:
        return None
    text = instant.astimezone(UTC).isoformat(timespec="seconds")
    return text.replace("+00:00", "Z")
