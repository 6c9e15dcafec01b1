"""The keys of a ping role: what was read once is kept, and how fresh it is."""

import asyncio
import base64
import logging

import pytest

from heartbeats.core.tokens import Key
from heartbeats.edges.kube import errors, keyring
from heartbeats.edges.kube.keyring import FRESH_SECONDS, SETTLED_SECONDS, Keyring
from heartbeats.edges.kube.resources import SECRETS
from heartbeats.edges.kube.signing import KEY_SECRET, KeySecret
from support.builders import MemoryApi

SYSTEM = "heartbeats-system"
FIRST, SECOND = Key.of(b"first " * 6), Key.of(b"second" * 6)


class Bench:
    """A keyring, its Secret, the time, and what it told."""

    def __init__(self) -> None:
        self.api = MemoryApi()
        self.now = 100.0
        self.changes = 0
        self.lost: list[bool] = []
        self.ring = Keyring(
            KeySecret(self.api, SYSTEM),
            lambda: self.now,
            on_change=self.change,
            on_lost=self.lost.append,
        )

    def change(self) -> None:
        self.changes += 1

    def supply(self, *keys: Key) -> None:
        texts = [base64.b64encode(key.secret).decode() for key in keys]
        data = dict(zip(("current", "previous"), texts, strict=False))
        meta = {"name": KEY_SECRET, "namespace": SYSTEM}
        self.api.put(SECRETS, {"metadata": meta, "data": data})


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_it_holds_what_the_secret_says(bench: Bench) -> None:
    assert bench.ring.problem == "the ping keys are not read yet"
    bench.supply(FIRST)
    await bench.ring.look()
    assert (bench.ring.keys, bench.ring.problem) == ((FIRST,), "")
    await bench.ring.look()
    assert bench.changes == 1
    bench.supply(SECOND, FIRST)
    await bench.ring.look()
    assert (bench.ring.keys, bench.changes) == ((SECOND, FIRST), 2)
    assert bench.lost == [False, False, False]


async def test_a_role_that_starts_without_the_secret_says_what_to_do(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        await bench.ring.look()
    assert bench.ring.keys == ()
    assert "restore it" in bench.ring.problem
    assert not bench.ring.is_fresh
    assert caplog.text.count("Pings are answered with 503 for now") == 1
    assert bench.lost == [True] * 3


@pytest.mark.parametrize("how", ["deleted", "emptied", "broken"])
async def test_what_is_lost_is_used_on_and_told_until_it_is_back(
    bench: Bench, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    caplog.set_level(logging.INFO)
    bench.supply(SECOND, FIRST)
    await bench.ring.look()
    if how == "deleted":
        bench.api.objects.clear()
    else:
        bench.supply()
        data = {"current": "!"} if how == "broken" else {}
        bench.api.held(SECRETS, KEY_SECRET, SYSTEM)["data"] = data
    for _ in range(2):
        await bench.ring.look()
    assert bench.ring.keys == (SECOND, FIRST)
    assert bench.ring.is_fresh
    assert caplog.text.count("those in memory are used on") == 1
    bench.supply(SECOND, FIRST)
    await bench.ring.look()
    assert caplog.text.count("The ping keys are read again") == 1
    assert bench.lost == [False, True, True, False]
    assert bench.changes == 1


async def test_keys_not_read_for_a_while_judge_no_unknown_token(bench: Bench) -> None:
    """A newer key may be in use by then: 404 would be final."""
    bench.supply(FIRST)
    await bench.ring.look()
    bench.now += FRESH_SECONDS
    assert bench.ring.is_fresh
    bench.api.refuse("GET", errors.Unreachable("no answer"))
    bench.now += 1
    await bench.ring.look()
    assert not bench.ring.is_fresh
    assert bench.ring.keys == (FIRST,)
    assert bench.lost == [False], "what cannot be read is not lost"
    await bench.ring.look()
    assert bench.ring.is_fresh


def test_no_url_is_given_out_while_somebody_may_call_its_key_unknown() -> None:
    assert 2 * keyring.KEY_SECONDS < FRESH_SECONDS < SETTLED_SECONDS


@pytest.mark.looptime
async def test_a_change_is_read_within_seconds(bench: Bench) -> None:
    bench.supply(FIRST)
    task = asyncio.create_task(bench.ring.run())
    await asyncio.sleep(1)
    bench.supply(SECOND, FIRST)
    await asyncio.sleep(5)
    assert bench.ring.keys == (SECOND, FIRST)
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.looptime
async def test_a_first_key_is_waited_for_with_less_patience(bench: Bench) -> None:
    task = asyncio.create_task(bench.ring.run())
    await asyncio.sleep(10)
    bench.supply(FIRST)
    await asyncio.sleep(1.5)
    assert bench.ring.keys == (FIRST,)
    task.cancel()
    await asyncio.wait([task])
