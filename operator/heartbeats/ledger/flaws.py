"""What is wrong with the URLs of ping monitors, though they are judged all the same.

Either the key that signs them was lost, or a token that was imported belongs to an
older monitor. It knows specs and names; what it finds becomes Ready=False.
"""

from heartbeats.core.claims import Claimant, Claims
from heartbeats.core.model import Reason, Source, Trouble, Uid
from heartbeats.ledger.entries import Entry

_SHOWN = 12
"""So many digits of a hash tell which one it is."""


class Flaws:
    """Holds the claims to imported tokens, and whether the key was lost."""

    def __init__(self) -> None:
        self._claims = Claims()
        self._key_lost: Trouble | None = None

    def of(self, entry: Entry) -> Trouble | None:
        """Return what is wrong with the URL of a monitor."""
        if entry.spec.source is not Source.PING:
            return None
        return self._key_lost or self._conflict(entry.uid)

    def lose_key(self, why: str | None) -> bool:
        """Note that the signing key is lost, or found again; False: it is no news."""
        found = None if why is None else Trouble(Reason.KEY_LOST, why)
        is_news, self._key_lost = found != self._key_lost, found
        return is_news

    def see(self, entry: Entry) -> set[Uid]:
        """Take over a monitor's claims; returns the others that this may concern."""
        claimant = Claimant(entry.uid, entry.key, entry.created_at)
        hashes = entry.spec.token_hashes if entry.spec.source is Source.PING else ()
        return self._claims.claim(claimant, hashes)

    def forget(self, uid: Uid) -> set[Uid]:
        """Forget a monitor that is gone; returns the others that this may concern."""
        return self._claims.release(uid)

    def _conflict(self, uid: Uid) -> Trouble | None:
        lost = self._claims.lost(uid)
        if not lost:
            return None
        said = ", ".join(f"{each[:_SHOWN]}… of {owner}" for each, owner in lost)
        return Trouble(
            Reason.TOKEN_CONFLICT,
            "Imported tokens are those of an older monitor, which hears their pings: "
            f"{said}. Remove the hash from spec.ping.tokenHashes of one of the two.",
        )
