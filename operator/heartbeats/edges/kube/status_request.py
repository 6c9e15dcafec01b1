"""The one request that stores a status, in the two forms that it may need.

It carries the resourceVersion that the status was derived from, so whoever lost touch
is refused. It decides nothing: the `writer` does.
"""

from typing import Any

import msgspec

from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.objects import KubeObject
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.ledger import Entry

FIELD_MANAGER = "heartbeats-status"


class Held(KubeObject, frozen=True, gc=False, kw_only=True):
    """A monitor as it is answered, with all of its status."""

    status: dict[str, Any] = msgspec.field(default_factory=dict)


async def send_status(client: Client, entry: Entry, status: dict[str, Any]) -> bytes:
    """Apply a status, or replace one that holds what others wrote; raises ApiError.

    Applying takes away only what applying has put there: not what somebody else
    wrote, nor what a replacement of ours did. Returns the monitor as it is then.
    """
    key = entry.key
    if not entry.edited:
        return await client.apply(
            MONITORS,
            key.name,
            _body(entry, status),
            manager=FIELD_MANAGER,
            force=True,
            namespace=key.namespace,
            subresource="status",
        )
    version = {
        "op": "test",
        "path": "/metadata/resourceVersion",
        "value": entry.resource_version,
    }
    patch = [version, {"op": "add", "path": "/status", "value": status}]
    return await client.request(
        "PATCH",
        MONITORS.path(key.namespace, key.name, "status"),
        params={"fieldManager": FIELD_MANAGER},
        body=msgspec.json.encode(patch),
        content_type="application/json-patch+json",
    )


def _body(entry: Entry, status: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": MONITORS.api_version,
        "kind": "HeartbeatMonitor",
        "metadata": {
            "name": entry.key.name,
            "namespace": entry.key.namespace,
            "uid": entry.uid,
            "resourceVersion": entry.resource_version,
        },
        "status": status,
    }
