"""Delivers each ping monitor's URL in a Secret beside it: `<monitor>-ping`, key `url`.

The operator cannot read Secrets, only write these, and only behind an admission
policy that keeps it from touching any other. So no Secret is written before the
policy and its binding were read back unchanged; until then, and with
--no-ping-secrets, `heartbeats url` tells the URL.
"""

import asyncio
import base64
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from heartbeats.core.model import Source, Uid
from heartbeats.core.tokens import Key, mint
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.decode import decode
from heartbeats.edges.kube.resources import (
    ADMISSION_POLICIES,
    ADMISSION_POLICY_BINDINGS,
    MONITORS,
    SECRETS,
)
from heartbeats.ledger import Entry

logger = logging.getLogger(__name__)

POLICY: Final = "heartbeats-ping-secrets"
POLICY_DIGEST: Final = (
    "2c57ad4dc9b6f9efc1d9988d722ba4a227e36ce6d0852a6dedacaa1acb460654"
)
"""Of the shipped policy and binding; a test keeps it equal to manifests/base."""

SHIPPED_NAMESPACE: Final = "heartbeats-system"
LABELS: Final = {
    "app.kubernetes.io/managed-by": "heartbeats",
    "heartbeats.dev/secret": "ping-url",
}
RECHECK_SECONDS = 60.0
TRUST_SECONDS = 10.0
"""How long the policy is taken to stand after it was read."""


def policy_digest(policy: Mapping[str, Any], binding: Mapping[str, Any]) -> str:
    """Name the content of a policy and its binding."""
    text = json.dumps([policy, binding], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Guard:
    """Knows whether the admission policy stands as it was shipped."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def problem(self) -> str | None:
        """Say why no Secret may be written; None: it may."""
        try:
            policy = await self._spec(ADMISSION_POLICIES.path(name=POLICY))
            binding = await self._spec(ADMISSION_POLICY_BINDINGS.path(name=POLICY))
        except errors.ApiError as error:
            return f"the admission policy {POLICY} cannot be read: {error.message}"
        if policy_digest(policy, binding) == POLICY_DIGEST:
            return None
        return (
            f"the admission policy {POLICY} or its binding is not the one of this "
            "release: apply manifests/base again, or run with --no-ping-secrets"
        )

    async def _spec(self, path: str) -> dict[str, Any]:
        body = decode(await self._client.request("GET", path), dict[str, Any])
        text = json.dumps(body.get("spec") or {})
        for form in (":{}:", "'{}'"):
            ours, shipped = form.format(self._namespace), form.format(SHIPPED_NAMESPACE)
            if ours != shipped and shipped in text:
                return {}  # it guards the account of another namespace
            text = text.replace(ours, shipped)
        found: dict[str, Any] = json.loads(text)
        return found


def url_of(public_url: str, key: Key, entry: Entry) -> str:
    """Return the URL a job calls for a monitor."""
    token = mint(key, entry.key, entry.spec.token_version)
    return f"{public_url.rstrip('/')}/ping/{token}"


class PingUrls:
    """Keeps the Secrets equal to what the keys and the monitors say."""

    def __init__(self, client: Client, guard: Guard | None, public_url: str) -> None:
        self._client = client
        self._guard = guard
        self._public_url = public_url
        self._keys: tuple[Key, ...] = ()
        self._queue: asyncio.Queue[Uid] = asyncio.Queue()
        self._waiting: dict[Uid, Entry] = {}
        self._retried: set[Uid] = set()
        self._written: dict[Uid, str] = {}
        self._refused = ""
        self._trusted_until = 0.0
        self.on_delivered: Callable[[Uid, str], None] = lambda _uid, _key_id: None
        """Hears of each monitor whose Secret holds its URL, and which key signed it."""

    @property
    def delivers(self) -> bool:
        """Tell whether Secrets are written at all."""
        return self._guard is not None

    def use(self, keys: tuple[Key, ...]) -> None:
        """Take over the keys; the first signs."""
        self._keys = keys

    def mark(self, entry: Entry) -> None:
        """Note that a monitor's Secret may have to be written."""
        if self._guard is None or not self._keys or entry.deleting:
            return
        if entry.spec.source is not Source.PING or entry.uid in self._waiting:
            return
        if self._url(entry) != self._written.get(entry.uid):
            self._waiting[entry.uid] = entry
            self._queue.put_nowait(entry.uid)

    def forget(self, uid: Uid) -> None:
        """Forget a monitor; its Secret is collected with it."""
        self._written.pop(uid, None)
        self._waiting.pop(uid, None)
        self._retried.discard(uid)

    async def run(self) -> None:
        """Write Secrets until cancelled."""
        while True:
            uid = await self._queue.get()
            await self._when_guarded()
            entry = self._waiting.pop(uid, None)
            if entry is None:
                continue
            try:
                await self._deliver(entry)
            except errors.KubeError as error:
                self._later(entry, error)

    async def _when_guarded(self) -> None:
        """Return when the policy stands: no Secret is written before."""
        now = self._client.clock.monotonic
        while self._guard is not None and now() >= self._trusted_until:
            problem = await self._guard.problem()
            if problem is None:
                self._trusted_until = now() + TRUST_SECONDS
                break
            if problem != self._refused:
                logger.warning("No ping Secrets are written: %s", problem)
            self._refused = problem
            await asyncio.sleep(RECHECK_SECONDS)
        self._refused = ""

    def _later(self, entry: Entry, error: errors.KubeError) -> None:
        """Try one Secret again later, while the others go on."""
        logger.warning("The ping Secret of %s waits: %s", entry.key, error)
        self._retried.add(entry.uid)
        asyncio.get_running_loop().call_later(RECHECK_SECONDS, self._retry, entry)

    def _retry(self, entry: Entry) -> None:
        if entry.uid in self._retried:  # it was not forgotten meanwhile
            self._retried.discard(entry.uid)
            self.mark(entry)

    async def _deliver(self, entry: Entry) -> None:
        url, key_id = self._url(entry), self._keys[0].id
        if self._written.get(entry.uid) == url:
            return  # it was marked again while it was being delivered
        try:
            await self._put(_secret(entry, url), entry.key.namespace)
        except errors.NotFound:
            return  # the namespace is gone
        except errors.Forbidden as error:
            if not error.has_cause("NamespaceTerminating"):
                raise
            return
        self._written[entry.uid] = url
        self.on_delivered(entry.uid, key_id)

    async def _put(self, secret: dict[str, Any], namespace: str) -> None:
        """Create or overwrite a Secret, never patch it.

        The error of a patch that is refused may print the whole Secret, so the right
        to patch is not granted.
        """
        path = SECRETS.path(namespace, secret["metadata"]["name"])
        for _ in range(2):
            try:
                await self._client.create(SECRETS, secret, namespace=namespace)
            except errors.AlreadyExists:
                # An old one may be collected before it is overwritten.
                with suppress(errors.NotFound):
                    await self._client.request("PUT", path, body=secret)
                    return
            else:
                return

    def _url(self, entry: Entry) -> str:
        return url_of(self._public_url, self._keys[0], entry)


def _secret(entry: Entry, url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"{entry.key.name}-ping",
            "namespace": entry.key.namespace,
            "labels": LABELS,
            "ownerReferences": [
                {
                    "apiVersion": MONITORS.api_version,
                    "kind": "HeartbeatMonitor",
                    "name": entry.key.name,
                    "uid": entry.uid,
                }
            ],
        },
        "type": "Opaque",
        "data": {"url": base64.b64encode(url.encode()).decode()},
    }
