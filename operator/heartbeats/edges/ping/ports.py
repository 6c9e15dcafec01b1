"""What the ping service needs from outside: who a token is, and where pings go.

Protocols and the values they carry; no I/O and no HTTP.
"""

from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from heartbeats.core.model import CheckIn, Health, MonitorKey, Reason, Uid


class NotSureError(Exception):
    """Nobody can say yet whether a token names a monitor: 503, never 404."""


class MonitorView(Struct, frozen=True, kw_only=True):
    """What the ping service knows of a monitor: enough to record and to answer."""

    key: MonitorKey
    uid: Uid
    health: Health = Health.NEW
    incident_reason: Reason | None = None
    next_expected_at: datetime | None = None
    is_ping: bool = True
    suspended: bool = False
    interval: timedelta | None = None
    """None for a cron schedule: then the slot after the next one is not known here."""
    recovers_at_once: bool = True
    """False when one success does not make a Down monitor Up (recoveryThreshold)."""

    def health_at(self, *, now: datetime) -> Health:
        """Return the state at this instant; pausing and Late are not waited for."""
        if self.suspended:
            return Health.PAUSED
        due_at = self.next_expected_at
        if self.health is Health.UP and due_at is not None and now > due_at:
            return Health.LATE
        return self.health


class Directory(Protocol):
    """Knows the monitors by token, from a reflector's memory.

    A token is looked up first; only an unknown one is judged, in this order: caches
    not `synced` or a list still owed (`settle`) is 503, `is_ours` False is 404.
    """

    @property
    def synced(self) -> bool:
        """True once the first list of monitors and the keys have been read."""
        ...

    def lookup(self, token: str) -> MonitorView | None:
        """Return the monitor of a token (minted or imported), from memory."""
        ...

    def is_ours(self, token: str) -> bool:
        """Tell by its code alone whether one of our keys made the token."""
        ...

    async def settle(self, token: str) -> MonitorView | None:
        """Look up again in a list that began after this call.

        None means: proven unknown. Raises NotSureError when no such list can be had;
        the caller cancels it when it takes too long.
        """
        ...


class Recorder(Protocol):
    """Stores check-ins durably."""

    async def record(
        self, view: MonitorView, check_in: CheckIn, *, within: float
    ) -> None:
        """Return when the check-in is stored.

        Raises JournalUnavailable, after `within` seconds at the latest.
        """
        ...


class Observer(Protocol):
    """Counts requests; must not raise."""

    def __call__(self, dialect: str, code: int, seconds: float) -> None:
        """Note one answered request; `dialect` is empty when no route matched."""
        ...
