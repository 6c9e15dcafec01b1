"""What Forbid skips is not missing; what hangs under it is."""

from datetime import UTC, datetime

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
    FORBID,
    HOUR,
    HOURLY,
    MINUTE,
    NINE,
    Story,
)


def test_a_hung_run_is_overdue_at_the_end_of_its_max_runtime() -> None:
    policy = Policy(
        source=Source.CRON_JOB,
        schedule="0 * * * *",
        time_zone="UTC",
        max_runtime=10 * MINUTE,
        skips_while_running=True,
    )
    story = Story(policy).at(NINE).job(Kind.START, NINE)
    story.silence(NINE + 11 * MINUTE)
    assert (story.word, story.reason) == (Health.DOWN, Reason.RUN_OVERDUE)
    assert story.state.changed_at == NINE + 10 * MINUTE


def test_a_hung_run_without_limits_is_overdue_after_six_hours() -> None:
    policy = Policy(
        source=Source.CRON_JOB,
        schedule="0 * * * *",
        time_zone="UTC",
        skips_while_running=True,
    )
    story = Story(policy).at(NINE).job(Kind.START, NINE)
    assert story.silence(NINE + 6 * HOUR - MINUTE).word is not Health.DOWN
    assert story.silence(NINE + 6 * HOUR).reason is Reason.RUN_OVERDUE


def test_slots_skipped_under_forbid_while_a_run_is_open_are_not_missed() -> None:
    policy = Policy(
        source=Source.CRON_JOB,
        schedule="*/10 * * * *",
        time_zone="UTC",
        skips_while_running=True,
    )
    story = Story(policy, at=NINE - MINUTE).at(NINE).job(Kind.START, NINE)
    assert story.silence(NINE + 35 * MINUTE).word is not Health.DOWN
    story.job(Kind.SUCCESS, NINE)
    assert story.word is Health.UP
    assert story.deadline == NINE + 45 * MINUTE


def test_an_overdue_run_under_forbid_explains_no_further_silence() -> None:
    policy = Policy(
        source=Source.CRON_JOB,
        schedule="*/10 * * * *",
        time_zone="UTC",
        skips_while_running=True,
        max_runtime=5 * MINUTE,
        failure_threshold=2,
    )
    story = Story(policy, at=NINE - MINUTE).at(NINE).job(Kind.START, NINE)
    story.silence(NINE + 14 * MINUTE)
    assert story.word is not Health.DOWN
    story.silence(NINE + 15 * MINUTE)
    assert story.reason is Reason.RUN_MISSED


def test_a_run_that_is_older_than_the_monitor_is_not_judged_before_its_next_slot() -> (
    None
):
    daily = Policy(
        source=Source.CRON_JOB,
        schedule="0 2 * * *",
        time_zone="UTC",
        max_runtime=HOUR,
        skips_while_running=True,
    )
    story = Story(daily, at=NINE)
    story.job(Kind.START, NINE - 40 * HOUR, started_at=NINE - 40 * HOUR)
    two = datetime(2026, 11, 21, 2, tzinfo=UTC)
    assert story.silence(two).word is Health.NEW
    assert story.silence(two + 5 * MINUTE).reason is Reason.RUN_OVERDUE


def test_what_forbid_skipped_is_not_missing_when_the_cron_job_is_deleted() -> None:
    story = Story(FORBID).at(NINE).job(Kind.START, NINE).silence(NINE + 160 * MINUTE)
    gone = replace(FORBID, orphaned=True, skips_while_running=False)
    missing = Trouble(Reason.CRON_JOB_NOT_FOUND, "gone")
    story.at(NINE + 160 * MINUTE).rules(gone, missing)
    assert story.silence(NINE + 161 * MINUTE).word is Health.NEW
    story.silence(NINE + 3 * HOUR + 6 * MINUTE)
    assert (story.word, story.reason) == (Health.DOWN, Reason.CRON_JOB_NOT_FOUND)


def test_what_forbid_skipped_while_down_is_not_missed_after_the_recovery() -> None:
    story = Story(replace(FORBID, grace=2 * HOUR, max_runtime=90 * MINUTE))
    story.at(NINE).job(Kind.START, NINE)
    story.at(NINE + MINUTE).job(Kind.FAILURE, NINE)
    ten = NINE + HOUR
    story.at(ten).job(Kind.START, ten)  # hangs: 11:00 is skipped
    story.at(ten + 110 * MINUTE).job(Kind.SUCCESS, None)
    assert story.word is Health.UP
    assert story.state.next_expected_at == ten + 2 * HOUR


def test_a_vanished_run_excuses_nothing_that_was_due_after_it_vanished() -> None:
    policy = replace(FORBID, max_runtime=70 * MINUTE, failure_threshold=3)
    story = Story(policy).at(NINE).job(Kind.START, NINE)
    story.at(NINE + 30 * MINUTE).job(Kind.VANISHED, NINE, started_at=None)
    story.silence(NINE + 71 * MINUTE)
    assert story.state.consecutive_failures == 2  # 10:00 was missed, 9:00 is overdue


def test_what_forbid_skipped_within_the_limit_of_a_run_is_not_missed() -> None:
    policy = replace(
        HOURLY,
        skips_while_running=True,
        max_runtime=90 * MINUTE,
        failure_threshold=2,
    )
    story = Story(policy).at(NINE).job(Kind.START, NINE).silence(NINE + 91 * MINUTE)
    assert story.state.consecutive_failures == 1
    assert story.word is not Health.DOWN
    assert story.deadline == NINE + 2 * HOUR + 5 * MINUTE


def test_what_forbid_skipped_before_a_run_vanished_is_not_missed() -> None:
    story = Story(replace(FORBID, max_runtime=5 * HOUR))
    story.at(NINE).job(Kind.START, NINE)
    story.at(NINE + 119 * MINUTE).job(Kind.VANISHED, NINE, started_at=None)
    story.silence(NINE + 119 * MINUTE)
    assert story.state.incident is None


def test_a_run_that_started_during_a_pause_is_open_after_it() -> None:
    story = Story(FORBID)
    story.at(NINE - 20 * MINUTE).rules(replace(FORBID, suspended=True))
    story.at(NINE).job(Kind.START, NINE)
    story.at(NINE + 30 * MINUTE).rules(FORBID)
    story.silence(NINE + 66 * MINUTE)  # 10:00 is skipped: 9:00 still runs
    assert story.word is not Health.DOWN
