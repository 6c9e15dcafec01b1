"""What frozen values are made of: the one door of the core to msgspec (decision 6).

Structs are made, copied and compared in C, and JSON is put into one order there.
Nothing else of msgspec may be used here: statuses are read and written field by field
(`codec`), never by its decoders.
"""

import json

import msgspec
from msgspec import Struct, field
from msgspec.structs import fields, replace

__all__ = ["Struct", "canonical", "field", "fields", "replace"]


def canonical(value: dict[str, object]) -> bytes:
    """Return JSON that is the same for equal objects, whatever order they came in."""
    try:
        return msgspec.json.encode(value, order="deterministic")
    except UnicodeEncodeError:  # half a character, by hand
        return json.dumps(value, sort_keys=True).encode()
