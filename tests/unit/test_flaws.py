"""What is wrong with a ping URL stands in Ready, and changes nothing else."""

from datetime import UTC, datetime, timedelta

from heartbeats.core.claims import hash_of
from heartbeats.core.model import Health, Spec
from heartbeats.core.status import from_status, to_status
from heartbeats.core.verdict import verdict
from heartbeats.ledger import Entry
from support.ledgers import Bench

NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
HASH = hash_of("3f2c6b1e-5d0a-4c1b-9a57-0a6a8f5d7e21")


def status_of(bench: Bench, entry: Entry) -> dict[str, object]:
    assert entry.subject is not None
    return to_status(
        entry.state,
        entry.policy,
        entry.subject.table,
        generation=1,
        now=bench.now,
    )


def ready(bench: Bench, entry: Entry) -> tuple[str, str, str, str]:
    """Return status, reason, message and time of the condition Ready."""
    conditions = status_of(bench, entry)["conditions"]
    assert isinstance(conditions, list)
    [found] = [each for each in conditions if each["type"] == "Ready"]
    names = ("status", "reason", "message", "lastTransitionTime")
    status, reason, message, at = (str(found[name]) for name in names)
    return status, reason, message, at


def said(bench: Bench, entry: Entry) -> tuple[str, str]:
    return ready(bench, entry)[:2]


GOOD = ("True", "Accepted")
IN_VAIN = ("False", "TokenConflict")
LOST = ("False", "KeyLost")


def test_of_two_monitors_with_one_token_the_younger_says_who_has_it() -> None:
    bench = Bench(NOON)
    old = bench.pinged("old", token_hashes=(HASH,))
    bench.now += HOUR
    young = bench.pinged("young", token_hashes=(HASH,))
    assert (said(bench, old), said(bench, young)) == (GOOD, IN_VAIN)
    message = ready(bench, young)[2]
    assert f"{HASH[:12]}… of {old.key}" in message
    assert HASH not in message
    assert "Remove the hash" in message


def test_an_older_monitor_takes_a_token_away_and_gives_it_back() -> None:
    bench = Bench(NOON)
    young = bench.pinged("young", token_hashes=(HASH,))
    bench.now -= HOUR
    old = bench.pinged("old", token_hashes=(HASH,))
    bench.now += 2 * HOUR
    assert said(bench, young) == IN_VAIN
    bench.ledger.lose_monitor(old.uid, now=bench.now)
    assert said(bench, young) == GOOD


def test_a_claim_that_is_withdrawn_ends_the_conflict() -> None:
    bench = Bench(NOON)
    old = bench.pinged("old", token_hashes=(HASH,))
    bench.now += HOUR
    young = bench.pinged("young", token_hashes=(HASH,))
    spec = Spec(source=old.spec.source, interval=HOUR)
    bench.monitor("old", spec, uid=old.uid)
    assert said(bench, young) == GOOD


def test_a_monitor_whose_ledger_forgot_it_has_no_claims() -> None:
    """The writer finds a monitor gone before its deletion is told."""
    bench = Bench(NOON)
    old = bench.pinged("old", token_hashes=(HASH,))
    bench.now += HOUR
    bench.ledger.lose_monitor(old.uid)
    young = bench.pinged("young", token_hashes=(HASH,))
    assert said(bench, young) == GOOD


def test_a_lost_key_is_said_by_every_ping_monitor_and_by_no_other() -> None:
    bench = Bench(NOON)
    bench.cron_job()
    watching, pinged = bench.watching(), bench.pinged()
    bench.ledger.lose_key("Restore it.", now=bench.now)
    assert ready(bench, pinged)[:3] == (*LOST, "Restore it.")
    assert said(bench, watching) == GOOD
    late = bench.pinged("late")
    assert said(bench, late) == LOST
    bench.ledger.lose_key(None, now=bench.now)
    assert said(bench, pinged) == said(bench, late) == GOOD


def test_a_flaw_changes_no_word_and_no_deadline() -> None:
    bench = Bench(NOON)
    entry = bench.pinged()
    bench.ping(entry.uid)
    before = status_of(bench, entry)
    bench.now += timedelta(minutes=10)
    bench.ledger.lose_key("Restore it.", now=bench.now)
    assert verdict(entry.state, entry.policy, now=bench.now).health is Health.UP
    after = status_of(bench, entry)
    assert {name for name in before if before[name] != after[name]} == {"conditions"}


def test_since_when_a_key_is_lost_survives_a_restart() -> None:
    bench = Bench(NOON)
    entry = bench.pinged()
    bench.now += HOUR
    bench.ledger.lose_key("Restore it.", now=bench.now)
    since = ready(bench, entry)[3]
    assert since == "2026-11-20T13:30:00Z"
    assert from_status(status_of(bench, entry)).flaw == entry.state.flaw
    assert from_status(status_of(bench, entry)).trouble is None
    bench.now += HOUR
    bench.ledger.lose_key("Restore it, please.", now=bench.now)
    assert ready(bench, entry)[3] == since
    bench.ledger.lose_key(None, now=bench.now)
    assert ready(bench, entry)[3] == "2026-11-20T14:30:00Z"


def test_a_broken_timetable_goes_before_a_lost_key() -> None:
    bench = Bench(NOON)
    entry = bench.pinged(interval=None)
    bench.ledger.lose_key("Restore it.", now=bench.now)
    assert said(bench, entry) == ("False", "InvalidSpec")


def test_before_the_ledger_is_open_it_is_kept() -> None:
    bench = Bench(NOON, is_open=False)
    entry = bench.pinged()
    bench.ledger.lose_key("Restore it.", now=bench.now)
    bench.ledger.open(now=bench.now)
    assert said(bench, entry) == LOST
