"""The state machine, fact by fact: CronJobs."""

from datetime import timedelta

from msgspec.structs import replace

from heartbeats.core.model import (
    Health,
    Kind,
    Policy,
    Reason,
    Source,
    Trouble,
)
from support.told import (
    HOUR,
    HOURLY,
    MINUTE,
    NINE,
    Story,
)


def test_a_new_monitor_is_new_and_waits_for_its_next_slot() -> None:
    story = Story(HOURLY)
    assert story.word is Health.NEW
    assert story.state.next_expected_at == NINE
    assert story.deadline == NINE + 5 * MINUTE
    assert story.flips == []


def test_a_run_in_time_makes_it_up() -> None:
    story = Story(HOURLY).at(NINE + MINUTE).job(Kind.START, NINE)
    assert story.state.next_expected_at == NINE + HOUR
    story.at(NINE + 2 * MINUTE).job(Kind.SUCCESS, NINE)
    assert story.word is Health.UP
    assert story.flips == [(Health.NEW, Health.UP)]
    assert story.state.active_runs == ()


def test_it_is_late_from_a_quarter_of_a_minute_after_the_slot_on() -> None:
    story = Story(HOURLY).at(NINE).job(Kind.SUCCESS, NINE)
    due_at = NINE + HOUR
    assert story.at(due_at + timedelta(seconds=14)).word is Health.UP
    assert story.at(due_at + timedelta(seconds=15)).word is Health.LATE
    assert story.flips == [(Health.NEW, Health.UP)]


def test_silence_is_down_from_the_deadline_on_not_from_its_discovery() -> None:
    story = Story(HOURLY).silence(NINE + 20 * MINUTE)
    assert (story.word, story.reason) == (Health.DOWN, Reason.RUN_MISSED)
    assert story.state.changed_at == NINE + 5 * MINUTE
    assert story.state.incident is not None
    assert story.state.incident.slot_at == NINE


def test_further_silence_while_down_changes_nothing() -> None:
    story = Story(HOURLY).silence(NINE + 20 * MINUTE)
    before = story.state
    assert story.silence(NINE + 9 * HOUR).state == before
    assert story.deadline is None


def test_a_good_run_ends_an_incident_and_excuses_what_expired_meanwhile() -> None:
    story = Story(HOURLY).silence(NINE + 20 * MINUTE)
    story.at(NINE + 5 * HOUR + MINUTE).job(Kind.SUCCESS, None, run="by-hand")
    assert story.state.incident is None
    assert story.flips[-1] == (Health.DOWN, Health.UP)
    assert story.state.pending_flips[-1].reason is Reason.RECOVERED
    assert story.deadline == NINE + 5 * HOUR + 5 * MINUTE


def test_a_failed_run_is_down_at_once() -> None:
    story = Story(HOURLY).at(NINE + MINUTE).job(Kind.START, NINE)
    story.job(Kind.FAILURE, NINE, exit_code=3, message="BackoffLimitExceeded")
    assert (story.word, story.reason) == (Health.DOWN, Reason.RUN_FAILED)
    assert "exit code 3" in story.state.message
    assert story.state.consecutive_failures == 1


def test_a_manual_failure_opens_no_incident() -> None:
    story = Story(HOURLY).at(NINE).job(Kind.SUCCESS, NINE)
    story.at(NINE + MINUTE).job(Kind.FAILURE, None, run="by-hand")
    assert story.word is Health.UP
    assert story.state.history[0].scheduled is False


def test_a_manual_success_stands_for_no_slot() -> None:
    story = Story(HOURLY).at(NINE + MINUTE).job(Kind.SUCCESS, None, run="by-hand")
    assert story.silence(NINE + 6 * MINUTE).reason is Reason.RUN_MISSED


def test_a_pod_that_never_gets_ready_is_down_with_its_reason() -> None:
    story = Story(HOURLY).silence(NINE + 5 * MINUTE, stuck="ImagePullBackOff: no such")
    assert story.reason is Reason.POD_NOT_READY
    assert "ImagePullBackOff" in story.state.message


def test_a_later_slot_that_ran_does_not_hide_an_earlier_one_that_is_stuck() -> None:
    policy = Policy(source=Source.CRON_JOB, schedule="* * * * *", time_zone="UTC")
    story = Story(policy, at=NINE - timedelta(seconds=30))
    story.at(NINE + MINUTE).job(Kind.SUCCESS, NINE + MINUTE)
    assert story.state.next_expected_at == NINE
    assert story.silence(NINE + 5 * MINUTE).reason is Reason.RUN_MISSED


