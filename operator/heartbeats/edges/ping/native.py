"""The native dialect: Healthchecks' protocol, with a few parameters more.

`/ping/{t}` is a success, `/start`, `/fail`, `/log` and `/{0..255}` say what else
happened. `rid` pairs a start with its end. Answers are text.
"""

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


async def ended(call: Call, acceptance: Acceptance) -> web.Response:
    """Record the exit code in the path: 0 is a success."""
    return await _record(call, acceptance, Kind.SUCCESS)


async def _record(call: Call, acceptance: Acceptance, kind: Kind) -> web.Response:
    # Read before the token is looked up: a malformed request is 400 whatever it names.
    run_id, exit_code = call.run_id(), _exit_code(call)
    view = await acceptance.find(call)
    report = Report(
        kind=_judge(kind, exit_code),
        run_id=run_id,
        duration=call.duration(),
        exit_code=exit_code,
        message=call.message(),
        output=await call.text(),
    )
    await acceptance.record(call, view, report)
    return answers.ok()


def _exit_code(call: Call) -> int | None:
    text = call.code or call.param("exit_code")
    return None if text is None else requests.exit_code(text)


def _judge(kind: Kind, exit_code: int | None) -> Kind:
    """Take an exit code that is not 0 at its word: that was no success."""
    return Kind.FAILURE if kind is Kind.SUCCESS and exit_code else kind
