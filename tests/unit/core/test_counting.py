"""Every run counts once: its silence, its end, or what made up for it."""

import pytest
from msgspec.structs import replace

from heartbeats.core.model import (
    CronJobFacts,
    Health,
    Kind,
    Policy,
    Reason,
    Source,
    State,
    Uid,
)
from heartbeats.core.transitions import Subject, arm
from support.told import (
    HOUR,
    HOURLY,
    MINUTE,
    NINE,
    UID,
    Story,
)


def test_a_failure_below_the_threshold_is_not_down_but_silence_counts_too() -> None:
    policy = Policy(
        source=Source.CRON_JOB,
        schedule="0 * * * *",
        time_zone="UTC",
        failure_threshold=2,
    )
    story = Story(policy).at(NINE).job(Kind.FAILURE, NINE)
    assert story.word is Health.UP
    story.silence(NINE + HOUR + 6 * MINUTE)
    assert (story.word, story.reason) == (Health.DOWN, Reason.RUN_MISSED)


def test_the_same_end_reported_twice_is_counted_once() -> None:
    story = Story(HOURLY).at(NINE).job(Kind.FAILURE, NINE)
    before = story.state
    assert story.job(Kind.FAILURE, NINE).state == before


def test_what_ended_before_the_monitor_came_is_not_counted() -> None:
    story = Story(HOURLY, at=NINE + 30 * MINUTE)
    before = story.state
    story.job(Kind.FAILURE, NINE, at=NINE + 10 * MINUTE)
    assert story.state == before


def test_an_overdue_run_that_fails_is_counted_once_and_explains_itself() -> None:
    policy = Policy(
        source=Source.CRON_JOB,
        schedule="0 * * * *",
        time_zone="UTC",
        active_deadline=10 * MINUTE,
    )
    story = Story(policy).at(NINE).job(Kind.START, NINE).silence(NINE + 11 * MINUTE)
    story.job(Kind.FAILURE, NINE, message="DeadlineExceeded")
    assert story.state.consecutive_failures == 1
    assert story.reason is Reason.RUN_FAILED
    assert len(story.flips) == 1


def test_a_vanished_run_is_owed_until_a_newer_one_succeeds() -> None:
    policy = Policy(
        source=Source.CRON_JOB,
        schedule="*/10 * * * *",
        time_zone="UTC",
        max_runtime=15 * MINUTE,
    )
    story = Story(policy, at=NINE - MINUTE).at(NINE).job(Kind.START, NINE)
    story.at(NINE + 10 * MINUTE).job(Kind.VANISHED, NINE)
    story.job(Kind.START, NINE + 10 * MINUTE)
    assert story.silence(NINE + 15 * MINUTE).reason is Reason.RUN_OVERDUE


def test_a_vanished_run_is_paid_by_a_success_that_is_not_the_newest() -> None:
    story = Story(replace(HOURLY, max_runtime=4 * HOUR)).at(NINE).job(Kind.START, NINE)
    ten, eleven = NINE + HOUR, NINE + 2 * HOUR
    story.at(ten).job(Kind.START, ten)
    story.at(eleven).job(Kind.SUCCESS, eleven)
    story.at(eleven + MINUTE).job(Kind.VANISHED, NINE)
    story.at(eleven + 2 * MINUTE).job(Kind.SUCCESS, ten)
    assert not story.state.active_runs


def test_a_failure_of_a_run_that_was_missed_before_a_pause_counts_once() -> None:
    policy = replace(HOURLY, failure_threshold=2)
    story = Story(policy).silence(NINE + 6 * MINUTE)
    story.at(NINE + 10 * MINUTE).rules(replace(policy, suspended=True))
    story.at(NINE + 20 * MINUTE).rules(policy)
    story.at(NINE + 30 * MINUTE).job(Kind.FAILURE, NINE)
    assert story.state.consecutive_failures == 1


def test_a_run_whose_window_expired_is_not_counted_again_when_it_fails() -> None:
    story = Story(replace(HOURLY, failure_threshold=3)).silence(NINE + 6 * MINUTE)
    assert story.state.consecutive_failures == 1
    story.at(NINE + 7 * MINUTE).job(Kind.START, NINE)
    story.at(NINE + 8 * MINUTE).job(Kind.FAILURE, NINE)
    assert story.state.consecutive_failures == 1


