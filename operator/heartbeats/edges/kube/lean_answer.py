"""Answers whose JSON costs kopf less: decoded in C, without what nobody reads.

The first list of ten thousand monitors is decoded by kopf, which asks its session's
answers for their JSON, and holds thousands of them until their turn comes. Of a page
of monitors it gets no `managedFields`, and the statuses as the bytes that they came
in; every other answer is as the library decodes it.
"""

from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import msgspec

from heartbeats.edges.kube.decode import decode

_LIST: Final = "HeartbeatMonitorList"


@dataclass(frozen=True, slots=True)
class Packed:
    """A status as it came: a tenth of what it is as objects."""

    text: bytes

    def open(self) -> Any:
        """Decode it."""
        return decode(self.text, object)


class LeanAnswer(aiohttp.ClientResponse):
    """An answer of the API server."""

    async def json(self, **options: Any) -> Any:
        """Decode the body; what is no JSON is the library's to complain about."""
        body = await self.read()
        try:
            if msgspec.json.decode(body, type=_Head).kind == _LIST:
                return _monitors(body)
            return msgspec.json.decode(body)
        except msgspec.DecodeError:
            return await super().json(**options)


class _Head(msgspec.Struct):
    kind: Any = None


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    metadata: Any = None


class _Monitor(msgspec.Struct):
    """One of the page: what is not here nobody reads."""

    metadata: dict[str, Any]
    api_version: Any = msgspec.field(default=None, name="apiVersion")
    kind: Any = None
    spec: Any = None
    status: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _monitors(body: bytes) -> Any:
    page = msgspec.json.decode(body, type=_Page)
    return {
        "kind": _LIST,
        "metadata": page.metadata,
        "items": [_monitor(item) for item in page.items],
    }


def _monitor(raw: msgspec.Raw) -> Any:
    try:
        found = msgspec.json.decode(raw, type=_Monitor)
    except msgspec.ValidationError:
        return msgspec.json.decode(raw)  # who reads it says what is odd
    found.metadata.pop("managedFields", None)
    return {
        "apiVersion": found.api_version,
        "kind": found.kind,
        "metadata": found.metadata,
        "spec": found.spec,
        # A copy: what was decoded would keep its whole page.
        **({"status": Packed(bytes(found.status))} if found.status else {}),
    }