def test_an_older_run_that_ends_later_does_not_change_the_word() -> None:
    policy = Policy(source=Source.CRON_JOB, schedule="* * * * *", time_zone="UTC")
    story = Story(policy, at=NINE - timedelta(seconds=30))
    story.at(NINE).job(Kind.START, NINE)
    story.at(NINE + MINUTE).job(Kind.SUCCESS, NINE + MINUTE)
    story.at(NINE + 2 * MINUTE).job(Kind.FAILURE, NINE)
    assert story.word is Health.UP


def test_a_run_of_a_time_that_the_schedule_lacks_makes_it_unknown() -> None:
    story = Story(HOURLY).at(NINE + 20 * MINUTE)
    story.job(Kind.SUCCESS, NINE + 20 * MINUTE)
    assert (story.word, story.reason) == (Health.UNKNOWN, Reason.SCHEDULE_MISMATCH)
    assert story.deadline is None
    story.at(NINE + HOUR).job(Kind.SUCCESS, NINE + HOUR)
    assert story.word is Health.UNKNOWN  # it may coincide for a part of a day
    story.at(NINE + 25 * HOUR).job(Kind.SUCCESS, NINE + 25 * HOUR)
    assert story.word is Health.UP
    assert story.deadline == NINE + 26 * HOUR + 5 * MINUTE


def test_a_pause_stops_the_clock_and_resuming_misses_no_earlier_slot() -> None:
    paused = Policy(
        source=Source.CRON_JOB, schedule="0 * * * *", time_zone="UTC", suspended=True
    )
    story = Story(HOURLY).at(NINE).job(Kind.SUCCESS, NINE)
    story.at(NINE + MINUTE).rules(paused)
    assert story.word is Health.PAUSED
    assert story.silence(NINE + 5 * HOUR).word is Health.PAUSED
    story.at(NINE + 5 * HOUR + MINUTE).rules(HOURLY)
    assert story.word is Health.UP
    assert story.deadline == NINE + 6 * HOUR + 5 * MINUTE


def test_resuming_from_down_stays_down_until_a_good_run() -> None:
    paused = Policy(
        source=Source.CRON_JOB, schedule="0 * * * *", time_zone="UTC", suspended=True
    )
    story = Story(HOURLY).silence(NINE + 6 * MINUTE).rules(paused)
    assert story.word is Health.PAUSED
    story.at(NINE + 2 * HOUR).rules(HOURLY)
    assert story.word is Health.DOWN
    story.at(NINE + 3 * HOUR).job(Kind.SUCCESS, NINE + 3 * HOUR)
    assert story.word is Health.UP


def test_an_edited_schedule_is_judged_from_the_edit_on() -> None:
    half_past = Policy(source=Source.CRON_JOB, schedule="30 * * * *", time_zone="UTC")
    story = Story(HOURLY).at(NINE + 4 * MINUTE).rules(half_past)
    assert story.silence(NINE + 20 * MINUTE).word is Health.NEW
    assert story.deadline == NINE + 35 * MINUTE


def test_a_broken_schedule_is_unknown_and_a_mended_one_is_armed_anew() -> None:
    trouble = Trouble(Reason.INVALID_SCHEDULE, "no such field")
    story = Story(HOURLY).at(NINE).job(Kind.SUCCESS, NINE)
    story.at(NINE + MINUTE).rules(HOURLY, trouble)
    assert (story.word, story.reason) == (Health.UNKNOWN, Reason.INVALID_SCHEDULE)
    assert story.deadline is None


def test_a_mismatch_is_not_forgotten_where_slots_coincide() -> None:
    shifts = replace(HOURLY, schedule="0 8-18 * * *")
    story = Story(shifts, at=NINE - 5 * HOUR)
    for hour in range(6, 17):
        at = NINE + timedelta(hours=hour - 9)
        story.at(at).job(Kind.SUCCESS, at)
    story.silence(NINE + 9 * HOUR)
    assert story.word is Health.UNKNOWN


def test_a_timetable_that_is_mended_to_what_it_was_is_armed_anew() -> None:
    trouble = Trouble(Reason.INVALID_SCHEDULE, "no such field")
    story = Story(HOURLY).at(NINE).job(Kind.SUCCESS, NINE)
    story.at(NINE + 30 * MINUTE).rules(HOURLY, trouble)
    story.at(NINE + 210 * MINUTE).rules(HOURLY)
    story.silence(NINE + 211 * MINUTE)
    assert story.word is Health.UP
    assert story.deadline == NINE + 4 * HOUR + 5 * MINUTE


def test_the_start_of_a_run_by_hand_that_is_seen_again_changes_nothing() -> None:
    story = Story(HOURLY).at(NINE).job(Kind.START, None, run="by-hand")
    story.at(NINE + MINUTE).job(Kind.SUCCESS, NINE)
    before = story.state
    assert story.at(NINE).job(Kind.START, None, run="by-hand").state == before
