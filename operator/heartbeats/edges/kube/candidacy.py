"""What a replica concludes from the leader's Lease, and what it writes into it.

Pure: what was read, who asks and the time come in; a decision or a body comes out.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from heartbeats.core.codec import write_instant
from heartbeats.edges.kube.leases import LABEL
from heartbeats.edges.kube.objects import KubeObject, Record, Time
from heartbeats.edges.kube.resources import LEASES

LEASE: Final = "heartbeats-operator-leader"
ROLE: Final = "operator"
SELECTOR: Final = f"{LABEL}={ROLE}"
DURATION: Final = 15
"""Seconds without a change after which a follower may take over."""

LONGEST: Final = 60
"""A Lease that says more is not believed: nobody could lead for so long."""


class LeaderSpec(Record, frozen=True, kw_only=True):
    """`.spec` of the Lease."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: Time | None = None
    renew_time: Time | None = None
    lease_transitions: int | None = None


class LeaderLease(KubeObject, frozen=True, gc=False, kw_only=True):
    """The Lease, as far as it says who leads."""

    spec: LeaderSpec = LeaderSpec()


@dataclass(frozen=True, slots=True)
class Sight:
    """The Lease as it was last read (None: there is none), and how long it is so."""

    lease: LeaderLease | None = None
    since: float = 0.0
    """When this replica first saw it like this, in monotonic seconds."""

    @property
    def holder(self) -> str:
        """Return who holds it; empty: nobody."""
        return "" if self.lease is None else self.lease.spec.holder_identity or ""


def seen(before: Sight, lease: LeaderLease | None, *, at: float) -> Sight:
    """Take in what was read; only a change of what it says starts the time anew."""
    old = before.lease
    is_same = old is not None and lease is not None and old.spec == lease.spec
    return Sight(lease, before.since if is_same else at)


def expires_in(sight: Sight, *, at: float) -> float:
    """Return for how many more seconds its holder is to be waited for; 0: it is not."""
    if not sight.holder or sight.lease is None:
        return 0.0
    lasts = sight.lease.spec.lease_duration_seconds or DURATION
    return max(sight.since + min(lasts, LONGEST) - at, 0.0)


def may_take(sight: Sight, identity: str, *, at: float) -> bool:
    """Tell whether a replica may try to lead: nobody does, or it has lapsed."""
    return sight.holder == identity or expires_in(sight, at=at) <= 0


def claimed(lease: LeaderLease | None, identity: str, *, now: datetime) -> Any:
    """Return the spec by which a replica takes the Lease, or renews it."""
    old = LeaderSpec() if lease is None else lease.spec
    mine = old.holder_identity == identity
    changes = (old.lease_transitions or 0) + (lease is not None and not mine)
    acquired_at = old.acquire_time if mine and old.acquire_time else now
    return _spec(identity, DURATION, changes, acquired_at=acquired_at, now=now)


def released(lease: LeaderLease | None, *, now: datetime) -> Any:
    """Return the spec by which a replica gives the Lease back."""
    changes = 0 if lease is None else lease.spec.lease_transitions or 0
    return _spec("", 1, changes, acquired_at=now, now=now)


def body(lease: LeaderLease | None, namespace: str, spec: Any) -> dict[str, Any]:
    """Return what is sent: a patch that fails if anybody wrote since, or all of it."""
    meta: dict[str, Any] = {"labels": {LABEL: ROLE}}
    if lease is None:
        meta |= {"name": LEASE, "namespace": namespace}
    else:
        meta["resourceVersion"] = lease.metadata.resource_version
    return {
        "apiVersion": LEASES.api_version,
        "kind": "Lease",
        "metadata": meta,
        "spec": spec,
    }


def _spec(
    holder: str, seconds: int, changes: int, *, acquired_at: datetime, now: datetime
) -> dict[str, Any]:
    return {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "acquireTime": _micro(acquired_at),
        "renewTime": _micro(now),
        "leaseTransitions": changes,
    }


def _micro(at: datetime) -> str:
    text = write_instant(at)
    return text if "." in text else text.replace("Z", ".000000Z")
