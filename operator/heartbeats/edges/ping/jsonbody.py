"""Reads JSON bodies that people's jobs write, and keeps what can be kept of them.

Lenient, because shell scripts paste output into JSON; bounded, because it ends up in
the journal. Never raises for what a client sent.
"""

import json
import math

from heartbeats.edges.ping import texts

_DEPTH = 8
_TOO_DEEP = "(nested too deeply)"


def parse(text: str) -> dict[str, object] | None:
    """Return the JSON object in a body, every value clean; None if there is none."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        # Not strict: line breaks within strings are allowed.
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return {texts.clean_line(key): _plain(item, _DEPTH) for key, item in value.items()}


def fit(value: dict[str, object], limit: int) -> dict[str, object]:
    """Keep the keys, in their order, whose JSON fits into `limit` bytes together."""
    kept: dict[str, object] = {}
    for key, item in value.items():
        size = written_size({key: item})
        if size <= limit:
            kept[key] = item
            limit -= size
    return kept


def written_size(value: object) -> int:
    """Return the bytes a value takes as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _plain(value: object, depth: int) -> object:
    """Make a parsed value one that every JSON reader and terminal can take."""
    match value:
        case str():
            return texts.clean(value)
        case float() if not math.isfinite(value):
            return None
        case dict() | list() if depth == 0:
            return _TOO_DEEP
        case dict():
            return {
                texts.clean_line(key): _plain(item, depth - 1)
                for key, item in value.items()
            }
        case list():
            return [_plain(item, depth - 1) for item in value]
        case _:
            return value