def test_a_limit_that_passed_while_down_is_not_judged_after_the_recovery() -> None:
    story = Story(replace(HOURLY, max_runtime=30 * MINUTE))
    story.at(NINE).job(Kind.START, NINE)
    story.at(NINE + 10 * MINUTE).job(Kind.FAILURE, NINE)
    story.at(NINE + HOUR).job(Kind.START, NINE + HOUR)  # hangs while Down
    story.silence(NINE + 2 * HOUR - MINUTE)
    story.at(NINE + 2 * HOUR).job(Kind.START, NINE + 2 * HOUR)
    story.at(NINE + 2 * HOUR + MINUTE).job(Kind.SUCCESS, NINE + 2 * HOUR)
    story.silence(NINE + 2 * HOUR + 2 * MINUTE)
    assert story.word is Health.UP


def test_a_run_of_an_unknown_slot_is_never_overdue() -> None:
    story = Story(replace(HOURLY, max_runtime=90 * MINUTE))
    odd = NINE + 30 * MINUTE
    story.at(odd).job(Kind.START, odd)
    story.silence(odd + 2 * HOUR)
    assert story.word is Health.UNKNOWN


def test_a_slot_missed_before_the_mismatch_was_seen_is_unknown_too() -> None:
    story = Story(HOURLY).silence(NINE + 6 * MINUTE)  # our 9:00 is its 9:30
    odd = NINE + 30 * MINUTE
    story.at(odd).job(Kind.START, odd)
    assert story.word is Health.UNKNOWN


def test_recovery_excuses_no_window_that_is_still_open() -> None:
    story = Story(replace(HOURLY, grace=150 * MINUTE)).silence(NINE + 151 * MINUTE)
    story.at(NINE + 2 * HOUR + 32 * MINUTE).job(Kind.SUCCESS, NINE + 2 * HOUR)
    assert story.word is not Health.DOWN
    story.silence(NINE + 212 * MINUTE)
    assert story.word is Health.DOWN


def test_a_run_that_vanished_during_a_pause_is_paid_by_a_newer_one() -> None:
    story = Story(HOURLY).at(NINE).job(Kind.SUCCESS, NINE)
    story.at(NINE + 10 * MINUTE).rules(replace(HOURLY, suspended=True))
    ten = NINE + HOUR
    story.at(ten).job(Kind.START, ten)
    story.at(ten + 10 * MINUTE).job(Kind.VANISHED, ten, started_at=None)
    story.at(ten + 90 * MINUTE).rules(HOURLY)
    story.at(ten + 2 * HOUR).job(Kind.SUCCESS, ten + 2 * HOUR)
    assert not story.state.active_runs


def test_a_run_whose_window_expired_is_not_overdue_besides() -> None:
    story = Story(replace(HOURLY, max_runtime=70 * MINUTE)).silence(NINE + 6 * MINUTE)
    ten = NINE + HOUR
    story.at(ten).job(Kind.SUCCESS, ten)
    story.at(ten + MINUTE).job(Kind.START, NINE)
    story.silence(ten + 11 * MINUTE)
    assert story.word is Health.UP


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_every_counts_from_the_last_slot_of_the_controller(zone: str) -> None:
    policy = Policy(source=Source.CRON_JOB, schedule="@every 90m", time_zone=zone)
    facts = CronJobFacts(
        uid=Uid("c"),
        name="c",
        namespace="n",
        schedule="@every 90m",
        last_schedule_at=NINE,
    )
    subject = Subject.of(UID, policy, None, facts)
    state = arm(State(), subject, None, now=NINE + 10 * HOUR)
    assert state.next_expected_at == NINE + 10 * HOUR + 30 * MINUTE


def test_a_success_makes_the_end_of_an_overdue_run_news() -> None:
    policy = replace(HOURLY, failure_threshold=3, max_runtime=30 * MINUTE)
    story = Story(policy).at(NINE).job(Kind.START, NINE).silence(NINE + 31 * MINUTE)
    assert story.state.consecutive_failures == 1
    story.at(NINE + 40 * MINUTE).job(Kind.SUCCESS, None)
    story.silence(NINE + 66 * MINUTE)  # 10:00 is missed
    story.at(NINE + 70 * MINUTE).job(Kind.FAILURE, NINE)
    assert story.state.consecutive_failures == 2
