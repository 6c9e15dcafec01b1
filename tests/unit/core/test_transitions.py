"""The state machine, fact by fact."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from heartbeats.core.model import (
    Blindness,
    CheckIn,
    CronJobFacts,
    Health,
    Kind,
    Policy,
    Reason,
    Source,
    State,
    Trouble,
    Uid,
)
from heartbeats.core.schedule import next_deadline
from heartbeats.core.silence import Hindrances, blind
from heartbeats.core.transitions import Subject, apply, arm, expire
from heartbeats.core.verdict import verdict

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
UID = Uid("monitor-uid")

HOURLY = Policy(source=Source.CRON_JOB, schedule="0 * * * *", time_zone="UTC")
PINGED = Policy(source=Source.PING, interval=HOUR, skips_while_running=True)
NIGHTLY_PING = Policy(
    source=Source.PING, schedule="0 2 * * *", time_zone="UTC", skips_while_running=True
)


class Story:
    """A monitor told fact by fact; every expectation is read off its state."""

    def __init__(self, policy: Policy, *, at: datetime = NINE - 30 * MINUTE) -> None:
        self.subject = Subject.of(UID, policy, None)
        self.now = at
        self.revision = 0
        self.state = arm(State(), self.subject, None, now=at)

    def at(self, at: datetime) -> "Story":
        self.now = at
        return self

    def rules(self, policy: Policy, trouble: Trouble | None = None) -> "Story":
        self.subject = Subject.of(UID, policy, trouble)
        self.state = arm(self.state, self.subject, trouble, now=self.now)
        return self

    def job(self, kind: Kind, slot: datetime | None, **more: object) -> "Story":
        run_id = str(more.pop("run", f"job-{slot}"))
        fields: dict[str, object] = {
            "id": f"{run_id}-{kind}",
            "kind": kind,
            "at": self.now,
            "run_id": run_id,
            "slot_at": slot,
            "started_at": slot or self.now,
            "scheduled": slot is not None,
        }
        check_in = CheckIn(**{**fields, **more})  # type: ignore[arg-type]
        self.state = apply(self.state, self.subject, check_in).state
        return self

    def ping(self, kind: Kind = Kind.SUCCESS, **more: object) -> "Story":
        self.revision += 1
        fields: dict[str, object] = {
            "id": f"ping-{self.revision}",
            "kind": kind,
            "at": self.now,
            "revision": self.revision,
            "source": "curl",
        }
        check_in = CheckIn(**{**fields, **more})  # type: ignore[arg-type]
        self.state = apply(self.state, self.subject, check_in).state
        return self

    def silence(self, until: datetime, **stuck: str) -> "Story":
        self.now = until
        whys = Hindrances({NINE: stuck["stuck"]} if stuck else {})
        self.state = expire(self.state, self.subject, whys, now=until).state
        return self

    @property
    def word(self) -> Health:
        return verdict(self.state, self.subject.policy, now=self.now).health

    @property
    def reason(self) -> Reason:
        return verdict(self.state, self.subject.policy, now=self.now).reason

    @property
    def deadline(self) -> datetime | None:
        found = next_deadline(self.state, self.subject.policy, self.subject.table)
        return found.at if found else None

    @property
    def flips(self) -> list[tuple[Health, Health]]:
        return [(flip.before, flip.after) for flip in self.state.pending_flips]


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


def test_a_manual_failure_opens_no_incident() -> None:
    story = Story(HOURLY).at(NINE).job(Kind.SUCCESS, NINE)
    story.at(NINE + MINUTE).job(Kind.FAILURE, None, run="by-hand")
    assert story.word is Health.UP
    assert story.state.history[0].scheduled is False


def test_a_manual_success_stands_for_no_slot() -> None:
    story = Story(HOURLY).at(NINE + MINUTE).job(Kind.SUCCESS, None, run="by-hand")
    assert story.silence(NINE + 6 * MINUTE).reason is Reason.RUN_MISSED


def test_the_same_end_reported_twice_is_counted_once() -> None:
    story = Story(HOURLY).at(NINE).job(Kind.FAILURE, NINE)
    before = story.state
    assert story.job(Kind.FAILURE, NINE).state == before


def test_what_ended_before_the_monitor_came_is_not_counted() -> None:
    story = Story(HOURLY, at=NINE + 30 * MINUTE)
    before = story.state
    story.job(Kind.FAILURE, NINE, at=NINE + 10 * MINUTE)
    assert story.state == before


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


def test_a_run_whose_limit_passed_while_down_fails_after_the_recovery() -> None:
    story = Story(replace(PINGED, max_runtime=10 * MINUTE))
    story.at(NINE).ping(Kind.START, run_id="a").silence(NINE + 11 * MINUTE)
    story.at(NINE + 15 * MINUTE).ping(Kind.START, run_id="b")
    story.at(NINE + 30 * MINUTE).ping(run_id="a")
    assert story.word is Health.UP
    story.at(NINE + 31 * MINUTE).ping(Kind.FAILURE, run_id="b")
    assert (story.word, story.reason) == (Health.DOWN, Reason.RUN_FAILED)


def test_what_forbid_skipped_is_not_missing_when_the_cron_job_is_deleted() -> None:
    story = Story(FORBID).at(NINE).job(Kind.START, NINE).silence(NINE + 160 * MINUTE)
    gone = replace(FORBID, orphaned=True, skips_while_running=False)
    missing = Trouble(Reason.CRON_JOB_NOT_FOUND, "gone")
    story.at(NINE + 160 * MINUTE).rules(gone, missing)
    assert story.silence(NINE + 161 * MINUTE).word is Health.NEW
    story.silence(NINE + 3 * HOUR + 6 * MINUTE)
    assert (story.word, story.reason) == (Health.DOWN, Reason.CRON_JOB_NOT_FOUND)


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


def test_what_forbid_skipped_while_down_is_not_missed_after_the_recovery() -> None:
    story = Story(replace(FORBID, grace=2 * HOUR, max_runtime=90 * MINUTE))
    story.at(NINE).job(Kind.START, NINE)
    story.at(NINE + MINUTE).job(Kind.FAILURE, NINE)
    ten = NINE + HOUR
    story.at(ten).job(Kind.START, ten)  # hangs: 11:00 is skipped
    story.at(ten + 110 * MINUTE).job(Kind.SUCCESS, None)
    assert story.word is Health.UP
    assert story.state.next_expected_at == ten + 2 * HOUR


def test_an_early_ping_during_a_pause_stands_for_the_slot_after_it() -> None:
    two = NINE.replace(hour=2) + 24 * HOUR
    story = Story(NIGHTLY_PING).at(NINE).ping()
    story.at(NINE + HOUR).rules(replace(NIGHTLY_PING, suspended=True))
    story.at(two - 2 * MINUTE).ping()
    story.at(two - MINUTE).rules(NIGHTLY_PING)
    assert story.state.next_expected_at == two + 24 * HOUR


def test_a_failure_of_a_run_that_was_missed_before_a_pause_counts_once() -> None:
    policy = replace(HOURLY, failure_threshold=2)
    story = Story(policy).silence(NINE + 6 * MINUTE)
    story.at(NINE + 10 * MINUTE).rules(replace(policy, suspended=True))
    story.at(NINE + 20 * MINUTE).rules(policy)
    story.at(NINE + 30 * MINUTE).job(Kind.FAILURE, NINE)
    assert story.state.consecutive_failures == 1


def test_a_vanished_run_excuses_nothing_that_was_due_after_it_vanished() -> None:
    policy = replace(FORBID, max_runtime=70 * MINUTE, failure_threshold=3)
    story = Story(policy).at(NINE).job(Kind.START, NINE)
    story.at(NINE + 30 * MINUTE).job(Kind.VANISHED, NINE, started_at=None)
    story.silence(NINE + 71 * MINUTE)
    assert story.state.consecutive_failures == 2  # 10:00 was missed, 9:00 is overdue


def test_a_run_whose_window_expired_is_not_counted_again_when_it_fails() -> None:
    story = Story(replace(HOURLY, failure_threshold=3)).silence(NINE + 6 * MINUTE)
    assert story.state.consecutive_failures == 1
    story.at(NINE + 7 * MINUTE).job(Kind.START, NINE)
    story.at(NINE + 8 * MINUTE).job(Kind.FAILURE, NINE)
    assert story.state.consecutive_failures == 1


def test_a_failure_that_is_pinged_after_its_window_is_not_counted_again() -> None:
    policy = replace(PINGED, failure_threshold=3)
    story = Story(policy, at=NINE).ping().silence(NINE + 66 * MINUTE)
    assert story.state.consecutive_failures == 1
    story.at(NINE + 70 * MINUTE).ping(Kind.FAILURE)
    assert story.state.consecutive_failures == 1
    story.at(NINE + 135 * MINUTE).ping(Kind.FAILURE)
    assert story.state.consecutive_failures == 2


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


FORBID = replace(HOURLY, skips_while_running=True)


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


def test_what_forbid_skipped_before_a_run_vanished_is_not_missed() -> None:
    story = Story(replace(FORBID, max_runtime=5 * HOUR))
    story.at(NINE).job(Kind.START, NINE)
    story.at(NINE + 119 * MINUTE).job(Kind.VANISHED, NINE, started_at=None)
    story.silence(NINE + 119 * MINUTE)
    assert story.state.incident is None


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


def test_a_run_that_started_during_a_pause_is_open_after_it() -> None:
    story = Story(FORBID)
    story.at(NINE - 20 * MINUTE).rules(replace(FORBID, suspended=True))
    story.at(NINE).job(Kind.START, NINE)
    story.at(NINE + 30 * MINUTE).rules(FORBID)
    story.silence(NINE + 66 * MINUTE)  # 10:00 is skipped: 9:00 still runs
    assert story.word is not Health.DOWN


def test_recovery_excuses_no_window_that_is_still_open() -> None:
    story = Story(replace(HOURLY, grace=150 * MINUTE)).silence(NINE + 151 * MINUTE)
    story.at(NINE + 2 * HOUR + 32 * MINUTE).job(Kind.SUCCESS, NINE + 2 * HOUR)
    assert story.word is not Health.DOWN
    story.silence(NINE + 212 * MINUTE)
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


def test_a_mismatch_is_not_forgotten_where_slots_coincide() -> None:
    shifts = replace(HOURLY, schedule="0 8-18 * * *")
    story = Story(shifts, at=NINE - 5 * HOUR)
    for hour in range(6, 17):
        at = NINE + timedelta(hours=hour - 9)
        story.at(at).job(Kind.SUCCESS, at)
    story.silence(NINE + 9 * HOUR)
    assert story.word is Health.UNKNOWN


def test_a_run_that_vanished_during_a_pause_is_paid_by_a_newer_one() -> None:
    story = Story(HOURLY).at(NINE).job(Kind.SUCCESS, NINE)
    story.at(NINE + 10 * MINUTE).rules(replace(HOURLY, suspended=True))
    ten = NINE + HOUR
    story.at(ten).job(Kind.START, ten)
    story.at(ten + 10 * MINUTE).job(Kind.VANISHED, ten, started_at=None)
    story.at(ten + 90 * MINUTE).rules(HOURLY)
    story.at(ten + 2 * HOUR).job(Kind.SUCCESS, ten + 2 * HOUR)
    assert not story.state.active_runs


def test_a_timetable_that_is_mended_to_what_it_was_is_armed_anew() -> None:
    trouble = Trouble(Reason.INVALID_SCHEDULE, "no such field")
    story = Story(HOURLY).at(NINE).job(Kind.SUCCESS, NINE)
    story.at(NINE + 30 * MINUTE).rules(HOURLY, trouble)
    story.at(NINE + 210 * MINUTE).rules(HOURLY)
    story.silence(NINE + 211 * MINUTE)
    assert story.word is Health.UP
    assert story.deadline == NINE + 4 * HOUR + 5 * MINUTE


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


def test_a_run_whose_window_expired_is_not_overdue_besides() -> None:
    story = Story(replace(HOURLY, max_runtime=70 * MINUTE)).silence(NINE + 6 * MINUTE)
    ten = NINE + HOUR
    story.at(ten).job(Kind.SUCCESS, ten)
    story.at(ten + MINUTE).job(Kind.START, NINE)
    story.silence(ten + 11 * MINUTE)
    assert story.word is Health.UP


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


def test_the_start_of_a_run_by_hand_that_is_seen_again_changes_nothing() -> None:
    story = Story(HOURLY).at(NINE).job(Kind.START, None, run="by-hand")
    story.at(NINE + MINUTE).job(Kind.SUCCESS, NINE)
    before = story.state
    assert story.at(NINE).job(Kind.START, None, run="by-hand").state == before
