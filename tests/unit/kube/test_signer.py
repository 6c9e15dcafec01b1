"""Which key signs, when a new one does, and that no lost one goes unnoticed."""

import base64
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from heartbeats.core.model import State
from heartbeats.core.tokens import Key
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.keyring import SETTLED_SECONDS
from heartbeats.edges.kube.resources import SECRETS
from heartbeats.edges.kube.signer import Signer
from heartbeats.edges.kube.signing import KEY_SECRET, KeySecret
from heartbeats.ledger import Entry
from support.builders import MemoryApi, SetClock
from support.ledgers import Bench as LedgerBench

SYSTEM = "heartbeats-system"
NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
FIRST, SECOND = Key.of(b"first " * 6), Key.of(b"second" * 6)
WAIT = timedelta(seconds=SETTLED_SECONDS)


class Bench:
    """A signer, the Secret, monitors, and what it told; Secrets are delivered."""

    def __init__(self) -> None:
        self.api = MemoryApi()
        self.clock = SetClock()
        self.ledgers = LedgerBench(NOON)
        self.used: list[str] = []
        self.counts: Mapping[str, int] = {}
        self.is_lost: bool | None = None
        self.refusals = 0
        secret = KeySecret(self.api, SYSTEM)
        ledger = self.ledgers.ledger
        self.signer = Signer(secret, ledger, self.clock, self, self.use)

    def lost(self, is_lost: bool) -> None:
        self.is_lost = is_lost

    def urls(self, counts: Mapping[str, int]) -> None:
        self.counts = counts

    def refused(self, count: int) -> None:
        self.refusals += count

    def use(self, keys: tuple[Key, ...]) -> None:
        self.used.append(keys[0].id)

    def deliver(self, entry: Entry, key: Key) -> None:
        self.ledgers.ledger.signed(entry.uid, key.id, now=NOON)

    def supply(self, *keys: Key) -> None:
        texts = [base64.b64encode(key.secret).decode() for key in keys]
        data = dict(zip(("current", "previous"), texts, strict=False))
        meta = {"name": KEY_SECRET, "namespace": SYSTEM}
        self.api.put(SECRETS, {"metadata": meta, "data": data})

    async def look(self, after: timedelta = timedelta()) -> None:
        self.clock.turn(after)
        await self.signer.look()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def counted(current: int = 0, previous: int = 0, missing: int = 0) -> dict[str, int]:
    return {"current": current, "previous": previous, "missing": missing}


async def test_the_first_key_is_made_and_signs_at_once(bench: Bench) -> None:
    bench.ledgers.pinged()
    await bench.look()
    assert len(bench.used) == len(bench.api.of("POST")) == 1
    await bench.look()
    assert len(bench.used) == 1, "what is in use need not be taken over again"
    assert bench.is_lost is False


async def test_a_new_key_signs_when_every_ping_service_must_have_read_it(
    bench: Bench,
) -> None:
    bench.supply(FIRST)
    await bench.look()
    bench.supply(SECOND, FIRST)
    await bench.look()
    await bench.look(WAIT - timedelta(seconds=1))
    assert bench.used == [FIRST.id]
    await bench.look(timedelta(seconds=1))
    assert bench.used == [FIRST.id, SECOND.id]


async def test_it_waits_after_a_restart_too_while_any_status_names_another_key(
    bench: Bench,
) -> None:
    bench.deliver(bench.ledgers.pinged(), FIRST)
    bench.supply(SECOND, FIRST)
    await bench.look()
    assert bench.used == []
    await bench.look(WAIT)
    assert bench.used == [SECOND.id]


async def test_after_a_restart_a_key_that_all_statuses_name_signs_at_once(
    bench: Bench,
) -> None:
    bench.deliver(bench.ledgers.pinged(), SECOND)
    bench.supply(SECOND, FIRST)
    await bench.look()
    assert bench.used == [SECOND.id]


async def test_the_counts_tell_when_the_previous_key_may_go(bench: Bench) -> None:
    one, two = bench.ledgers.pinged("one"), bench.ledgers.pinged("two")
    bench.ledgers.cron_job()
    bench.ledgers.watching()
    bench.supply(FIRST)
    for entry in (one, two):
        bench.deliver(entry, FIRST)
    await bench.look()
    assert bench.counts == counted(current=2)
    bench.supply(SECOND, FIRST)
    await bench.look()
    assert bench.counts == counted(previous=2)
    bench.deliver(one, SECOND)
    await bench.look()
    assert bench.counts == counted(current=1, previous=1)
    bench.deliver(two, SECOND)
    await bench.look()
    bench.supply(SECOND)
    await bench.look()
    assert bench.counts == counted(current=2)
    assert bench.refusals == 0


async def test_a_key_taken_away_while_it_is_in_use_is_told_and_counted_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = bench.ledgers.pinged("one"), bench.ledgers.pinged("two")
    for entry in (one, two):
        bench.deliver(entry, FIRST)
    bench.supply(SECOND)
    await bench.look()
    await bench.look()
    assert bench.counts == counted(missing=2)
    assert bench.refusals == 2
    assert (
        caplog.text.count(f"2 ping URLs in use are refused: their key {FIRST.id}") == 1
    )
    assert "put the key back, as `previous`" in caplog.text
    assert bench.is_lost is False
    await bench.look(WAIT)
    assert bench.used == [SECOND.id], "new URLs are delivered"


async def test_a_lost_key_is_said_everywhere_and_comes_back_without_a_restart(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    entry = bench.ledgers.pinged()
    bench.supply(FIRST)
    await bench.look()
    bench.deliver(entry, FIRST)
    bench.api.objects.clear()
    await bench.look()
    await bench.look()
    assert bench.api.of("POST") == []
    assert caplog.text.count("KeyLost: Secret heartbeats-system/") == 1
    assert (bench.is_lost, bench.counts) == (True, counted(missing=1))
    assert entry.state.flaw is not None
    bench.supply(FIRST)
    await bench.look()
    assert (bench.is_lost, bench.counts) == (False, counted(current=1))
    assert entry.state.flaw is None
    assert "The ping keys are there again" in caplog.text
    assert (bench.refusals, bench.used) == (0, [FIRST.id])


async def test_a_secret_that_cannot_be_read_is_not_lost(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    entry = bench.ledgers.pinged()
    bench.deliver(entry, FIRST)
    bench.api.refuse("GET", errors.Forbidden("no right"), times=2)
    await bench.look()
    await bench.look()
    assert caplog.text.count("the ping keys cannot be read: no right") == 1
    assert bench.is_lost is None
    assert entry.state.flaw is None


async def test_a_key_named_before_the_ledger_is_open_is_in_use(bench: Bench) -> None:
    bench.ledgers = LedgerBench(NOON, is_open=False)
    bench.signer._ledger = bench.ledgers.ledger
    spec = bench.ledgers.pinged("other").spec
    bench.ledgers.monitor("backup", spec, state=State(key_id=FIRST.id))
    await bench.look()
    assert (bench.is_lost, bench.api.of("POST")) == (True, [])
