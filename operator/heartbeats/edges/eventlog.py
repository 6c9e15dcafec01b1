"""The check_in event log: one JSON line for each check-in, expired window and pause.

It goes to standard output and, if wanted, to a file. A line may come twice after a
crash, then with the same `id`. The log decides nothing, and no failure to write may
ever stop whoever calls it.
"""

import json
import logging
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TextIO

import msgspec

from heartbeats.core.model import CheckIn, Flip, Health, Kind, MonitorKey, Reason
from heartbeats.core.transitions import Missed

TEXT_LIMIT: Final = 10_000
"""Characters of one text in a line: outputs, messages, the caller's own values."""

NAME_LIMIT: Final = 200
"""Characters of a label, a source or an id."""

LINE_LIMIT: Final = 400_000
"""Characters of a whole line. Our own keys always fit: three texts of 10,000
characters, each of which JSON may have to write with twelve."""

DEPTH_LIMIT: Final = 8
MAX_EXACT: Final = 2**63
"""Larger whole numbers are written as floats: few readers have more than 64 bits."""

_OUTPUTS: Final = frozenset({"stdout", "stderr"})
_OWN_KEYS: Final = frozenset(
    {"status", "duration", "exit_code", "ts", "id", "slot", "source", "run_id"}
    | {"cluster", "message"}
)

logger = logging.getLogger(__name__)
Event = Mapping[str, object]


def for_check_in(
    key: MonitorKey, check_in: CheckIn, cluster: str
) -> dict[str, object] | None:
    """Describe a reported fact; None for a Job that vanished: nobody reported it."""
    if check_in.kind is Kind.VANISHED:
        return None
    detail = {str(name): value for name, value in check_in.detail}
    theirs = {name: value for name, value in detail.items() if name not in _OWN_KEYS}
    theirs |= {name: str(theirs[name]) for name in _OUTPUTS & theirs.keys()}
    ours = {
        "status": _status(check_in.kind, detail.get("status")),
        "duration": _milliseconds(check_in.duration),
        "exit_code": check_in.exit_code,
        "message": _cut(check_in.message, TEXT_LIMIT),
        "ts": _instant(check_in.at),
        "id": _cut(check_in.id, NAME_LIMIT),
        "slot": _instant(check_in.slot_at),
        "source": _cut(check_in.source, NAME_LIMIT),
        "run_id": _cut(check_in.run_id or "", NAME_LIMIT),
        "cluster": cluster,
    }
    return _event(key, "reporting", theirs | _present(ours))


def for_missed(key: MonitorKey, missed: Missed, cluster: str) -> dict[str, object]:
    """Describe a window that expired below the failure threshold."""
    return _event(key, "missing", _silence("missing", missed, cluster))


def for_flip(key: MonitorKey, flip: Flip, cluster: str) -> dict[str, object] | None:
    """Describe a pause or an expired window; None when another line says it.

    A failure has its check-in's line. Down after a pause is the incident from before
    it, whose line is out already.
    """
    if flip.after is Health.PAUSED:
        return _event(key, "paused", _silence("paused", flip, cluster))
    expired = flip.after is Health.DOWN and flip.reason is not Reason.RUN_FAILED
    if not expired or flip.before is Health.PAUSED:
        return None
    return _event(key, "missing", _silence("missing", flip, cluster))


def _event(key: MonitorKey, state: str, payload: Event) -> dict[str, object]:
    return {
        "event_type": "check_in",
        "check_in_id": str(key),
        "state": state,
        "payload": dict(payload),
    }


def _silence(status: str, fact: Missed | Flip, cluster: str) -> Event:
    return _present(
        {
            "status": status,
            "reason": fact.reason.value,
            "message": _cut(fact.message, TEXT_LIMIT),
            "ts": _instant(fact.at),
            "id": fact.id,
            "slot": _instant(fact.slot_at),
            "cluster": cluster,
        }
    )


def _present(values: Event) -> dict[str, object]:
    return {
        name: value
        for name, value in values.items()
        if value is not None and value != ""
    }


