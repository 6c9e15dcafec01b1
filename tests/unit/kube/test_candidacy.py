"""Who may lead, as a replica concludes it from what it read, and what it writes."""

from typing import Any

import msgspec
import pytest

from heartbeats.edges.kube import candidacy
from heartbeats.edges.kube.candidacy import LeaderLease, Sight
from support.builders import NOW, SECOND, metadata

ME, OTHER = "me", "other"


def lease(holder: str | None = OTHER, *, version: int = 1, **spec: Any) -> LeaderLease:
    """Make the Lease as the API server holds it."""
    fields = {
        "holderIdentity": holder,
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-21T11:00:00.000000Z",
        "renewTime": "2026-11-21T11:59:58.500000Z",
        "leaseTransitions": 3,
        **spec,
    }
    meta = metadata(candidacy.LEASE, resourceVersion=str(version))
    return msgspec.convert({"metadata": meta, "spec": fields}, LeaderLease)


# Whether to take it


@pytest.mark.parametrize(
    "free", [None, lease(""), lease(None)], ids=["absent", "given back", "unheld"]
)
def test_what_nobody_holds_may_be_taken_at_once(free: LeaderLease | None) -> None:
    assert candidacy.may_take(Sight(free, 100.0), ME, at=100.0)


def test_what_this_replica_holds_it_may_take() -> None:
    """It lost touch, and nobody else was quicker."""
    assert candidacy.may_take(Sight(lease(ME), 100.0), ME, at=100.0)


def test_what_another_holds_may_be_taken_when_it_did_not_change_for_so_long() -> None:
    sight = Sight(lease(OTHER), 100.0)
    assert not candidacy.may_take(sight, ME, at=114.9)
    assert candidacy.expires_in(sight, at=114.5) == 0.5
    assert candidacy.may_take(sight, ME, at=115.0)


@pytest.mark.parametrize(
    ("said", "lasts"), [(5, 5.0), (None, 15.0), (0, 15.0), (86_400, 60.0)]
)
def test_a_lease_lasts_as_long_as_it_says_within_reason(
    said: int | None, lasts: float
) -> None:
    sight = Sight(lease(leaseDurationSeconds=said), 100.0)
    assert candidacy.expires_in(sight, at=100.0) == lasts


# Since when


def test_only_what_the_lease_says_starts_its_time_anew() -> None:
    first = candidacy.seen(Sight(), lease(), at=100.0)
    labelled = candidacy.seen(first, lease(version=2), at=105.0)
    assert labelled.since == 100.0
    assert labelled.lease is not None
    assert labelled.lease.metadata.resource_version == "2"
    renewed = lease(version=3, renewTime="2026-11-21T12:00:01.500000Z")
    assert candidacy.seen(labelled, renewed, at=106.0).since == 106.0
    assert candidacy.seen(labelled, None, at=107.0).since == 107.0


def test_the_times_in_it_are_not_compared_with_any_clock() -> None:
    """Its holder's clock may be hours away."""
    for renewed in ("2020-01-01T00:00:00.000000Z", "2040-01-01T00:00:00.000000Z"):
        sight = candidacy.seen(Sight(), lease(renewTime=renewed), at=100.0)
        assert candidacy.expires_in(sight, at=100.0) == 15.0


# What is written


def test_the_first_leader_counts_no_change() -> None:
    spec = candidacy.claimed(None, ME, now=NOW)
    assert spec == {
        "holderIdentity": ME,
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-21T12:00:00.000000Z",
        "renewTime": "2026-11-21T12:00:00.000000Z",
        "leaseTransitions": 0,
    }


def test_a_renewal_changes_nothing_but_its_time() -> None:
    spec = candidacy.claimed(lease(ME), ME, now=NOW + SECOND / 2)
    assert spec["leaseTransitions"] == 3
    assert spec["acquireTime"] == "2026-11-21T11:00:00.000000Z"
    assert spec["renewTime"] == "2026-11-21T12:00:00.500000Z"


@pytest.mark.parametrize("holder", [OTHER, ""])
def test_another_leader_is_another_change(holder: str) -> None:
    spec = candidacy.claimed(lease(holder), ME, now=NOW)
    assert spec["leaseTransitions"] == 4
    assert spec["acquireTime"] == "2026-11-21T12:00:00.000000Z"


def test_a_lease_given_back_names_nobody_and_is_short() -> None:
    spec = candidacy.released(lease(ME), now=NOW)
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("", 1)
    assert spec["leaseTransitions"] == 3


def test_every_change_names_the_version_that_was_read() -> None:
    changed = candidacy.body(lease(version=7), "ours", {})
    assert changed["metadata"]["resourceVersion"] == "7"
    created = candidacy.body(None, "ours", {})
    assert "resourceVersion" not in created["metadata"]
    assert created["metadata"]["name"] == "heartbeats-operator-leader"
    assert created["metadata"]["labels"] == {"heartbeats.dev/role": "operator"}
