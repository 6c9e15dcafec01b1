"""The state machine, fact by fact: pings."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from heartbeats.core.model import (
    Blindness,
    Health,
    Kind,
    Policy,
    Reason,
    Source,
)
from heartbeats.core.silence import blind
from support.told import (
    HOUR,
    MINUTE,
    NIGHTLY_PING,
    NINE,
    PINGED,
    Story,
)


def test_a_ping_moves_the_interval_and_a_log_line_does_not() -> None:
    story = Story(PINGED).at(NINE).ping()
    assert story.word is Health.UP
    assert story.deadline == NINE + HOUR + 5 * MINUTE
    story.at(NINE + 30 * MINUTE).ping(Kind.LOG)
    assert story.deadline == NINE + HOUR + 5 * MINUTE


def test_a_ping_monitor_that_never_heard_anything_is_new_for_ever() -> None:
    story = Story(NIGHTLY_PING).silence(NINE + 90 * 24 * HOUR)
    assert story.word is Health.NEW


def test_a_first_check_in_can_be_demanded() -> None:
    policy = Policy(
        source=Source.PING,
        interval=HOUR,
        first_check_in_within=24 * HOUR,
        skips_while_running=True,
    )
    story = Story(policy, at=NINE).ping(Kind.LOG).silence(NINE + 24 * HOUR)
    assert (story.word, story.reason) == (Health.DOWN, Reason.RUN_MISSED)


def test_a_ping_two_seconds_early_satisfies_its_slot() -> None:
    two = datetime(2026, 11, 21, 2, tzinfo=UTC)
    story = Story(NIGHTLY_PING).at(two - timedelta(seconds=2)).ping()
    assert story.state.next_expected_at == two + 24 * HOUR


def test_a_ping_between_two_slots_belongs_to_the_nearer_one() -> None:
    policy = Policy(
        source=Source.PING,
        schedule="0 9,12 * * *",
        time_zone="UTC",
        grace=4 * HOUR,
        skips_while_running=True,
    )
    story = Story(policy, at=NINE - HOUR).at(NINE + 80 * MINUTE).ping()
    assert story.state.next_expected_at == NINE + 3 * HOUR
    story.at(NINE + 100 * MINUTE).ping()
    assert story.state.next_expected_at == NINE + 24 * HOUR


def test_a_ping_earlier_than_the_grace_period_does_not_satisfy_its_slot() -> None:
    two = datetime(2026, 11, 21, 2, tzinfo=UTC)
    story = Story(NIGHTLY_PING).at(two - 6 * MINUTE).ping()
    assert story.state.next_expected_at == two
    assert story.at(two).ping().state.next_expected_at == two + 24 * HOUR


def test_repeated_starts_do_not_extend_the_oldest_open_run() -> None:
    policy = Policy(
        source=Source.PING,
        interval=HOUR,
        max_runtime=10 * MINUTE,
        skips_while_running=True,
    )
    story = Story(policy, at=NINE).ping(Kind.START)
    for minute in range(1, 10):
        story.at(NINE + minute * MINUTE).ping(Kind.START)
    assert story.silence(NINE + 10 * MINUTE).reason is Reason.RUN_OVERDUE


def test_overlapping_runs_are_told_apart_by_their_run_ids() -> None:
    story = Story(PINGED, at=NINE).ping(Kind.START, run_id="a")
    story.at(NINE + MINUTE).ping(Kind.START, run_id="b")
    story.at(NINE + 3 * MINUTE).ping(run_id="b")
    assert story.state.last_duration == 2 * MINUTE
    assert [run.id for run in story.state.active_runs] == ["a"]


def test_a_ping_repeated_within_a_minute_is_one_run() -> None:
    policy = Policy(
        source=Source.PING, interval=HOUR, failure_threshold=2, skips_while_running=True
    )
    story = Story(policy, at=NINE).ping(Kind.FAILURE)
    story.at(NINE + timedelta(seconds=20)).ping(Kind.FAILURE)
    assert story.state.consecutive_failures == 1


def test_a_failure_repeated_with_its_run_id_is_one_run() -> None:
    story = Story(replace(PINGED, failure_threshold=2), at=NINE)
    story.ping(Kind.FAILURE, run_id="a")
    story.at(NINE + timedelta(seconds=20)).ping(Kind.FAILURE, run_id="a")
    assert story.state.consecutive_failures == 1
    story.at(NINE + timedelta(seconds=40)).ping(Kind.FAILURE, run_id="b")
    assert story.state.consecutive_failures == 2


def test_a_replayed_segment_changes_nothing() -> None:
    story = Story(PINGED, at=NINE).ping()
    before = story.state
    story.revision = 0
    assert story.at(NINE + MINUTE).ping().state == before


def test_a_run_whose_limit_passed_while_down_fails_after_the_recovery() -> None:
    story = Story(replace(PINGED, max_runtime=10 * MINUTE))
    story.at(NINE).ping(Kind.START, run_id="a").silence(NINE + 11 * MINUTE)
    story.at(NINE + 15 * MINUTE).ping(Kind.START, run_id="b")
    story.at(NINE + 30 * MINUTE).ping(run_id="a")
    assert story.word is Health.UP
    story.at(NINE + 31 * MINUTE).ping(Kind.FAILURE, run_id="b")
    assert (story.word, story.reason) == (Health.DOWN, Reason.RUN_FAILED)


def test_an_older_success_ends_the_missed_window_for_the_failure_after_it() -> None:
    story = Story(replace(PINGED, failure_threshold=2, max_runtime=10 * MINUTE))
    story.at(NINE).ping(Kind.START, run_id="old")
    story.at(NINE + 11 * MINUTE).ping(Kind.START, run_id="new")
    story.at(NINE + 12 * MINUTE).ping(run_id="new")
    story.silence(NINE + 78 * MINUTE)  # due at 10:12
    story.at(NINE + 80 * MINUTE).ping(run_id="old")
    story.at(NINE + 90 * MINUTE).ping(Kind.FAILURE)
    assert story.word is Health.DOWN


def test_a_limit_that_passed_while_down_stays_passed_however_long_runs_take() -> None:
    story = Story(NIGHTLY_PING).at(NINE).ping(Kind.START, run_id="first")
    story.at(NINE + 10 * MINUTE).ping(Kind.START, run_id="second")
    two = NINE.replace(hour=2) + 24 * HOUR
    story.at(two).ping(Kind.START, run_id="third").silence(two + HOUR)
    assert story.reason is Reason.RUN_OVERDUE
    story.at(two + 18 * HOUR).ping(run_id="third")
    assert story.silence(two + 20 * HOUR).word is Health.UP


def test_an_early_ping_during_a_pause_stands_for_the_slot_after_it() -> None:
    two = NINE.replace(hour=2) + 24 * HOUR
    story = Story(NIGHTLY_PING).at(NINE).ping()
    story.at(NINE + HOUR).rules(replace(NIGHTLY_PING, suspended=True))
    story.at(two - 2 * MINUTE).ping()
    story.at(two - MINUTE).rules(NIGHTLY_PING)
    assert story.state.next_expected_at == two + 24 * HOUR


def test_a_failure_that_is_pinged_after_its_window_is_not_counted_again() -> None:
    policy = replace(PINGED, failure_threshold=3)
    story = Story(policy, at=NINE).ping().silence(NINE + 66 * MINUTE)
    assert story.state.consecutive_failures == 1
    story.at(NINE + 70 * MINUTE).ping(Kind.FAILURE)
    assert story.state.consecutive_failures == 1
    story.at(NINE + 135 * MINUTE).ping(Kind.FAILURE)
    assert story.state.consecutive_failures == 2


def test_a_log_between_makes_a_repeated_outcome_no_other_run() -> None:
    story = Story(replace(PINGED, failure_threshold=2))
    story.at(NINE).ping(Kind.FAILURE)
    story.at(NINE + timedelta(seconds=4)).ping(Kind.LOG)
    story.at(NINE + timedelta(seconds=8)).ping(Kind.FAILURE)
    assert story.state.consecutive_failures == 1


def test_only_the_run_of_the_missed_window_is_counted_already() -> None:
    story = Story(replace(PINGED, failure_threshold=3)).at(NINE).ping()
    story.silence(NINE + 66 * MINUTE)  # due at 10:00
    for failures, minutes in ((1, 100), (2, 155), (3, 210)):
        story.at(NINE + minutes * MINUTE).ping(Kind.FAILURE)
        assert story.state.consecutive_failures == failures


def test_an_overdue_run_takes_the_missed_window_from_the_failure_after_it() -> None:
    policy = replace(PINGED, failure_threshold=3, max_runtime=10 * MINUTE)
    story = Story(policy).at(NINE).ping().silence(NINE + 66 * MINUTE)
    story.at(NINE + 70 * MINUTE).ping(Kind.START, run_id="hangs")
    story.silence(NINE + 81 * MINUTE)
    assert story.state.consecutive_failures == 2
    story.at(NINE + 90 * MINUTE).ping(Kind.FAILURE)
    assert story.word is Health.DOWN


def test_a_doubted_run_that_fails_is_down() -> None:
    story = Story(replace(PINGED, max_runtime=10 * MINUTE)).at(NINE).ping(Kind.START)
    gap = Blindness(began_at=NINE + 5 * MINUTE, ended_at=NINE + 6 * MINUTE)
    story.state = blind(story.state, story.subject, gap)
    assert story.silence(NINE + 11 * MINUTE).word is Health.UNKNOWN
    story.at(NINE + 12 * MINUTE).ping(Kind.FAILURE)
    assert (story.word, story.reason) == (Health.DOWN, Reason.RUN_FAILED)


def test_a_start_is_noticed_however_many_runs_never_ended() -> None:
    story = Story(replace(PINGED, max_runtime=MINUTE)).at(NINE).ping()
    for number in range(1, 13):
        at = NINE + number * 40 * MINUTE
        story.at(at - 10 * MINUTE).ping(Kind.START, run_id=f"lost-{number}")
        story.silence(at - 5 * MINUTE)
        story.at(at).ping()
    due = story.state.next_expected_at
    assert due is not None
    story.at(due).ping(Kind.START, run_id="new")
    assert "new" in [run.id for run in story.state.active_runs]
    assert story.word is Health.UP


def test_a_failure_after_a_doubted_window_is_down() -> None:
    story = Story(PINGED).at(NINE).ping()
    gap = Blindness(began_at=NINE + 50 * MINUTE, ended_at=NINE + 55 * MINUTE)
    story.state = blind(story.state, story.subject, gap)
    assert story.silence(NINE + 66 * MINUTE).word is Health.UNKNOWN
    story.at(NINE + 70 * MINUTE).ping(Kind.FAILURE)
    assert (story.word, story.reason) == (Health.DOWN, Reason.RUN_FAILED)


def test_a_retracted_window_swallows_no_later_failure() -> None:
    story = Story(PINGED).at(NINE).ping().silence(NINE + 66 * MINUTE)
    story.at(NINE + 64 * MINUTE).ping(Kind.START)
    assert story.word is not Health.DOWN
    story.at(NINE + 80 * MINUTE).ping(Kind.FAILURE)
    assert (story.word, story.reason) == (Health.DOWN, Reason.RUN_FAILED)


def test_a_window_missed_before_a_pause_swallows_no_failure_after_it() -> None:
    policy = replace(PINGED, failure_threshold=2)
    story = Story(policy, at=NINE).ping().silence(NINE + 66 * MINUTE)
    story.at(NINE + 67 * MINUTE).rules(replace(policy, suspended=True))
    story.at(NINE + 68 * MINUTE).rules(policy)
    story.at(NINE + 70 * MINUTE).ping(Kind.FAILURE)
    assert story.word is Health.DOWN


def test_arming_does_not_move_the_due_of_an_interval() -> None:
    story = Story(PINGED).at(NINE).ping()
    story.at(NINE + 30 * MINUTE).rules(replace(PINGED, suspended=True))
    story.at(NINE + 31 * MINUTE).rules(PINGED)
    assert story.state.next_expected_at == NINE + HOUR
    story.at(NINE + 40 * MINUTE).rules(replace(PINGED, interval=2 * HOUR))
    assert story.state.next_expected_at == NINE + 2 * HOUR


def test_an_interval_that_ran_out_during_a_pause_begins_anew() -> None:
    story = Story(PINGED).at(NINE).ping()
    story.at(NINE + 30 * MINUTE).rules(replace(PINGED, suspended=True))
    story.at(NINE + 90 * MINUTE).rules(PINGED)
    assert story.state.next_expected_at == NINE + 150 * MINUTE


def test_an_overdue_run_without_run_id_that_fails_is_counted_once() -> None:
    policy = replace(NIGHTLY_PING, failure_threshold=2, max_runtime=HOUR)
    story = Story(policy)
    two = NINE.replace(hour=2) + 24 * HOUR
    story.at(two).ping(Kind.START)
    story.silence(two + 2 * HOUR)
    story.at(two + 3 * HOUR).ping(Kind.FAILURE)
    assert story.state.consecutive_failures == 1


def test_a_first_check_in_that_is_missed_is_counted_once_a_window() -> None:
    policy = replace(PINGED, first_check_in_within=24 * HOUR, failure_threshold=2)
    story = Story(policy, at=NINE).silence(NINE + 25 * HOUR)
    assert story.state.consecutive_failures == 1
    assert story.silence(NINE + 48 * HOUR).word is Health.DOWN
