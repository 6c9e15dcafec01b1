"""Kubernetes Events for flips, in events.k8s.io.

One Event a flip, named after it, so that telling it twice is telling it once. An
Event explains; no verdict and no alert depends on it. Pings never make one.
"""

import socket
from datetime import datetime
from typing import Any

from heartbeats.core.codec import write_instant
from heartbeats.core.model import Flip, Health, MonitorKey, Uid
from heartbeats.core.verdict import stable_id
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.errors import AlreadyExists, Forbidden, NotFound
from heartbeats.edges.kube.resources import EVENTS, MONITORS, Resource

CONTROLLER = "heartbeats.dev/operator"
NOTE_BYTES = 1000
"""The API refuses notes of more than 1 kB."""

_ACTIONS = {
    Health.DOWN: "Alert",
    Health.UP: "Clear",
    Health.PAUSED: "Pause",
    Health.UNKNOWN: "Judge",
    Health.NEW: "Judge",
}
_TROUBLES = {Health.DOWN, Health.UNKNOWN}


def is_worth_telling(flip: Flip) -> bool:
    """Tell whether people want an Event: not for a monitor's first words.

    A thousand adopted CronJobs become Up one by one; that is no news.
    """
    if flip.after in _TROUBLES:
        return True
    return flip.before is not Health.NEW


def event_of(key: MonitorKey, uid: Uid, flip: Flip) -> dict[str, Any]:
    """Write a flip as an Event."""
    event = _event(
        _named(key.name, flip.id),
        _reference(MONITORS, ("HeartbeatMonitor", key.namespace, key.name, uid)),
        flip.at,
        f"{flip.before} -> {flip.after}: {flip.message}",
    )
    return event | {
        "type": "Warning" if flip.after in _TROUBLES else "Normal",
        "reason": flip.reason.value,
        "action": _ACTIONS.get(flip.after, "Judge"),
    }


Named = tuple[str, str, str, str]
"""Kind, namespace, name and uid of an object."""


def _reference(resource: Resource, named: Named) -> dict[str, str]:
    kind, namespace, name, uid = named
    return {
        "apiVersion": resource.api_version,
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "uid": uid,
    }


def _event(
    name: str, regarding: dict[str, str], at: datetime, note: str
) -> dict[str, Any]:
    text = write_instant(at)
    return {
        "apiVersion": EVENTS.api_version,
        "kind": "Event",
        "metadata": {"name": name, "namespace": regarding["namespace"]},
        "eventTime": text if "." in text else text.replace("Z", ".000000Z"),
        "note": _note(note),
        "regarding": regarding,
        "reportingController": CONTROLLER,
        "reportingInstance": socket.gethostname()[:128] or "heartbeats",
    }


def _named(about: str, fact: str) -> str:
    """Name an Event after what it is about; a cut name must end as names do."""
    return f"{about[:200].rstrip('-.')}.{fact}"


def _note(text: str) -> str:
    return text.encode()[:NOTE_BYTES].decode(errors="ignore")


class EventPoster:
    """Posts Events; one that is there already was posted before a restart."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def post(self, key: MonitorKey, uid: Uid, flip: Flip) -> None:
        """Post a flip's Event; raises ApiError."""
        try:
            await self._client.create(
                EVENTS, event_of(key, uid, flip), namespace=key.namespace
            )
        except AlreadyExists:
            return

    async def warn(
        self,
        resource: Resource,
        named: Named,
        why: tuple[str, str],
        note: str,
        *,
        now: datetime,
    ) -> None:
        """Post a Warning about any object, once an hour for the same words."""
        reason, action = why
        hour = now.replace(minute=0, second=0, microsecond=0)
        name = _named(named[2], stable_id(*named, reason, hour.isoformat()))
        body = _event(name, _reference(resource, named), now, note)
        body |= {"type": "Warning", "reason": reason, "action": action}
        try:
            await self._client.create(EVENTS, body, namespace=named[1])
        except (AlreadyExists, Forbidden, NotFound):
            return  # told already, or nobody there can be told
