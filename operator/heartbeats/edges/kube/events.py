"""Kubernetes Events for flips, in events.k8s.io.

One Event a flip, named after it, so that telling it twice is telling it once. An
Event explains; no verdict and no alert depends on it. Pings never make one.
"""

import socket
from typing import Any

from heartbeats.core.codec import write_instant
from heartbeats.core.model import Flip, Health, MonitorKey, Reason, Uid
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.errors import AlreadyExists
from heartbeats.edges.kube.resources import EVENTS, MONITORS

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
    at = write_instant(flip.at)
    return {
        "apiVersion": EVENTS.api_version,
        "kind": "Event",
        "metadata": {"name": f"{key.name[:200]}.{flip.id}", "namespace": key.namespace},
        "eventTime": at if "." in at else at.replace("Z", ".000000Z"),
        "type": "Warning" if flip.after in _TROUBLES else "Normal",
        "reason": _reason(flip),
        "action": _ACTIONS.get(flip.after, "Judge"),
        "note": _note(f"{flip.before} -> {flip.after}: {flip.message}"),
        "regarding": {
            "apiVersion": MONITORS.api_version,
            "kind": "HeartbeatMonitor",
            "namespace": key.namespace,
            "name": key.name,
            "uid": uid,
        },
        "reportingController": CONTROLLER,
        "reportingInstance": socket.gethostname()[:128] or "heartbeats",
    }


def _reason(flip: Flip) -> str:
    return (flip.reason or Reason.ACCEPTED).value


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
