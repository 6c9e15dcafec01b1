"""How much anybody may put into the journal: one monitor, and all together.

Counts bytes and entries as time goes by; what is refused is refused before it takes
up any room. Knows no clock: the time is an argument, in seconds.
"""

from dataclasses import dataclass

from heartbeats.core.model import Uid
from heartbeats.journal.errors import JournalUnavailable, ShareExceeded

MOST_SHARES = 20_000
"""Monitors that are remembered; who was idle for long has a full share anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the journal takes, and how much of it may wait."""

    bytes_per_second: float = 1024 * 1024
    """Of entries, on average (`--journal-bytes-per-second`).

    etcd keeps what was deleted for 5 to 10 minutes, until its history is compacted,
    and takes no more writes at 2 GiB: 600 s of this must stay far below.
    """
    burst_seconds: float = 64.0
    """So many seconds' worth of bytes may come at once: 64 MiB are the outputs of
    thousands of jobs that fail together."""
    waiting_bytes: int = 8 * 1024 * 1024
    """Of entries that are not stored yet."""
    waiting_entries: int = 20_000
    pings_per_second: float = 10.0
    """Of one monitor, on average."""
    ping_burst: float = 100.0
    """So many pings of one monitor may come at once."""


class Bucket:
    """An allowance that fills up as time goes by."""

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, rate: float, most: float, *, now: float) -> None:
        self._rate, self._most = rate, most
        self._left, self._at = most, now

    def take(self, amount: float, *, now: float) -> bool:
        """Take an amount if there is as much."""
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < amount:
            return False
        self._left -= amount
        return True

    def is_full(self, *, now: float) -> bool:
        """Tell whether nothing was taken for a while."""
        return self._left + (now - self._at) * self._rate >= self._most


class Shares:
    """Keeps one monitor from taking what all need."""

    def __init__(self, limits: Limits, *, now: float) -> None:
        self._limits = limits
        burst = limits.bytes_per_second * limits.burst_seconds
        self._bytes = Bucket(limits.bytes_per_second, burst, now=now)
        self._shares: dict[Uid, Bucket] = {}

    def take(self, uid: Uid, size: int, *, now: float) -> None:
        """Let an entry in; raises ShareExceeded, or JournalUnavailable for all."""
        if not self._share(uid, now).take(1, now=now):
            rate = self._limits.pings_per_second
            raise ShareExceeded(f"this monitor sends more than {rate:g} pings a second")
        if not self._bytes.take(size, now=now):
            raise JournalUnavailable("more bytes of pings come than the journal takes")

    def _share(self, uid: Uid, now: float) -> Bucket:
        share = self._shares.get(uid)
        if share is None:
            if len(self._shares) >= MOST_SHARES:
                self._forget_idle(now)
            limits = self._limits
            share = Bucket(limits.pings_per_second, limits.ping_burst, now=now)
            self._shares[uid] = share
        return share

    def _forget_idle(self, now: float) -> None:
        busy = {u: b for u, b in self._shares.items() if not b.is_full(now=now)}
        self._shares = busy if len(busy) < MOST_SHARES else {}
