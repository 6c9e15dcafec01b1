"""The native dialect: Healthchecks' protocol, with a few parameters more.

`/ping/{t}` is a success, `/start`, `/fail`, `/log` and `/{0..255}` say what else
happened. `rid` pairs a start with its end. Answers are text.
"""

from dataclasses import replace

from aiohttp import web

from heartbeats.core.model import Kind
from heartbeats.edges.ping import answers, requests
from heartbeats.edges.ping.acceptance import Acceptance, Report
from heartbeats.edges.ping.requests import Call

_STATES = {
    "run": Kind.START,
    "complete": Kind.SUCCESS,
    "ok": Kind.SUCCESS,
    "fail": Kind.FAILURE,
}


async def ping(call: Call, acceptance: Acceptance) -> web.Response:
    """Record what `state` and `exit_code` say: nothing said is a success."""
    state = call.param("state") or "ok"
    if state not in _STATES:
        raise answers.bad_request("state is run, complete, ok or fail")
    return await _record(call, acceptance, _STATES[state])


async def start(call: Call, acceptance: Acceptance) -> web.Response:
    """Record that a run has begun."""
    return await _record(call, acceptance, Kind.START)


async def fail(call: Call, acceptance: Acceptance) -> web.Response:
    """Record a failure."""
    return await _record(call, acceptance, Kind.FAILURE)


async def log(call: Call, acceptance: Acceptance) -> web.Response:
    """Record a message that changes nothing."""
    return await _record(call, acceptance, Kind.LOG)


async def exit_code(call: Call, acceptance: Acceptance) -> web.Response:
    """Record the exit code in the path: 0 is a success."""
    return await _record(call, acceptance, Kind.SUCCESS)


async def _record(call: Call, acceptance: Acceptance, kind: Kind) -> web.Response:
    # Read before the token is looked up, so that a malformed request is always 400.
    report = _with_exit_code(
        Report(
            kind=kind,
            run_id=call.run_id(),
            duration=call.duration(),
            message=call.message(),
        ),
        call.code or call.param("exit_code"),
    )
    view = await acceptance.find(call)
    report = replace(report, output=await call.text())
    await acceptance.record(call, view, report)
    return answers.ok()


def _with_exit_code(report: Report, text: str | None) -> Report:
    """Add an exit code; one that is not 0 makes a success a failure."""
    if text is None:
        return report
    code = requests.exit_code(text)
    failed = code != 0 and report.kind is Kind.SUCCESS
    kind = Kind.FAILURE if failed else report.kind
    return replace(report, exit_code=code, kind=kind)
