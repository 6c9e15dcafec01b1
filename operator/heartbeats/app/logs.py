"""How this process logs: text for people, or one JSON object a line.

Logs go to standard error; standard output belongs to the event log. Records may
carry fields (`extra`); no token and no URL of a ping is ever one of them.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

from heartbeats.config import LogFormat

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def configure(form: LogFormat, level: str) -> None:
    """Set up the root logger; called once a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form is LogFormat.JSON else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    # kopf tells of each of its own steps; what matters of them is told here.
    logging.getLogger("kopf").setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """A line for people, in UTC."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s%(fields)s")

    def formatTime(  # noqa: N802 - the standard library's name
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        """Write the time as RFC 3339."""
        del datefmt
        return _instant(record)

    def format(self, record: logging.LogRecord) -> str:
        """Append the fields to the message."""
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        record.fields = f"  [{fields}]" if fields else ""
        return super().format(record)


class JsonFormatter(logging.Formatter):
    """One object a line, for log collectors."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record with all its fields."""
        line = {
            **{name: _json(value) for name, value in _fields(record).items()},
            "time": _instant(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _instant(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(value: object) -> object:
    """Return what JSON can hold: a value's text where it is not such a value."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return str(value)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {
        name: value
        for name, value in vars(record).items()
        if name not in _OWN and name != "fields"
    }
