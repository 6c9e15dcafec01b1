"""A newer Job proves nothing about older slots whose Jobs are not there."""

from datetime import datetime

from msgspec.structs import replace

from heartbeats.core.catchup import Gap, catch_up, settle_passed
from heartbeats.core.model import Kind
from heartbeats.core.remains import Remains
from heartbeats.core.silence import expire
from heartbeats.core.transitions import apply
from support.told import HOUR, HOURLY, MINUTE, NINE
from support.unwatched import armed, facts, run_of

TEN, ELEVEN, TWELVE = (NINE + number * HOUR for number in (1, 2, 3))
FORBID = replace(HOURLY, skips_while_running=True)


def missed(remains: Remains, *reported: datetime) -> int:
    """Count the windows that are held against a monitor whose Jobs report now."""
    state, subject = armed(replace(HOURLY, failure_threshold=9))
    state = settle_passed(state, subject, remains)
    for slot in reported:
        began = run_of(slot, Kind.START, slot + MINUTE)
        state = apply(state, subject, began).state
    later = expire(state, subject, now=TWELVE + 20 * MINUTE).state
    return later.consecutive_failures


def left(*slots: datetime, newest: datetime = TWELVE) -> Remains:
    return Remains(facts(last_schedule_at=newest), slots=slots)


def test_slots_that_a_newer_job_passed_by_are_held_against_nobody() -> None:
    assert missed(left(TWELVE), TWELVE) == 0
    assert missed(left(TEN, TWELVE), TEN, TWELVE) == 0


def test_slots_that_nothing_came_after_are_missed() -> None:
    assert missed(left(TEN, newest=TEN), TEN) == 2  # 11:00 and 12:00


def test_a_job_that_is_there_tells_by_itself_that_it_came_too_late() -> None:
    remains = left(ELEVEN, TWELVE)
    state, subject = armed(HOURLY)
    state = settle_passed(state, subject, remains)
    late = run_of(ELEVEN, Kind.START, ELEVEN + 20 * MINUTE)
    assert apply(state, subject, late).state.incident is not None


def test_what_forbid_skipped_for_a_run_that_is_gone_is_unknown() -> None:
    state, subject = armed(FORBID)
    state = apply(state, subject, run_of(NINE, Kind.START, NINE)).state
    remains = Remains(facts(last_schedule_at=NINE))
    now = TWELVE + 20 * MINUTE
    state = catch_up(state, subject, Gap(state, remains), now=now)
    assert expire(state, subject, now=now).state.incident is None
    assert state.blind_at == NINE


def test_a_run_that_was_seen_to_vanish_excuses_nothing_later() -> None:
    state, subject = armed(FORBID)
    began = run_of(NINE, Kind.START, NINE)
    state = apply(state, subject, began).state
    gone = replace(began, id="gone", kind=Kind.VANISHED, at=NINE + MINUTE)
    state = apply(state, subject, gone).state
    by_hand = replace(began, id="hand", kind=Kind.SUCCESS, run_id="hand", slot_at=None)
    later = NINE + 2 * MINUTE
    paid = replace(by_hand, at=later, started_at=later, scheduled=False)
    state = apply(state, subject, paid).state
    assert state.active_runs == ()
    remains = Remains(facts(last_schedule_at=NINE))
    caught = catch_up(state, subject, Gap(state, remains), now=TEN + MINUTE)
    assert caught.next_expected_at == TEN
