"""What silence leads to is worked out beforehand, and counts only if nothing came."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from heartbeats.core.model import Health, Reason
from heartbeats.core.silence import Step
from heartbeats.core.silence import expire as work_out
from heartbeats.ledger import Entry, forecast, judge
from support.ledgers import Bench

NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
DUE = datetime(2026, 11, 20, 13, tzinfo=UTC)
DEADLINE = DUE + timedelta(minutes=5)
SECOND = timedelta(seconds=1)


@pytest.fixture
def bench() -> Bench:
    made = Bench(NOON)
    made.cron_job()
    return made


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Return the instants at which something was worked out while it was judged."""
    times: list[datetime] = []

    def noted(*about: object, now: datetime) -> Step:
        times.append(now)
        return work_out(*about, now=now)  # type: ignore[arg-type]

    monkeypatch.setattr(judge, "expire", noted)
    return times


def foretell(bench: Bench, *entries: Entry) -> None:
    assert list(bench.ledger.foretell(entries)) == list(entries)


def judged(bench: Bench, entry: Entry, at: datetime = DEADLINE + SECOND) -> Health:
    bench.ledger.judge(entry.uid, now=at)
    return entry.state.health


def test_a_verdict_that_was_foretold_is_not_worked_out_again(
    bench: Bench, late: list[datetime]
) -> None:
    entry = bench.watching()
    foretell(bench, entry)
    late.clear()
    assert entry.state.health is Health.NEW
    assert judged(bench, entry) is Health.DOWN
    assert entry.state.changed_at == DEADLINE
    assert late == []


def test_it_is_told_as_any_other(bench: Bench) -> None:
    """A window below the threshold too; and everybody hears of the new state."""
    entry = bench.watching(failure_threshold=2)
    foretell(bench, entry)
    bench.heard.changes.clear()
    judged(bench, entry)
    [window] = bench.heard.windows
    assert window.at == DEADLINE
    assert bench.heard.changes == [(entry.key, False)]
    assert bench.ledger.wakes.next_at() == DUE + timedelta(hours=1, seconds=15)


def test_it_is_no_verdict_before_its_time(bench: Bench) -> None:
    entry = bench.watching()
    foretell(bench, entry)
    assert judged(bench, entry, DEADLINE + 0.9 * SECOND) is Health.NEW
    assert judged(bench, entry) is Health.DOWN


def test_who_is_judged_late_hears_of_every_window_at_once(bench: Bench) -> None:
    """Only the first was foretold: the operator may have been asleep since."""
    entry = bench.watching(failure_threshold=3)
    foretell(bench, entry)
    hour = timedelta(hours=1)
    judged(bench, entry, DEADLINE + hour + SECOND)
    assert [each.at for each in bench.heard.windows] == [DEADLINE, DEADLINE + hour]


def ping(bench: Bench, entry: Entry) -> None:
    bench.ping(entry.uid)


def edit(bench: Bench, _: Entry) -> None:
    bench.pinged(interval=timedelta(minutes=36))


@pytest.mark.parametrize("change", [ping, edit])
def test_what_happened_since_is_what_counts(
    bench: Bench, late: list[datetime], change: Callable[[Bench, Entry], None]
) -> None:
    entry = bench.pinged(interval=timedelta(minutes=30))
    bench.ping(entry.uid)
    foretell(bench, entry)
    late.clear()
    bench.now = DUE
    change(bench, entry)
    assert judged(bench, entry) is Health.UP
    assert late


def test_a_hindrance_that_was_read_since_is_named(bench: Bench) -> None:
    entry = bench.watching()
    foretell(bench, entry)
    facts = bench.ledger.cron_job_of(entry)
    assert facts is not None
    bench.runs.pending[facts.uid] = {DUE: "ImagePullBackOff"}
    judged(bench, entry)
    assert entry.state.incident is not None
    assert entry.state.incident.reason is Reason.POD_NOT_READY


def test_what_never_came_true_is_forgotten_with_the_next(bench: Bench) -> None:
    entry, other = bench.watching(), bench.pinged()
    foretell(bench, entry)
    foretell(bench, other)
    told = forecast.Forecast()
    told.add(entry, None)
    told.clear()
    assert entry.subject is not None
    about = (entry.uid, entry.state, entry.subject, None)
    assert told.take(*about, until=DEADLINE) is None


def test_one_that_nobody_can_judge_is_passed_over(bench: Bench) -> None:
    bench.ledger.is_open = False
    entry = bench.pinged()
    assert entry.subject is None
    foretell(bench, entry)
    assert judged(bench, entry) is Health.NEW
