"""The keys that sign ping tokens: one Secret in the operator's own namespace.

It holds `current`, which signs, and perhaps `previous`, which still verifies. It
is made here when nobody supplied it, but never while any status names a key: then
it was lost, and a new key would silently kill every URL that is in use.
"""

import base64
import binascii
import logging
from collections.abc import Callable
from typing import Final

import msgspec

from heartbeats.core.tokens import Key
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.objects import Record
from heartbeats.edges.kube.resources import SECRETS

logger = logging.getLogger(__name__)

KEY_SECRET: Final = "heartbeats-ping-key"  # noqa: S105 - a name
FIELDS: Final = ("current", "previous")
KEY_BYTES: Final = 32


class KeyLostError(Exception):
    """The key Secret is gone though tokens signed by it are in use."""


class _Secret(Record, frozen=True, kw_only=True):
    data: dict[str, str] = msgspec.field(default_factory=dict)


class KeySecret:
    """Reads the keys, and makes the first one."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._told: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Return where the keys are, for people."""
        return f"{self._namespace}/{KEY_SECRET}"

    async def read(self) -> tuple[Key, ...]:
        """Return the keys, the one that signs first; none when there is no such one.

        A previous key alone signs nothing: it is on its way out.
        """
        try:
            secret = await self._client.get(
                SECRETS, KEY_SECRET, _Secret, namespace=self._namespace
            )
        except errors.NotFound:
            return ()
        current, *others = (self._key(name, secret.data.get(name)) for name in FIELDS)
        return () if current is None else (current, *filter(None, others))

    async def read_or_create(
        self, *, in_use: bool, random_bytes: Callable[[int], bytes]
    ) -> tuple[Key, ...]:
        """Return the keys, making one if there never was any.

        Raises KeyLostError when `in_use` says that there must have been one, or when
        the Secret is there and has no key that can sign: it is its owner's to mend.
        """
        keys = await self.read()
        if keys:
            return keys
        if in_use:
            raise KeyLostError(
                f"Secret {self.name} is missing or has no usable key `current`, but "
                "ping URLs signed by it are in use: restore it from a backup. Until "
                "then they work only as long as the ping service is not restarted. To "
                "give all of them up, put a new key there: openssl rand 32."
            )
        await self._create(random_bytes(KEY_BYTES))
        keys = await self.read()
        if not keys:
            raise KeyLostError(
                f"Secret {self.name} has no usable key `current`: put one there, for "
                "example `openssl rand 32`, or delete the Secret to have one made."
            )
        return keys

    async def _create(self, secret: bytes) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": KEY_SECRET, "namespace": self._namespace},
            "type": "Opaque",
            "data": {"current": base64.b64encode(secret).decode()},
        }
        try:
            await self._client.create(SECRETS, body, namespace=self._namespace)
        except errors.AlreadyExists:
            return

    def _key(self, name: str, text: str | None) -> Key | None:
        """Read a key; what is wrong with it is told once, not at every look."""
        problem, key = "", None
        try:
            key = (
                None if text is None else Key.of(base64.b64decode(text, validate=True))
            )
        except (ValueError, binascii.Error) as error:
            problem = str(error)
        if problem and self._told.get(name) != problem:
            # Without a traceback: a key must not reach a log by one.
            logger.error(
                "The key %s in Secret %s is unusable: %s", name, self.name, problem
            )
        self._told[name] = problem
        return key
