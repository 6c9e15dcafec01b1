"""The Events that the cluster still keeps of a monitor, the newest first.

It may not write any.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

from heartbeats.console.access import Cluster
from heartbeats.console.problems import right_hint
from heartbeats.core.model import Uid
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.decode import decode
from heartbeats.edges.kube.objects import KubeObject, Time
from heartbeats.edges.kube.refusals import CORE_EVENTS

SHOWN: Final = 10


class Happening(msgspec.Struct, frozen=True):
    """An Event, as a person reads it."""

    at: datetime | None
    type: str
    reason: str
    message: str


class _Event(KubeObject, frozen=True, kw_only=True, rename="camel"):
    type: str = ""
    reason: str = ""
    message: str = ""
    last_timestamp: Time | None = None
    event_time: Time | None = None


async def happenings_of(
    cluster: Cluster, namespace: str, uid: Uid
) -> list[Happening] | str:
    """Read the Events about an object, or say why they cannot be read."""
    params = {"fieldSelector": f"involvedObject.uid={uid}"}
    try:
        page = await cluster.client.list_page(
            CORE_EVENTS, namespace=namespace, params=params
        )
    except errors.Forbidden as error:
        return f"not readable: {error}. {right_hint(str(error))}"
    found = [_told(decode(raw, _Event)) for raw in page.items or ()]
    return sorted(found, key=lambda each: each.at or _NEVER, reverse=True)[:SHOWN]


_NEVER = datetime.min.replace(tzinfo=UTC)


def _told(event: _Event) -> Happening:
    at = event.last_timestamp or event.event_time or event.metadata.creation_timestamp
    return Happening(at, event.type, event.reason, event.message)
