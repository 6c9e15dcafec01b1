"""Imported tokens: known by their hash, and the oldest monitor's."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeats.core.claims import Claimant, Claims, hash_of
from heartbeats.core.model import MonitorKey, Uid

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN = "5f2b7a1c-4b5f-4c53-9a35-1d0f5d0a1f8e"
HASH = sha256(TOKEN.encode()).hexdigest()


def monitor(name: str, age: int = 0) -> Claimant:
    """Make a monitor that is so many hours old."""
    created_at = NOON - timedelta(hours=age)
    return Claimant(Uid(f"uid-{name}"), MonitorKey("shop", name), created_at)


OLD, YOUNG = monitor("old", 2), monitor("young", 1)


@pytest.fixture
def claims() -> Claims:
    return Claims()


def test_a_hash_is_that_of_the_printed_token() -> None:
    assert hash_of(TOKEN) == HASH
    assert hash_of("ü\udcff") != hash_of("ü")


def test_a_token_belongs_to_whoever_claims_its_hash(claims: Claims) -> None:
    assert claims.owner(TOKEN) is None
    assert claims.claim(OLD, [HASH]) == set()
    assert claims.owner(TOKEN) == OLD.uid
    assert claims.owner(TOKEN.upper()) is None
    assert claims.owner("") is None
    assert claims.lost(OLD.uid) == []


def test_a_claim_that_is_withdrawn_is_forgotten(claims: Claims) -> None:
    claims.claim(OLD, [HASH, hash_of("other")])
    claims.claim(OLD, [hash_of("other")])
    assert (claims.owner(TOKEN), claims.owner("other")) == (None, OLD.uid)
    claims.claim(OLD, [])
    assert (len(claims), claims._hashes) == (0, {})
    assert claims.release(OLD.uid) == set()


@pytest.mark.parametrize("order", [(OLD, YOUNG), (YOUNG, OLD)])
def test_of_two_the_older_has_it_whoever_came_first(
    claims: Claims, order: tuple[Claimant, Claimant]
) -> None:
    first, second = order
    claims.claim(first, [HASH])
    assert claims.claim(second, [HASH]) == {first.uid}
    assert claims.owner(TOKEN) == OLD.uid
    assert claims.lost(YOUNG.uid) == [(HASH, OLD.key)]
    assert claims.lost(OLD.uid) == []


def test_when_the_older_one_goes_the_younger_one_has_it(claims: Claims) -> None:
    claims.claim(OLD, [HASH])
    claims.claim(YOUNG, [HASH])
    assert claims.release(OLD.uid) == {YOUNG.uid}
    assert claims.owner(TOKEN) == YOUNG.uid
    assert claims.lost(YOUNG.uid) == []


def test_of_two_of_the_same_age_it_is_always_the_same_one(claims: Claims) -> None:
    one, two = monitor("a", 1), monitor("b", 1)
    claims.claim(two, [HASH])
    claims.claim(one, [HASH])
    assert claims.owner(TOKEN) == one.uid


def test_a_hash_written_twice_is_one_claim(claims: Claims) -> None:
    claims.claim(OLD, [HASH, HASH])
    assert claims.release(OLD.uid) == set()
    assert len(claims) == 0


def test_what_was_said_before_concerns_nobody(claims: Claims) -> None:
    claims.claim(OLD, [HASH])
    claims.claim(YOUNG, [HASH])
    assert claims.claim(YOUNG, [HASH]) == set()


MONITORS = [monitor(name, age) for name, age in zip("abcd", (3, 1, 1, 2), strict=True)]
CLAIMS = st.tuples(st.sampled_from(MONITORS), st.sets(st.sampled_from("xyz")))


@given(st.lists(CLAIMS))
def test_only_what_is_claimed_now_counts_in_whatever_order_it_came(
    steps: list[tuple[Claimant, set[str]]],
) -> None:
    claims = Claims()
    now: dict[Claimant, set[str]] = {}
    for claimant, tokens in steps:
        claims.claim(claimant, map(hash_of, sorted(tokens)))
        now[claimant] = tokens
    for token in "xyz":
        wanting = [one for one, tokens in now.items() if token in tokens]
        best = min(wanting, key=lambda one: one.rank, default=None)
        assert claims.owner(token) == (best and best.uid)
        losers = {one.uid for one in wanting if one != best}
        hash_ = hash_of(token)
        assert losers == {
            one.uid
            for one in MONITORS
            if hash_ in {each for each, _ in claims.lost(one.uid)}
        }
