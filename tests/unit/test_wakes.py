"""One queue of wake-ups: the earliest first, and no more than there are monitors."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from heartbeats.core.model import Uid
from heartbeats.ledger.wakes import SPARE, Wakes

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MONITORS = st.sampled_from([Uid(name) for name in "abc"])
SPANS = st.none() | st.integers(0, 100)


@given(st.lists(st.tuples(MONITORS, SPANS), max_size=400))
def test_the_last_word_about_a_monitor_counts(words: list[tuple[Uid, int]]) -> None:
    wakes, known = Wakes(), dict[Uid, datetime]()
    for uid, span in words:
        at = None if span is None else NOON + span * SECOND
        wakes.set(uid, at)
        known.pop(uid, None)
        if at is not None:
            known[uid] = at
    assert wakes.next_at() == min(known.values(), default=None)
    due = NOON + 50 * SECOND
    taken = wakes.take(now=due)
    assert sorted(taken) == sorted(uid for uid, at in known.items() if at <= due)
    assert [known[uid] for uid in taken] == sorted(known[uid] for uid in taken)


def test_what_was_replaced_does_not_pile_up() -> None:
    """A ping a second that puts off a deadline by a day is no reason to grow."""
    wakes = Wakes()
    for second in range(10_000):
        wakes.set(Uid(str(second % 10)), NOON + (86_400 + second) * SECOND)
    assert len(wakes) <= SPARE + 2 * 10