def _status(kind: Kind, label: object) -> str:
    """Keep the caller's word for a failure, unless it claims the opposite."""
    if kind is Kind.FAILURE and isinstance(label, str) and label.strip():
        return "failure" if label == "success" else _cut(label, NAME_LIMIT)
    return kind.value


def _milliseconds(span: timedelta | None) -> int | float | None:
    if span is None:
        return None
    exact = span / timedelta(milliseconds=1)
    return int(exact) if exact.is_integer() else exact


def _instant(at: datetime | None) -> str | None:
    """Write an instant as RFC 3339 in UTC, to the millisecond."""
    if at is None:
        return None
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def encode(event: Event) -> str:
    """Write an event as one line of valid ASCII JSON without its end."""
    line = _json(event)
    payload = event.get("payload")
    if len(line) <= LINE_LIMIT or not isinstance(payload, Mapping):
        return line
    # Only the caller's own keys can be this much: they are left out.
    known = {
        name: value for name, value in payload.items() if name in _OWN_KEYS | _OUTPUTS
    }
    return _json({**event, "payload": {**known, "truncated": True}})


def _json(value: object) -> str:
    safe = _safe(value, DEPTH_LIMIT)
    text = msgspec.json.encode(safe)
    # ASCII, because U+2028 and friends end a line for some readers.
    return text.decode() if text.isascii() else json.dumps(safe, separators=(",", ":"))


def _safe(value: object, depth: int) -> object:
    """Turn whatever a caller sent into what JSON can hold; most of it is text."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping | list | tuple):
        return _safe_inside(value, depth) if depth else "…"
    return _safe_scalar(value)


def _safe_inside(
    value: Mapping[object, object] | list[object] | tuple[object, ...], depth: int
) -> object:
    if isinstance(value, Mapping):
        return {
            _clean(str(name)[:NAME_LIMIT]): _safe(item, depth - 1)
            for name, item in value.items()
        }
    return [_safe(item, depth - 1) for item in value]


def _safe_scalar(value: object) -> object:
    match value:
        case None | bool():
            return value
        case int() | float():
            return _number(value)
        case datetime():
            return _instant(value)
        case timedelta():
            return _milliseconds(value)
        case _:
            return _clean(str(value))


def _clean(text: str) -> str:
    text = _cut(text, TEXT_LIMIT)
    return text if text.isascii() else text.encode(errors="replace").decode()


def _number(value: float) -> float | None:
    if isinstance(value, int) and abs(value) < MAX_EXACT:
        return int(value)
    try:
        rounded = float(value)
    except OverflowError:
        return None
    return rounded if math.isfinite(rounded) else None


class EventLog:
    """Writes events to a stream and, if there is a path, to the end of a file.

    `on_error` is told of each line that could not be written somewhere.
    """

    def __init__(
        self, stream: TextIO, path: Path | None, on_error: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._path = path
        self._on_error = on_error
        self._is_torn = False
        self._failing: set[str] = set()

    def write(self, event: Event) -> None:
        """Write one line everywhere; never raises for a full disk or a closed pipe."""
        line = encode(event) + "\n"
        self._attempt("standard output", lambda: self._print(line))
        if (path := self._path) is not None:
            self._attempt(str(path), lambda: self._append(path, line.encode()))

    def _attempt(self, where: str, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            if where not in self._failing:
                self._failing.add(where)
                logger.error("the event log can't write to %s: %s", where, error)  # noqa: TRY400 - a full disk needs no traceback
            self._on_error()
        else:
            if where in self._failing:
                self._failing.remove(where)
                logger.warning("the event log writes to %s again", where)

    def _print(self, line: str) -> None:
        self._stream.write(line)
        self._stream.flush()

    def _append(self, path: Path, line: bytes) -> None:
        """Append a line; opened each time, so that a rotated file is left alone."""
        data = b"\n" + line if self._is_torn else line
        with path.open("ab", buffering=0) as file:
            written = file.write(data)
        if written is None or written < len(data):
            self._is_torn = True
            raise OSError("only a part of the line was written")
        self._is_torn = False
