"""Segments that this release cannot read: kept, told, and never taken for silence."""

from datetime import timedelta

import msgspec
import pytest

from heartbeats.core.model import Blindness, Health, Reason
from heartbeats.edges.kube.objects import ConfigMap
from heartbeats.edges.kube.segment_store import CHECKPOINT
from heartbeats.edges.kube.store import Change, ObjectEvent
from support.builders import HOUR, NOW
from support.journals import Desk, added, entry, segment

NEWER = '{"formatVersion":2,"entries":[]}'
ODD_ENTRY = '{"formatVersion":1,"entries":[{"kind":"from the future"}]}'
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def unread(name: str = "a", text: str = NEWER, *, revision: int = 7) -> ConfigMap:
    """Make a segment of another release, which was created now."""
    made = segment(name, revision, text=text)
    meta = msgspec.structs.replace(made.metadata, creation_timestamp=NOW)
    return msgspec.structs.replace(made, metadata=meta)


@pytest.mark.parametrize("text", [NEWER, ODD_ENTRY, "nonsense"])
def test_its_pings_count_as_unheard_from_their_reception_on(
    desk: Desk, text: str
) -> None:
    desk.reader.unread.begin()
    desk.reader.take(added(unread(text=text)))
    [blind] = desk.blind
    assert blind.began_at <= NOW - timedelta(seconds=4), "a commit may take so long"
    assert blind.ended_at > NOW, "creation times are rounded down"
    assert len(desk.reader.unread) == 1


def test_a_checkpoint_may_hold_pings_that_waited_for_hours(desk: Desk) -> None:
    desk.reader.unread.begin()
    desk.reader.take(added(unread(f"{CHECKPOINT}abc")))
    [blind] = desk.blind
    assert blind.began_at <= NOW - timedelta(hours=12)


def test_what_was_there_before_the_ledger_opened_is_told_to_it(desk: Desk) -> None:
    desk.reader.take(added(unread(), initial=True))
    desk.reader.listed("9")
    assert desk.blind == []
    [blind] = desk.reader.unread.begin()
    assert blind.began_at < NOW < blind.ended_at


def test_each_is_told_once_and_forgotten_when_it_is_deleted(desk: Desk) -> None:
    desk.reader.unread.begin()
    for _ in range(2):
        desk.reader.take(added(unread()))
    assert len(desk.blind) == 1
    desk.reader.take(ObjectEvent(Change.DELETED, unread(), initial=False))
    assert len(desk.reader.unread) == 0
    assert desk.reader.pending == 0


def test_the_segments_beside_it_are_applied(desk: Desk) -> None:
    desk.monitor()
    desk.reader.take(added(unread()))
    desk.reader.take(added(segment("b", 8, entry())))
    assert desk.applied == ["ping-1"]


def test_no_monitor_is_down_for_want_of_a_ping_that_it_may_hold(desk: Desk) -> None:
    """A silence beside it is none that is known; the next one is."""
    known = desk.monitor(interval=HOUR, grace=MINUTE)
    desk.bench.ping(known.uid)
    due = NOW + HOUR
    said = Blindness(began_at=due - timedelta(seconds=5), ended_at=due)
    desk.bench.ledger.blind(known.spec.source, said, now=due)
    desk.bench.turn(due + 2 * MINUTE)
    assert (known.state.health, known.state.reason) == (
        *(Health.UNKNOWN, Reason.BLIND_WINDOW),
    )
