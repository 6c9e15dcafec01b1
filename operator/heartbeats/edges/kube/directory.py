"""Which monitor a token names: the ping role's memory of the cluster.

A reflector of HeartbeatMonitors and the signing keys; tokens are computed from
names and keys, never stored. Tokens from elsewhere are known by their hashes, which
the specs hold. It may not record anything nor change a monitor.
"""

import asyncio
import logging
from datetime import timedelta

from heartbeats.core import durations
from heartbeats.core.claims import Claimant, Claims
from heartbeats.core.model import Health, MonitorKey, Reason, Uid
from heartbeats.core.tokens import Key, is_ours, mint
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.objects import Monitor
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.edges.kube.signing import KeySecret
from heartbeats.edges.kube.store import Change, ObjectEvent

logger = logging.getLogger(__name__)

KEY_SECONDS = 30.0
NO_KEY_SECONDS = 1.0
"""How often the keys are read, and how often while there are none."""


class NotCurrentError(Exception):
    """No list newer than the question could be had."""


class TokenDirectory:
    """Finds monitors by token."""

    def __init__(
        self, client: Client, own_namespace: str, namespace: str | None = None
    ) -> None:
        self._secret = KeySecret(client, own_namespace)
        self._keys: tuple[Key, ...] = ()
        self._uids: dict[str, str] = {}
        self._tokens: dict[str, tuple[str, ...]] = {}
        self._claims = Claims()
        self.monitors = Reflector(
            client,
            Selection(MONITORS, Monitor, namespace=namespace),
            on_event=self._see,
        )

    @property
    def synced(self) -> bool:
        """Tell whether monitors and keys have been read."""
        return self.monitors.synced.is_set() and bool(self._keys)

    def find(self, token: str) -> Monitor | None:
        """Return the monitor a token names, from memory; ours goes before imported."""
        uid = self._uids.get(token) or self._claims.owner(token)
        return None if uid is None else self.monitors.objects.get(uid)

    def is_ours(self, token: str) -> bool:
        """Tell by its code alone whether one of our keys made a token."""
        return is_ours(self._keys, token)

    async def find_newest(self, token: str, patience: timedelta) -> Monitor | None:
        """Find a token in a list that began after this call.

        Raises NotCurrentError when there was none within `patience`.
        """
        try:
            await self.monitors.confirm(within=patience)
        except errors.KubeError as error:
            raise NotCurrentError(str(error)) from error
        return self.find(token)

    async def run(self) -> None:
        """Keep monitors and keys until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.monitors.run())
            group.create_task(self._keep_keys())

    async def _keep_keys(self) -> None:
        while True:
            try:
                keys = await self._secret.read()
            except errors.KubeError as error:
                logger.warning("The ping keys cannot be read: %s", error)
            else:
                # A key that vanished still verifies: a pruned Secret kills no URL.
                if keys and keys != self._keys:
                    self._use(keys)
            await asyncio.sleep(KEY_SECONDS if self._keys else NO_KEY_SECONDS)

    def _use(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys
        for monitor in self.monitors.objects.values():
            self._enter(monitor)

    def _see(self, event: ObjectEvent[Monitor]) -> None:
        if event.kind is Change.DELETED:
            self._leave(event.object.metadata.uid)
            self._claims.release(Uid(event.object.metadata.uid))
        else:
            self._enter(event.object)

    def _enter(self, monitor: Monitor) -> None:
        uid = monitor.metadata.uid
        self._leave(uid)
        if monitor.spec.ping is None:
            self._claims.release(Uid(uid))
            return
        key = MonitorKey(monitor.metadata.namespace, monitor.metadata.name)
        claimant = Claimant(Uid(uid), key, monitor.metadata.creation_timestamp)
        self._claims.claim(claimant, monitor.spec.ping.token_hashes)
        newest = monitor.spec.ping.token_version
        oldest = min(monitor.spec.ping.min_token_version or newest, newest)
        tokens = tuple(
            mint(signer, key, version)
            for signer in self._keys
            for version in range(max(oldest, newest - MAX_VERSIONS + 1), newest + 1)
        )
        self._tokens[uid] = tokens
        self._uids.update(dict.fromkeys(tokens, uid))

    def _leave(self, uid: str) -> None:
        for token in self._tokens.pop(uid, ()):
            if self._uids.get(token) == uid:
                del self._uids[token]


MAX_VERSIONS = 16
"""As many as the resource's schema allows at once."""


def health_of(monitor: Monitor) -> Health:
    """Return the word a monitor says; New for one that has no status yet."""
    try:
        return Health(monitor.status.state)
    except ValueError:
        return Health.NEW


def incident_reason_of(monitor: Monitor) -> Reason | None:
    """Return why a monitor is Down."""
    incident = monitor.status.incident
    try:
        return None if incident is None else Reason(incident.reason)
    except ValueError:
        return None


def interval_of(monitor: Monitor) -> timedelta | None:
    """Return the interval of a monitor without a schedule."""
    text = monitor.spec.interval
    try:
        return None if text is None else durations.parse(text)
    except durations.DurationError:
        return None
