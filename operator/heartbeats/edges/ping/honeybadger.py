"""The dialect of Honeybadger's check-ins: a GET, or a POST that tells about the run.

`{"check_in": {"status", "duration", "exit_code", "stdout", "stderr", …}}`; the keys
we do not know are kept for the event log. Exactly 200, else its clients say it failed.
A body that is no JSON is output, never a reason to refuse.
"""

import re
from datetime import timedelta

from aiohttp import web

from heartbeats.core.model import Kind
from heartbeats.edges.ping import answers, jsonbody, requests, texts
from heartbeats.edges.ping.acceptance import Acceptance, Report
from heartbeats.edges.ping.requests import Call

JSON_LIMIT = 128 * 1024
"""Bytes read: its client sends 16 kB of output, and JSON can make them six times."""

LABEL_LIMIT = 100
LAST_LINE_LIMIT = 500
MAX_EXIT_CODE = 2**31
SUCCESS = "success"
_OWN_KEYS = ("status", "duration", "exit_code", "stdout", "stderr")

# In JSON that can't be parsed (a quote in pasted output, a body cut off) the status
# is still worth finding: a failure must not be taken for a success.
_STATUS = re.compile(r'(?<!\\)"status"\s*:\s*"([^"\\]*)"')


async def check_in(call: Call, acceptance: Acceptance) -> web.Response:
    """Record what the body says; without one it is a success."""
    view = await acceptance.find(call)
    text = await call.text(JSON_LIMIT)
    payload = _payload(text)
    report = _from_text(text) if payload is None else _from_json(payload)
    await acceptance.record(call, view, report)
    return answers.ok()


def _payload(text: str) -> dict[str, object] | None:
    body = jsonbody.parse(text)
    if body is None:
        return None
    inner = body.get("check_in")
    return inner if isinstance(inner, dict) else body


def _from_text(text: str) -> Report:
    """Take a body that is no JSON object as the job's output."""
    found = _STATUS.search(text) if text.lstrip().startswith("{") else None
    label = found[1] if found else None
    return Report(
        kind=_kind(label, None),
        output=texts.cut(text, answers.BODY_LIMIT),
        detail=_label(label),
    )


def _from_json(payload: dict[str, object]) -> Report:
    status, exit_code = payload.get("status"), _exit_code(payload.get("exit_code"))
    others = {key: item for key, item in payload.items() if key not in _OWN_KEYS}
    detail = jsonbody.fit(others, answers.BODY_LIMIT)
    streams = _streams(payload, answers.BODY_LIMIT - jsonbody.written_size(detail))
    output = streams.get("stderr") or streams.get("stdout") or ""
    return Report(
        kind=_kind(status, exit_code),
        duration=requests.span(payload.get("duration"), timedelta(milliseconds=1)),
        exit_code=exit_code,
        # The last line says most: it is where an exception names itself.
        output=texts.cut(output.rstrip().rpartition("\n")[2], LAST_LINE_LIMIT),
        streams=streams,
        detail=detail | _label(status),
    )


def _kind(status: object, exit_code: int | None) -> Kind:
    """Judge by the status; by the exit code only when there is no status."""
    if status is None:
        return Kind.FAILURE if exit_code else Kind.SUCCESS
    return Kind.SUCCESS if status == SUCCESS else Kind.FAILURE


def _label(status: object) -> dict[str, object]:
    """Keep the caller's own word for the outcome."""
    return {} if status is None else {"status": str(status)[:LABEL_LIMIT]}


def _exit_code(value: object) -> int | None:
    """Read an exit code; -1 says that the command could not be started."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) <= MAX_EXIT_CODE else None


def _streams(payload: dict[str, object], room: int) -> dict[str, str]:
    """Keep what fits of the outputs, stderr first."""
    streams = {}
    for name in ("stderr", "stdout"):
        text = payload.get(name)
        if isinstance(text, str) and text:
            streams[name] = texts.cut(text, max(room, 0))
            room -= len(streams[name].encode())
    return streams
