"""What was not seen is never held against anybody."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from heartbeats.core.catchup import Gap, catch_up, told_once, with_starts
from heartbeats.core.model import (
    Blindness,
    CheckIn,
    Health,
    Kind,
    Policy,
    Reason,
    Source,
    State,
)
from heartbeats.core.presence import Presence, gaps, is_uncertain
from heartbeats.core.remains import Remains
from heartbeats.core.schedule import next_deadline
from heartbeats.core.silence import blind, expire
from heartbeats.core.subject import Subject
from heartbeats.core.transitions import apply
from heartbeats.core.verdict import verdict
from support.told import HOUR, HOURLY, MINUTE, NIGHTLY_PING, NINE, PINGED
from support.unwatched import armed, facts, ping, run_of


def after_gap(
    state: State, subject: Subject, remains: Remains, now: datetime
) -> tuple[Health, Reason, State]:
    caught = catch_up(state, subject, Gap(state, remains), now=now)
    judged = expire(caught, subject, now=now - timedelta(seconds=1)).state
    said = verdict(judged, subject.policy, now=now)
    return said.health, said.reason, judged


def test_a_job_that_succeeded_and_was_deleted_unseen_is_inferred() -> None:
    state, subject = armed(HOURLY)
    ended_at = NINE + 3 * HOUR + 2 * MINUTE
    left = Remains(facts(last_schedule_at=NINE + 3 * HOUR, last_success_at=ended_at))
    now = NINE + 3 * HOUR + 20 * MINUTE
    health, _, judged = after_gap(state, subject, left, now)
    assert health is Health.UP
    assert judged.history[0].inferred
    assert judged.history[0].slot_at == NINE + 3 * HOUR
    assert judged.next_expected_at == NINE + 4 * HOUR


def test_a_job_that_was_deleted_unseen_without_success_is_unknown_not_down() -> None:
    state, subject = armed(HOURLY)
    left = Remains(facts(last_schedule_at=NINE))
    health, reason, judged = after_gap(state, subject, left, NINE + 20 * MINUTE)
    assert (health, reason) == (Health.UNKNOWN, Reason.BLIND_WINDOW)
    assert judged.next_expected_at == NINE + HOUR


def test_a_job_that_the_controller_never_made_is_missed() -> None:
    state, subject = armed(HOURLY)
    left = Remains(facts(last_schedule_at=NINE - HOUR))
    health, reason, judged = after_gap(state, subject, left, NINE + 20 * MINUTE)
    assert (health, reason) == (Health.DOWN, Reason.RUN_MISSED)
    assert judged.changed_at == NINE + 5 * MINUTE


def test_a_cron_job_edited_unseen_excuses_what_it_did_not_run() -> None:
    """It may have been suspended and resumed."""
    state, subject = armed(HOURLY)
    left = Remains(facts(last_schedule_at=NINE - HOUR, generation=3))
    health, reason, _ = after_gap(state, subject, left, NINE + 20 * MINUTE)
    assert (health, reason) == (Health.UNKNOWN, Reason.BLIND_WINDOW)


def test_a_running_job_that_ended_well_unseen_is_inferred_by_its_start() -> None:
    state, subject = armed(HOURLY)
    state = apply(state, subject, run_of(NINE, Kind.START, NINE)).state
    left = Remains(facts(last_schedule_at=NINE, last_success_at=NINE + 9 * MINUTE))
    health, _, judged = after_gap(state, subject, left, NINE + 20 * MINUTE)
    assert health is Health.UP
    assert judged.active_runs == ()
    assert judged.last_success_at == NINE + 9 * MINUTE


def test_a_running_job_that_is_gone_without_success_is_unknown() -> None:
    state, subject = armed(HOURLY)
    state = apply(state, subject, run_of(NINE, Kind.START, NINE)).state
    left = Remains(facts(last_schedule_at=NINE, last_success_at=NINE - HOUR))
    health, reason, _ = after_gap(state, subject, left, NINE + 20 * MINUTE)
    assert (health, reason) == (Health.UNKNOWN, Reason.BLIND_WINDOW)


def test_a_pending_job_found_after_the_gap_keeps_its_deadline() -> None:
    state, subject = armed(HOURLY)
    left = Remains(
        facts(last_schedule_at=NINE + HOUR),
        jobs=frozenset({"a", "b"}),
        slots=frozenset({NINE, NINE + HOUR}),
        pending=frozenset({NINE}),
    )
    health, _, _ = after_gap(state, subject, left, NINE + 70 * MINUTE)
    assert health is Health.DOWN


def test_flips_that_opened_and_closed_unseen_are_history() -> None:
    state, subject = armed(HOURLY)
    state = apply(state, subject, run_of(NINE, Kind.SUCCESS, NINE)).state
    before = state
    for hours, kind in ((1, Kind.FAILURE), (2, Kind.SUCCESS)):
        at = NINE + hours * HOUR
        state = apply(state, subject, run_of(at, kind, at)).state
    assert len(state.pending_flips) == len(before.pending_flips) + 2
    assert told_once(before, state).pending_flips == before.pending_flips


def test_of_several_unseen_flips_the_last_is_told() -> None:
    state, subject = armed(HOURLY)
    state = apply(state, subject, run_of(NINE, Kind.SUCCESS, NINE)).state
    before = state
    for hours, kind in ((1, Kind.FAILURE), (2, Kind.SUCCESS), (3, Kind.FAILURE)):
        at = NINE + hours * HOUR
        state = apply(state, subject, run_of(at, kind, at)).state
    last = told_once(before, state).pending_flips[-1]
    assert (last.before, last.after) == (Health.UP, Health.DOWN)
    assert last.at == NINE + 3 * HOUR


def test_a_window_in_which_pings_were_refused_is_unknown_until_its_next_slot() -> None:
    state, subject = armed(NIGHTLY_PING)
    two = datetime(2026, 11, 21, 2, tzinfo=UTC)
    state = apply(state, subject, ping(two - 24 * HOUR, 1)).state
    outage = Blindness(began_at=two - MINUTE, ended_at=two + MINUTE)
    state = blind(state, subject, outage)
    state = expire(state, subject, now=two + HOUR).state
    said = verdict(state, NIGHTLY_PING, now=two + HOUR)
    assert (said.health, said.reason) == (Health.UNKNOWN, Reason.BLIND_WINDOW)
    assert state.next_expected_at == two + 24 * HOUR
    state = expire(state, subject, now=two + 25 * HOUR).state
    assert verdict(state, NIGHTLY_PING, now=two + 25 * HOUR).health is Health.DOWN


def test_blindness_outside_the_window_excuses_nothing() -> None:
    state, subject = armed(NIGHTLY_PING)
    two = datetime(2026, 11, 21, 2, tzinfo=UTC)
    state = apply(state, subject, ping(two - 24 * HOUR, 1)).state
    outage = Blindness(began_at=two - 8 * HOUR, ended_at=two - 7 * HOUR)
    state = blind(state, subject, outage)
    state = expire(state, subject, now=two + HOUR).state
    assert verdict(state, NIGHTLY_PING, now=two + HOUR).health is Health.DOWN


def test_an_interval_starts_anew_at_the_end_of_blindness() -> None:
    state, subject = armed(PINGED)
    state = apply(state, subject, ping(NINE, 1)).state
    outage = Blindness(began_at=NINE + 30 * MINUTE, ended_at=NINE + 90 * MINUTE)
    state = blind(state, subject, outage)
    state = expire(state, subject, now=NINE + 2 * HOUR).state
    assert verdict(state, PINGED, now=NINE + 2 * HOUR).health is Health.UNKNOWN
    assert state.next_expected_at == NINE + 150 * MINUTE


def test_many_windows_within_one_blindness_are_one_doubt() -> None:
    minutely = Policy(
        source=Source.PING,
        schedule="* * * * *",
        time_zone="UTC",
        grace=timedelta(seconds=30),
        skips_while_running=True,
    )
    state, subject = armed(minutely, NINE - MINUTE)
    state = apply(state, subject, ping(NINE, 1)).state
    outage = Blindness(began_at=NINE + 20 * MINUTE, ended_at=NINE + 40 * MINUTE)
    for minute in range(1, 20):
        state = apply(state, subject, ping(NINE + minute * MINUTE, minute + 1)).state
    state = blind(state, subject, outage)
    state = expire(state, subject, now=NINE + 40 * MINUTE).state
    assert verdict(state, minutely, now=NINE + 40 * MINUTE).health is Health.UNKNOWN
    deadline = next_deadline(state, minutely, subject.table)
    assert deadline is not None
    assert deadline.at > NINE + 41 * MINUTE


def test_a_run_whose_end_may_have_been_refused_is_not_overdue() -> None:
    policy = Policy(
        source=Source.PING,
        interval=HOUR,
        max_runtime=10 * MINUTE,
        skips_while_running=True,
    )
    state, subject = armed(policy, NINE - MINUTE)
    state = apply(state, subject, ping(NINE, 1, Kind.START)).state
    outage = Blindness(began_at=NINE + 5 * MINUTE, ended_at=NINE + 6 * MINUTE)
    state = blind(state, subject, outage)
    state = expire(state, subject, now=NINE + 11 * MINUTE).state
    assert verdict(state, policy, now=NINE + 11 * MINUTE).health is Health.UNKNOWN


def test_an_unseen_run_that_is_over_lays_no_older_window_bare() -> None:
    state, subject = armed(PINGED, NINE - 2 * HOUR)
    state = apply(state, subject, ping(NINE - HOUR, 1)).state
    state = apply(state, subject, ping(NINE, 2, Kind.START)).state
    outage = Blindness(began_at=NINE + 20 * MINUTE, ended_at=NINE + 40 * MINUTE)
    state = expire(blind(state, subject, outage), subject, now=NINE + 6 * HOUR).state
    said = verdict(state, PINGED, now=NINE + 6 * HOUR)
    assert (said.health, said.reason) == (Health.UNKNOWN, Reason.BLIND_WINDOW)
    assert [flip.after for flip in state.pending_flips[-1:]] == [Health.UNKNOWN]
    assert state.next_expected_at == NINE + 7 * HOUR


def test_a_ping_ends_every_doubt() -> None:
    state, subject = armed(PINGED)
    state = apply(state, subject, ping(NINE, 1)).state
    outage = Blindness(began_at=NINE + 30 * MINUTE, ended_at=NINE + 90 * MINUTE)
    state = expire(blind(state, subject, outage), subject, now=NINE + 2 * HOUR).state
    state = apply(state, subject, ping(NINE + 2 * HOUR, 2)).state
    assert verdict(state, PINGED, now=NINE + 2 * HOUR).health is Health.UP
    assert (state.blind_at, state.unseen_slot_at) == (None, None)


def test_an_in_time_ping_that_arrives_after_the_verdict_retracts_it() -> None:
    state, subject = armed(PINGED)
    state = apply(state, subject, ping(NINE, 1)).state
    state = expire(state, subject, now=NINE + 2 * HOUR).state
    assert state.incident is not None
    state = apply(state, subject, ping(NINE + 64 * MINUTE, 2)).state
    assert verdict(state, PINGED, now=NINE + 2 * HOUR).health is not Health.DOWN
    assert state.pending_flips[-1].reason is Reason.RETRACTED
    assert all(run.outcome != "missed" for run in state.history)
    assert state.consecutive_failures == 0


def test_a_ping_after_the_deadline_recovers_and_retracts_nothing() -> None:
    state, subject = armed(PINGED)
    state = apply(state, subject, ping(NINE, 1)).state
    state = expire(state, subject, now=NINE + 2 * HOUR).state
    state = apply(state, subject, ping(NINE + 2 * HOUR, 2)).state
    assert state.pending_flips[-1].reason is Reason.RECOVERED


def test_a_late_ping_tells_the_same_story_whoever_was_quicker() -> None:
    """The watchdog or the ping may come first; history is the same."""
    state, subject = armed(PINGED)
    state = apply(state, subject, ping(NINE, 1)).state
    late = ping(NINE + 2 * HOUR, 2)
    ping_first = apply(state, subject, late).state
    judged = expire(state, subject, now=NINE + 2 * HOUR - MINUTE).state
    assert apply(judged, subject, late).state == ping_first


def test_a_failure_that_may_echo_a_refused_success_is_unknown() -> None:
    state, subject = armed(PINGED)
    state = apply(state, subject, ping(NINE, 1)).state
    echo = CheckIn(
        id="p2",
        kind=Kind.FAILURE,
        at=NINE + HOUR,
        revision=2,
        source="cron",
        ambiguous=True,
    )
    state = apply(state, subject, echo).state
    said = verdict(state, PINGED, now=NINE + HOUR)
    assert (said.health, said.reason) == (Health.UNKNOWN, Reason.AMBIGUOUS)
    state = apply(state, subject, ping(NINE + 2 * HOUR, 3)).state
    assert verdict(state, PINGED, now=NINE + 2 * HOUR).health is Health.UP


def test_gaps_are_what_no_presence_covers() -> None:
    presences = [
        Presence(NINE, NINE + 10 * MINUTE),
        Presence(NINE + 5 * MINUTE, NINE + 20 * MINUTE),
        Presence(NINE + 30 * MINUTE, NINE + 40 * MINUTE),
    ]
    found = gaps(presences, now=NINE + 40 * MINUTE)
    assert [(each.began_at, each.ended_at) for each in found] == [
        (NINE + 20 * MINUTE, NINE + 30 * MINUTE)
    ]


def test_a_replica_that_joins_another_makes_no_gap() -> None:
    """The other proves every five seconds that it is there, not at that instant."""
    second = timedelta(seconds=1)
    joined = [
        Presence(NINE, NINE + 5 * second),
        Presence(NINE + 8 * second, NINE + 8 * second),
    ]
    now = NINE + 8 * second
    assert gaps(joined, now=now) == []
    assert is_uncertain(joined, now=now)
    renewed = [Presence(NINE, NINE + 10 * second), joined[1]]
    assert not is_uncertain(renewed, now=now + 2 * second)
    [gap] = gaps(joined, now=NINE + 21 * second)
    assert (gap.began_at, gap.ended_at) == (NINE + 5 * second, NINE + 8 * second)
    assert not is_uncertain(joined, now=NINE + 21 * second)


def test_a_presence_that_is_not_renewed_is_a_gap_up_to_now() -> None:
    found = gaps([Presence(NINE, NINE + MINUTE)], now=NINE + 2 * MINUTE)
    assert [(each.began_at, each.ended_at) for each in found] == [
        (NINE + MINUTE, NINE + 2 * MINUTE)
    ]
    assert (
        gaps([Presence(NINE, NINE + MINUTE)], now=NINE + 70 * timedelta(seconds=1))
        == []
    )


def test_where_nobody_ever_was_nothing_is_missing() -> None:
    assert gaps([], now=NINE) == []


def test_a_run_that_ended_unseen_appeared_when_it_started() -> None:
    state, subject = armed(HOURLY)
    end = run_of(NINE, Kind.FAILURE, NINE + 20 * MINUTE)
    start, _ = reports = with_starts(state, subject, [end])
    assert (start.kind, start.at, start.inferred) == (Kind.START, NINE, True)
    for report in reports:
        state = apply(state, subject, report).state
    assert state.incident is not None
    assert state.incident.opened_at == end.at
    assert [run.outcome for run in state.history] == ["failure"]


def test_a_run_that_was_seen_not_to_appear_in_time_has_no_start_to_infer() -> None:
    state, subject = armed(HOURLY)
    state = expire(state, subject, now=NINE + 10 * MINUTE).state
    end = run_of(NINE, Kind.FAILURE, NINE + 20 * MINUTE)
    assert with_starts(state, subject, [end]) == [end]
    late = replace(end, started_at=NINE + 10 * MINUTE)
    assert len(with_starts(state, subject, [late])) == 2


def test_the_start_of_a_run_that_was_counted_is_not_inferred_again() -> None:
    state, subject = armed(HOURLY)
    end = run_of(NINE, Kind.SUCCESS, NINE + MINUTE)
    state = apply(state, subject, end).state
    assert with_starts(state, subject, [end]) == [end]


def test_blindness_that_is_told_again_touches_no_window_that_began_after_it() -> None:
    policy = replace(PINGED, first_check_in_within=HOUR)
    state, subject = armed(policy)
    unheard = Blindness(began_at=NINE + 20 * MINUTE, ended_at=NINE + 40 * MINUTE)
    state = expire(blind(state, subject, unheard), subject, now=NINE + HOUR).state
    assert (state.armed_at, state.unseen_slot_at) == (unheard.ended_at, None)
    assert blind(state, subject, unheard) == state


def test_blindness_touches_no_window_that_no_ping_in_it_could_have_met() -> None:
    """In the middle of two slots a ping belongs to the nearer one."""
    often = replace(PINGED, interval=None, schedule="*/20 * * * *", grace=20 * MINUTE)
    state, subject = armed(often)
    state = apply(state, subject, ping(NINE + 2 * MINUTE, 1)).state
    assert state.next_expected_at == NINE + 20 * MINUTE
    early = Blindness(began_at=NINE + 3 * MINUTE, ended_at=NINE + 4 * MINUTE)
    assert blind(state, subject, early) == state
    later = replace(early, ended_at=NINE + 10 * MINUTE)
    assert blind(state, subject, later).unseen_slot_at == NINE + 20 * MINUTE
