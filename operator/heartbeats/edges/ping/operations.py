"""What each handler takes and answers, for the OpenAPI document.

Only what handlers really do stands here: parameters whose junk is ignored are plain
strings, and tests send what is written here to a running service.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from heartbeats.edges.ping import (
    checkly,
    firstheartbeat,
    honeybadger,
    native,
    overwatch,
)
from heartbeats.edges.ping.routes import Handler

Schema = Mapping[str, Any]

_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ANY_CASE_UUID = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_TO_255 = "0*([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"

_WORD = "[A-Za-z0-9_-]{1,128}"

PLACES: Mapping[str, Schema] = {
    "t": {
        "type": "string",
        "pattern": f"^({_UUID}|{_WORD})$",
        "description": "The monitor's token, from its Secret: a UUID. One that was "
        "imported from elsewhere may be any word, but not at the root.",
    },
    "code": {
        "type": "string",
        "pattern": f"^{_TO_255}$",
        "description": "The job's exit code: 0 is a success, 1 to 255 a failure.",
    },
    "key": {
        "type": "string",
        "pattern": "^[^/]+$",
        "description": "Another system's project key; any will do.",
    },
}
"""What stands for the placeholders of a path."""

QUERY: Mapping[str, Schema] = {
    "rid": {
        "type": "string",
        "pattern": f"^{_ANY_CASE_UUID}$",
        "description": "The run's id; it pairs a start with its end.",
    },
    "state": {
        "type": "string",
        "enum": ["run", "complete", "ok", "fail", ""],
        "description": "What happened; nothing said is a success.",
    },
    "exit_code": {
        "type": "string",
        "pattern": f"^{_TO_255}$",
        "description": "The job's exit code; one that is not 0 is a failure.",
    },
    "duration": {
        "type": "string",
        "description": "How long the run took, in seconds. Ignored if it is no number.",
    },
    "msg": {"type": "string", "description": "A message, kept with the check-in."},
    "message": {"type": "string", "description": "The same; msg goes first."},
    "host": {
        "type": "string",
        "description": "Who pings, unless there is an Origin header.",
    },
    "status": {
        "type": "string",
        "enum": ["ok", "fail"],
        "description": "How the run ended; nothing said is ok.",
    },
}
"""Query parameters by name; others are ignored."""

_OK: Schema = {"type": "string", "const": "OK"}
_STATES = ["New", "Up", "Late", "Down", "Paused", "Unknown"]
_WORDS = ["up", "havent_heard", "down", "paused", "pending"]


def _json(**properties: Schema) -> Schema:
    """Describe a JSON object that has exactly these keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


ERROR = _json(error={"type": "string"})
_RECORDED = _json(
    recorded={"type": "string", "enum": ["ok", "failure"]}, monitor=PLACES["t"]
)
_HEARTBEAT = _json(
    status={"type": "string", "enum": _STATES},
    nextExpected={"type": ["string", "null"], "format": "date-time"},
)
_MONITOR = _json(
    data=_json(
        id=PLACES["t"],
        type={"type": "string", "const": "SCHEDULED"},
        name={"type": "string"},
        status={"type": "string", "enum": _WORDS},
        checkinUrl={"type": "string"},
    )
)

READS = (400, 403, 404, 503)
"""How a request is refused that records nothing."""
RECORDS = (400, 403, 404, 408, 429, 503)
"""How a check-in is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One handler, whichever its paths are."""

    summary: str
    query: tuple[str, ...] = ("host",)
    body: str = "The job's output. Any type; kept are its first 10,000 bytes."
    """What a POST may carry; empty when none is read."""
    success: Schema = field(default_factory=lambda: _OK)
    refusals: tuple[int, ...] = RECORDS


_NATIVE = ("rid", "exit_code", "duration", "msg", "message", "host")
_ENDED = tuple(name for name in _NATIVE if name != "exit_code")

# fmt: off
OPERATIONS: Mapping[Handler, Operation] = {
    native.ping: Operation(
        summary="Report a success, or what state and exit_code say.",
        query=("state", *_NATIVE),
    ),
    native.start: Operation(summary="Report that a run has begun.", query=_NATIVE),
    native.fail: Operation(summary="Report a failure.", query=_NATIVE),
    native.log: Operation(
        summary="Send a message that changes no state.", query=_NATIVE
    ),
    native.ended: Operation(summary="Report an exit code.", query=_ENDED),
    overwatch.check_in: Operation(
        summary="Report a success or, with status=fail, a failure.",
        query=("status", "host"),
        success=_RECORDED,
    ),
    overwatch.look_up: Operation(
        summary="Look a monitor up; records nothing.",
        query=(), body="", success=_MONITOR, refusals=READS,
    ),
    firstheartbeat.heartbeat: Operation(
        summary="Report a success; says how the monitor stands.", success=_HEARTBEAT
    ),
    checkly.heartbeat: Operation(
        summary="Report a success.",
        body="A JSON object is metadata and kept, anything else is output.",
    ),
    honeybadger.check_in: Operation(
        summary="Report what the body says; without one a success.",
        body='{"check_in": {"status", "duration", "exit_code", "stdout", "stderr", …}};'
             " what is no JSON object is output.",
    ),
}
# fmt: on
"""Every handler of the route table."""
