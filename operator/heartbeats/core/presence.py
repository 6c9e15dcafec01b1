"""When somebody was there to hear pings, and when nobody was.

Each stretch in which a ping replica was there without a break is one presence.
Where none covers a time between two of them, pings were refused or lost, and
silence then proves nothing. Pure: presences come in, blindness comes out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from heartbeats.core.model import Blindness

RENEWED_EVERY = timedelta(seconds=5)
ALIVE_FOR = timedelta(seconds=15)
"""A presence that was renewed within this time is taken to last."""


@dataclass(frozen=True, slots=True, order=True)
class Presence:
    """A stretch of time in which one replica answered, as it proved itself."""

    began_at: datetime
    proven_until: datetime


def gaps(presences: Iterable[Presence], *, now: datetime) -> list[Blindness]:
    """Return the times that no presence covers, from the first of them up to now.

    Before the first presence nobody could be missing anything. Of who was there a
    moment ago it is not known yet whether it still is.
    """
    found: list[Blindness] = []
    for covered, began_at in _breaks(presences):
        if now - covered > ALIVE_FOR:
            found.append(Blindness(began_at=covered, ended_at=began_at or now))
    return found


def is_uncertain(presences: Iterable[Presence], *, now: datetime) -> bool:
    """Tell whether there may be a gap before the newest presence: wait a little."""
    return any(
        began_at is not None and now - covered <= ALIVE_FOR
        for covered, began_at in _breaks(presences)
    )


def _breaks(
    presences: Iterable[Presence],
) -> Iterator[tuple[datetime, datetime | None]]:
    """Yield until when all before was proven, and when the next began; None: none."""
    covered: datetime | None = None
    for presence in sorted(presences):
        if covered is not None and presence.began_at > covered:
            yield covered, presence.began_at
        covered = max(covered or presence.proven_until, presence.proven_until)
    if covered is not None:
        yield covered, None
