"""The key Secret as its owner handles it, and what is seen of it from outside.

For tests on a cluster of their own, whose keys they may lose. It holds no expectations.
"""

import base64
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from heartbeats.core.tokens import Key
from support.kube import Kube, wait_until
from support.operators import SYSTEM, ping_url
from support.processes import Process
from support.resources import SECRETS, Object
from support.scrapes import scrape
from support.workloads import condition_of

KEY_SECRET = "heartbeats-ping-key"
SOON = 60.0


def fresh_key() -> str:
    """Make a key as the documentation says, as it stands in the Secret."""
    return base64.b64encode(os.urandom(32)).decode()


def put_keys(kube: Kube, **data: str) -> None:
    """Write the key Secret over the one that is there, or as a new one."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": KEY_SECRET, "namespace": SYSTEM},
        "type": "Opaque",
        "data": data,
    }
    there = {each["metadata"]["name"] for each in kube.items(SECRETS, SYSTEM)}
    (kube.replace if KEY_SECRET in there else kube.create)(secret)


@contextmanager
def without_key(kube: Kube) -> Iterator[None]:
    """Lose the key Secret, and restore it from a backup."""
    backup = kube.get(SECRETS, SYSTEM, KEY_SECRET)["data"]
    kube.delete(SECRETS, SYSTEM, KEY_SECRET)
    try:
        yield
    finally:
        put_keys(kube, **backup)


def delivered(kube: Kube, namespace: str, name: str, *, other_than: str) -> str:
    """Return the path of the URL that takes the place of another."""

    def is_another(found: Object | None) -> bool:
        if found is None:
            return False
        url = base64.b64decode(found["data"]["url"]).decode()
        return urlsplit(url).path != other_than

    wait_until(kube, SECRETS, namespace, f"{name}-ping", is_another, timeout=SOON)
    return urlsplit(ping_url(kube, namespace, name)).path


def series(process: Process, text: str) -> bool:
    """Tell whether a role's metrics have a line."""
    return f"\nheartbeat_operator_{text}\n" in scrape(process)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what offers nothing to watch."""
    ends = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.2)


def names_key(key: str) -> Callable[[Object | None], bool]:
    """Return a predicate: the status names the key that signed its URL."""
    key_id = Key.of(base64.b64decode(key)).id

    def holds(found: Object | None) -> bool:
        ping: Object = (found or {}).get("status", {}).get("ping", {})
        return bool(ping.get("keyID") == key_id)

    return holds


def is_ready_because(reason: str) -> Callable[[Object | None], bool]:
    """Return a predicate: the condition Ready has this reason."""

    def holds(found: Object | None) -> bool:
        if not (found or {}).get("status"):
            return False
        return bool(condition_of(found or {}, "Ready")["reason"] == reason)

    return holds
