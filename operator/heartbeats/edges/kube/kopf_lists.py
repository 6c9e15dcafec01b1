"""What kopf's lists hold goes to its handler at once; kopf itself gets empty lists.

kopf starts a task, a queue and a chain of handlers for every object of a list: of ten
thousand monitors that is half of its start, for objects of which nothing happened. So
its session's answers take the monitors out of each page before kopf sees it. What
happens to a monitor later comes through kopf's watch, which begins where the list
ended. An answer that is no such page is as the library decodes it. It may not know
what a monitor means, nor change what kopf watches.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import msgspec

logger = logging.getLogger(__name__)

_LIST: Final = "HeartbeatMonitorList"


def answers(on_listed: Callable[[Any], None]) -> type[aiohttp.ClientResponse]:
    """Return the answers of a session that hands every listed monitor over.

    A list may be older than what the watch has told of a monitor before: whoever
    listens has to compare their versions.
    """

    class Answer(aiohttp.ClientResponse):
        async def json(self, **options: Any) -> Any:
            """Decode the body; what is no JSON is the library's to complain about."""
            body = await self.read()
            try:
                if msgspec.json.decode(body, type=_Head).kind != _LIST:
                    return msgspec.json.decode(body)
                page = msgspec.json.decode(body, type=_Page)
            except msgspec.DecodeError:
                return await super().json(**options)
            for item in page.items:
                _hand_over(item, on_listed)
            return {"kind": _LIST, "metadata": page.metadata, "items": []}

    return Answer


class _Head(msgspec.Struct):
    kind: Any = None


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    metadata: dict[str, Any]


def _hand_over(item: msgspec.Raw, on_listed: Callable[[Any], None]) -> None:
    """Hand one over; it may not keep the others from being heard of."""
    try:
        on_listed(msgspec.json.decode(item))
    except Exception:
        logger.exception("A listed monitor could not be taken in")
