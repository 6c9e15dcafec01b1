"""Which monitor a token names: the ping role's memory of the cluster.

A reflector of HeartbeatMonitors and the signing keys; tokens are computed from
names and keys, never stored. Tokens from elsewhere are known by their hashes, which
the specs hold. It may not record anything nor change a monitor.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from heartbeats.core import durations
from heartbeats.core.claims import Claimant, Claims
from heartbeats.core.model import Health, MonitorKey, Reason, Uid
from heartbeats.core.tokens import is_ours, mint
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.keyring import Keyring
from heartbeats.edges.kube.objects import Monitor
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.edges.kube.signing import KeySecret
from heartbeats.edges.kube.store import Change, ObjectEvent


class NotCurrentError(Exception):
    """No list newer than the question could be had."""


class TokenDirectory:
    """Finds monitors by token."""

    def __init__(
        self,
        client: Client,
        own_namespace: str,
        namespace: str | None = None,
        *,
        on_key_lost: Callable[[bool], None] = lambda _is_lost: None,
    ) -> None:
        self.keyring = Keyring(
            KeySecret(client, own_namespace),
            client.clock.monotonic,
            on_change=self._mint_all,
            on_lost=on_key_lost,
        )
        self._uids: dict[str, str] = {}
        self._tokens: dict[str, tuple[str, ...]] = {}
        self._claims = Claims()
        self.monitors = Reflector(
            client,
            Selection(MONITORS, Monitor, namespace=namespace),
            on_event=self._see,
        )

    @property
    def problem(self) -> str | None:
        """Say why pings cannot be answered yet; None once monitors and keys were read.

        It does not come back: what was read stays in use, and whoever refuses
        connections is not asked a second time.
        """
        if not self.monitors.lists:
            return "the monitors are not read yet"
        return None if self.keyring.keys else self.keyring.problem

    @property
    def synced(self) -> bool:
        """Tell whether it can be said of any token that it is not one of ours."""
        return self.monitors.synced.is_set() and self.keyring.is_fresh

    def find(self, token: str) -> Monitor | None:
        """Return the monitor a token names, from memory; ours goes before imported."""
        uid = self._uids.get(token) or self._claims.owner(token)
        return None if uid is None else self.monitors.objects.get(uid)

    def is_ours(self, token: str) -> bool:
        """Tell by its code alone whether one of our keys made a token."""
        return is_ours(self.keyring.keys, token)

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
            group.create_task(self.keyring.run())

    def _mint_all(self) -> None:
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
            for signer in self.keyring.keys
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

# Looked up for each ping, where calling the enumeration would cost as much again.
_HEALTH = {each.value: each for each in Health}
_REASONS = {each.value: each for each in Reason}


def health_of(monitor: Monitor) -> Health:
    """Return the word a monitor says; New for one that has no status yet."""
    return _HEALTH.get(monitor.status.state, Health.NEW)


def incident_reason_of(monitor: Monitor) -> Reason | None:
    """Return why a monitor is Down."""
    incident = monitor.status.incident
    return None if incident is None else _REASONS.get(incident.reason)


def interval_of(monitor: Monitor) -> timedelta | None:
    """Return the interval of a monitor without a schedule."""
    text = monitor.spec.interval
    try:
        return None if text is None else durations.parse(text)
    except durations.DurationError:
        return None
