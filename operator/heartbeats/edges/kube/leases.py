"""The Leases of ping replicas: what both sides must agree on.

A Lease covers a time without a break in which its holder could reach the API server.
Times in which it refused pings all the same stand in an annotation.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from heartbeats.core.codec import write_instant
from heartbeats.core.model import Blindness
from heartbeats.edges.kube.objects import KubeObject, Record, Time

LABEL: Final = "heartbeats.dev/role"
SELECTOR: Final = f"{LABEL}=ping"
FIELD_MANAGER: Final = "heartbeats-ping"
REFUSED: Final = "heartbeats.dev/refused"
"""The annotation: FROM/UNTIL of each time, with commas between them."""
MOST_REFUSALS: Final = 8
KEPT_FOR: Final = timedelta(hours=1)
"""How long the Lease of a replica that is gone is kept, for a later restart."""


class LeaseSpec(Record, frozen=True, kw_only=True):
    """`.spec` of a Lease."""

    acquire_time: Time | None = None
    renew_time: Time | None = None


class Lease(KubeObject, frozen=True, gc=False, kw_only=True):
    """A Lease, as far as it proves a presence."""

    spec: LeaseSpec = LeaseSpec()


def write_refusals(refusals: Iterable[Blindness]) -> str:
    """Write times of refusals as the annotation holds them."""
    return ",".join(
        f"{write_instant(each.began_at)}/{write_instant(each.ended_at)}"
        for each in refusals
    )


def refusals_of(lease: Lease) -> Iterator[Blindness]:
    """Yield the times in which a replica refused pings; what is odd is left out."""
    for part in lease.metadata.annotations.get(REFUSED, "").split(","):
        try:
            began_at, ended_at = map(datetime.fromisoformat, part.split("/"))
        except ValueError:
            continue
        if began_at.tzinfo is not None and ended_at.tzinfo is not None:
            yield Blindness(began_at=began_at, ended_at=ended_at)
