"""Which monitor an imported token belongs to: the oldest of those that claim it.

A token that came from another system is known by its SHA-256 hash alone, which
stands in the spec. Nothing keeps two monitors from writing the same hash, perhaps in
namespaces that know nothing of one another; whoever was there first keeps it.

Pure: both roles hold the same claims and so come to the same answer.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from heartbeats.core.model import MonitorKey, Uid

_NO_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Claimant:
    """A monitor that claims hashes, and how old it is."""

    uid: Uid
    key: MonitorKey
    created_at: datetime | None = None

    @property
    def rank(self) -> tuple[datetime, str]:
        """Return what sorts claimants, the one that wins first."""
        return self.created_at or _NO_TIME, self.uid


def hash_of(token: str) -> str:
    """Return the hash of a token exactly as it stands in a URL."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Claims:
    """All claims there are, kept up to date monitor by monitor."""

    def __init__(self) -> None:
        self._hashes: dict[Uid, tuple[str, ...]] = {}
        self._claimants: dict[str, tuple[Claimant, ...]] = {}

    def __len__(self) -> int:
        """Count the hashes that somebody claims."""
        return len(self._claimants)

    def claim(self, claimant: Claimant, hashes: Iterable[str]) -> set[Uid]:
        """Replace a monitor's claims; returns the others that this may concern."""
        wanted = tuple(dict.fromkeys(hashes))
        if self._hashes.get(claimant.uid, ()) == wanted:
            return set()
        concerned = self.release(claimant.uid)
        for each in wanted:
            others = self._claimants.get(each, ())
            concerned |= {other.uid for other in others}
            ranked = sorted((*others, claimant), key=lambda one: one.rank)
            self._claimants[each] = tuple(ranked)
        if wanted:
            self._hashes[claimant.uid] = wanted
        return concerned

    def release(self, uid: Uid) -> set[Uid]:
        """Forget a monitor's claims; returns the others that this may concern."""
        concerned: set[Uid] = set()
        for each in self._hashes.pop(uid, ()):
            left = tuple(one for one in self._claimants[each] if one.uid != uid)
            concerned |= {one.uid for one in left}
            if left:
                self._claimants[each] = left
            else:
                del self._claimants[each]
        return concerned

    def owner(self, token: str) -> Uid | None:
        """Return the monitor that a token from elsewhere belongs to."""
        if not self._claimants:
            return None
        claimants = self._claimants.get(hash_of(token))
        return claimants[0].uid if claimants else None

    def lost(self, uid: Uid) -> list[tuple[str, MonitorKey]]:
        """Return the hashes that a monitor claims in vain, and who has each."""
        return [
            (each, self._claimants[each][0].key)
            for each in self._hashes.get(uid, ())
            if self._claimants[each][0].uid != uid
        ]
