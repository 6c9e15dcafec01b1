"""Secrets as the operator means to write them, and as others write theirs.

Sends nothing.
"""

from http import HTTPStatus
from typing import Any

from support.control_plane import POLICY
from support.kube import RefusedError
from support.resources import SECRETS, Object

TREASURE = "dHJlYXN1cmU="
"""The value of somebody else's Secret, in base64."""

LABELS = {
    "app.kubernetes.io/managed-by": "heartbeats",
    "heartbeats.dev/secret": "ping-url",
}


NOBODY = "4f2b7a1c-4b5f-4c53-9a35-1d0f5d0a1f8e"
"""A uid for owners of what is not stored."""


def owner(name: str = "nightly", uid: str = NOBODY) -> Object:
    """Return a reference to a monitor; without its uid, the collector sweeps."""
    return {
        "apiVersion": "heartbeats.dev/v1alpha1",
        "kind": "HeartbeatMonitor",
        "name": name,
        "uid": uid,
        "controller": True,
    }


def secret(namespace: str, name: str, **fields: Any) -> Object:
    """Return an Opaque Secret with these fields (and metadata)."""
    metadata = {"name": name, "namespace": namespace, **fields.pop("metadata", {})}
    return {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "metadata": metadata,
        "type": "Opaque",
        **fields,
    }


def ping_secret(namespace: str, uid: str = NOBODY) -> Object:
    """Return a Secret as the operator means to write it."""
    return secret(
        namespace,
        "nightly-ping",
        metadata={"labels": dict(LABELS), "ownerReferences": [owner(uid=uid)]},
        data={"url": "aHR0cHM6Ly9waW5n"},
    )


def is_refused_by_the_policy(refusal: RefusedError) -> bool:
    """Tell the policy's refusal from the authorizer's."""
    return refusal.status == HTTPStatus.FORBIDDEN and POLICY in refusal.message


def is_refused_by_the_authorizer(refusal: RefusedError) -> bool:
    """Tell the authorizer's refusal from the policy's."""
    return refusal.status == HTTPStatus.FORBIDDEN and POLICY not in refusal.message
