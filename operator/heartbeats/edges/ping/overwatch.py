"""The dialect of Overwatch's SCHEDULED monitors: check in, and look a monitor up.

Answers are JSON. GET and POST are the same.
"""

from datetime import datetime

from aiohttp import web

from heartbeats.core.model import Health, Kind, Reason
from heartbeats.edges.ping import answers
from heartbeats.edges.ping.acceptance import Acceptance, Report
from heartbeats.edges.ping.ports import MonitorView
from heartbeats.edges.ping.requests import Call

_STATUSES = {"ok": Kind.SUCCESS, "fail": Kind.FAILURE}
_RECORDED = {Kind.SUCCESS: "ok", Kind.FAILURE: "failure"}


async def check_in(call: Call, acceptance: Acceptance) -> web.Response:
    """Record a success, or with `status=fail` a failure."""
    status = call.param("status")
    kind = _STATUSES.get("ok" if status is None else status)
    if kind is None:
        raise answers.bad_request("status is ok or fail")
    view = await acceptance.find(call)
    report = Report(kind=kind, output=await call.text())
    await acceptance.record(call, view, report)
    return answers.reply({"recorded": _RECORDED[kind], "monitor": call.token})


async def look_up(call: Call, acceptance: Acceptance) -> web.Response:
    """Tell what is known of a monitor; records nothing."""
    view = await acceptance.find(call)
    url = f"{call.base_url()}/api/v1/monitors/{call.token}/checkin"
    data = {
        "id": call.token,
        "type": "SCHEDULED",
        "name": view.key.name,
        "status": status_word(view, now=call.received_at),
        "checkinUrl": url,
    }
    return answers.reply({"data": data})


def status_word(view: MonitorView, *, now: datetime) -> str:
    """Say the monitor's state in Overwatch's words."""
    match view.health_at(now=now):
        case Health.UP | Health.LATE:
            return "up"
        case Health.DOWN:
            reported = view.incident_reason is Reason.RUN_FAILED
            return "down" if reported else "havent_heard"
        case Health.PAUSED:
            return "paused"
        case Health.NEW | Health.UNKNOWN:
            return "pending"
