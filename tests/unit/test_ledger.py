"""The ledger: facts in, states out, and whoever must act is told."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from heartbeats.core.model import (
    Blindness,
    CheckIn,
    Health,
    Kind,
    Reason,
    Source,
    Spec,
    Uid,
)
from heartbeats.core.status import digest, from_status, to_status
from heartbeats.core.verdict import verdict
from heartbeats.ledger import Entry, Sighting
from support.ledgers import NAMESPACE, Bench

NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
ONE = datetime(2026, 11, 20, 13, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def word(bench: Bench, entry: Entry) -> Health:
    return verdict(entry.state, entry.policy, now=bench.now).health


def job(kind: Kind, at: datetime, slot: datetime, run: str = "run") -> CheckIn:
    return CheckIn(
        id=f"{run}-{kind}",
        kind=kind,
        at=at,
        run_id=run,
        slot_at=slot,
        started_at=slot,
    )


def owned(bench: Bench, uid: str, owner: str) -> Entry:
    spec = Spec(source=Source.CRON_JOB, cron_job_name="job")
    return bench.monitor("job-cronjob", spec, uid=uid, owner=owner)


def recreated(bench: Bench, after: timedelta) -> Entry:
    """Delete a CronJob with its monitor and create both anew."""
    bench.cron_job(uid="first")
    old = owned(bench, "m1", "first")
    facts = bench.ledger.cron_job_of(old)
    assert facts is not None
    bench.turn(ONE + 6 * MINUTE)
    bench.ledger.lose_cron_job(facts, now=bench.now)
    bench.ledger.lose_monitor(old.uid, now=bench.now)
    bench.now += after
    bench.cron_job(uid="second")
    return owned(bench, "m2", "second")


def test_a_cron_job_that_returns_within_the_hour_inherits_its_incident() -> None:
    bench = Bench(NOON)
    entry = recreated(bench, 50 * MINUTE)
    assert word(bench, entry) is Health.DOWN
    assert entry.state.incident is not None
    assert entry.state.incident.opened_at == ONE + 5 * MINUTE
    assert entry.state.judged.cron_job_uid == "second"


def test_whoever_listens_hears_once_of_a_monitor_that_is_gone() -> None:
    bench = Bench(NOON)
    lost = bench.monitor("job", Spec(source=Source.PING, interval=timedelta(hours=1)))
    for _ in range(2):
        bench.ledger.lose_monitor(lost.uid, now=bench.now)
    assert bench.heard.losses == [lost.key]


def test_a_cron_job_recreated_while_a_run_was_active_is_not_blind() -> None:
    bench = Bench(NOON)
    uid = bench.cron_job()
    entry = bench.watching(max_runtime=timedelta(hours=3))
    two = ONE + timedelta(hours=1)
    bench.turn(ONE + MINUTE)
    success = job(Kind.SUCCESS, bench.now, ONE, "one")
    bench.ledger.check_in_run(uid, success, now=bench.now)
    bench.turn(two + MINUTE)
    start = job(Kind.START, bench.now, two, "two")
    bench.ledger.check_in_run(uid, start, now=bench.now)
    bench.turn(two + 10 * MINUTE)
    facts = bench.ledger.cron_job_of(entry)
    assert facts is not None
    bench.ledger.lose_cron_job(facts, now=bench.now)
    bench.turn(two + 20 * MINUTE)
    bench.cron_job(uid="second", created_at=bench.now)
    assert word(bench, entry) is Health.UP
    assert [run.vanished for run in entry.state.active_runs] == [True]


def test_a_cron_job_that_returns_later_begins_anew() -> None:
    bench = Bench(NOON)
    entry = recreated(bench, 61 * MINUTE)
    assert word(bench, entry) is Health.NEW
    assert entry.state.history == ()


def test_nothing_is_judged_before_the_ledger_is_open() -> None:
    bench = Bench(NOON, is_open=False)
    entry = bench.watching()
    assert entry.subject is None
    assert bench.ledger.wakes.next_at() is None
    assert bench.heard.changes == []


def test_opening_arms_every_monitor_and_applies_what_waited() -> None:
    bench = Bench(NOON, is_open=False)
    entry = bench.pinged()
    bench.ping(entry.uid)
    assert entry.state.last_check_in is None
    bench.ledger.open(now=NOON)
    assert word(bench, entry) is Health.UP
    assert bench.heard.check_ins == ["ping-1"]


def test_a_monitor_without_its_cron_job_is_unknown_and_says_why() -> None:
    bench = Bench(NOON)
    entry = bench.watching("absent")
    assert entry.state.reason is Reason.CRON_JOB_NOT_FOUND
    assert word(bench, entry) is Health.UNKNOWN


def test_the_cron_job_may_come_after_its_monitor() -> None:
    bench = Bench(NOON)
    entry = bench.watching()
    bench.cron_job()
    assert word(bench, entry) is Health.NEW
    assert entry.state.next_expected_at == ONE


def test_a_deleted_cron_job_keeps_its_monitor_armed_with_the_last_schedule() -> None:
    bench = Bench(NOON)
    entry = bench.watching()
    bench.cron_job()
    facts = bench.ledger.cron_job_of(entry)
    assert facts is not None
    bench.ledger.lose_cron_job(facts, now=NOON + MINUTE)
    bench.turn(ONE + 6 * MINUTE)
    assert word(bench, entry) is Health.DOWN
    assert entry.state.reason is Reason.CRON_JOB_NOT_FOUND
    assert entry.state.changed_at == ONE + 5 * MINUTE


def test_jobs_that_ran_before_the_monitor_was_read_are_read_back() -> None:
    bench = Bench(NOON, is_open=False)
    uid = bench.cron_job()
    entry = bench.watching()
    bench.runs.reports[uid] = [job(Kind.START, NOON, NOON - 30 * MINUTE)]
    bench.ledger.open(now=NOON)
    assert [run.id for run in entry.state.active_runs] == ["run"]


def test_silence_is_judged_a_second_after_the_deadline() -> None:
    bench = Bench(NOON)
    bench.cron_job()
    entry = bench.watching()
    bench.turn(ONE + 5 * MINUTE)
    assert word(bench, entry) is Health.NEW
    bench.turn(ONE + 5 * MINUTE + SECOND)
    assert word(bench, entry) is Health.DOWN
    assert bench.heard.changes[-1] == (entry.key, True)


def test_a_late_run_is_news_for_the_status_but_no_flip() -> None:
    bench = Bench(NOON)
    uid = bench.cron_job()
    entry = bench.watching()
    bench.now = ONE
    bench.ledger.check_in_run(uid, job(Kind.SUCCESS, ONE, ONE), now=ONE)
    told = len(bench.heard.changes)
    bench.turn(ONE + timedelta(hours=1, seconds=15))
    assert word(bench, entry) is Health.LATE
    assert bench.heard.changes[told:] == [(entry.key, False)]


def test_a_name_used_again_is_another_monitor() -> None:
    bench = Bench(NOON)
    old = bench.pinged()
    new = bench.monitor("backup", old.spec, uid="second")
    bench.ledger.lose_monitor(old.uid)
    assert bench.ledger.named(new.key) is new
    assert len(bench.ledger) == 1


def test_a_ping_for_a_monitor_that_is_not_read_yet_waits_for_it() -> None:
    bench = Bench(NOON)
    bench.ping(Uid("hbm-backup"))
    entry = bench.pinged()
    assert word(bench, entry) is Health.UP


def test_the_echo_of_an_older_version_changes_nothing() -> None:
    bench = Bench(NOON)
    entry = bench.pinged()
    bench.ledger.stored(entry.uid, entry.state, "digest", "900")
    told = len(bench.heard.changes)
    bench.monitor("backup", entry.spec)
    assert entry.resource_version == "900"
    assert len(bench.heard.changes) == told


def test_an_edit_that_is_seen_before_our_own_write_is_confirmed_is_not_forgotten() -> (
    None
):
    bench = Bench(NOON)
    entry = bench.pinged()
    bench.ledger.stored(entry.uid, entry.state, "first", "102")
    bench.monitor("backup", entry.spec, version=104)
    assert entry.edited
    bench.ledger.stored(entry.uid, entry.state, "second", "103")
    assert entry.edited
    assert entry.stored_digest == ""


def test_a_status_edited_by_hand_is_written_again() -> None:
    bench = Bench(NOON)
    entry = bench.pinged()
    bench.ledger.stored(entry.uid, entry.state, "ours", "101")
    told = len(bench.heard.changes)
    bench.monitor("backup", entry.spec)
    assert entry.stored_digest == ""
    assert len(bench.heard.changes) > told


def test_a_changed_interval_counts_from_the_last_outcome() -> None:
    bench = Bench(NOON)
    entry = bench.pinged()
    bench.ping(entry.uid)
    bench.now = NOON + MINUTE
    bench.pinged(interval=timedelta(minutes=10))
    assert entry.state.next_expected_at == NOON + 10 * MINUTE


def test_an_annotation_on_the_namespace_counts_unless_the_spec_says_otherwise() -> None:
    bench = Bench(NOON)
    bench.cron_job()
    plain = bench.watching()
    spec = plain.spec
    own = bench.monitor(
        "own", type(spec)(source=spec.source, cron_job_name="job", grace=2 * MINUTE)
    )
    wanted = {"heartbeats.dev/grace-period": "1m"}
    bench.ledger.see_namespace(NAMESPACE, wanted, now=NOON)
    assert plain.policy.grace == MINUTE
    assert own.policy.grace == 2 * MINUTE


def test_a_wrong_annotation_is_named_and_not_applied() -> None:
    bench = Bench(NOON)
    bench.cron_job(annotations=(("heartbeats.dev/grace-period", "1d"),))
    entry = bench.watching()
    assert entry.policy.grace == 5 * MINUTE
    assert "grace-period" in entry.policy.notes[0]
    assert entry.trouble is None


def test_a_pause_that_ends_by_itself_resumes_on_time() -> None:
    bench = Bench(NOON)
    bench.cron_job()
    entry = bench.watching(suspend_until=ONE + 10 * MINUTE)
    assert word(bench, entry) is Health.PAUSED
    bench.turn(ONE + 11 * MINUTE)
    assert word(bench, entry) is Health.NEW
    assert entry.state.next_expected_at == ONE + timedelta(hours=1)


def test_told_flips_are_cleared_and_only_these() -> None:
    bench = Bench(NOON)
    bench.cron_job()
    entry = bench.watching()
    bench.turn(ONE + 6 * MINUTE)
    (flip,) = entry.state.pending_flips
    bench.ledger.told(entry.uid, ["another"], now=bench.now)
    assert entry.state.pending_flips == (flip,)
    bench.ledger.told(entry.uid, [flip.id], now=bench.now)
    assert entry.state.pending_flips == ()


def test_an_operator_started_anew_from_the_status_ends_in_the_same_status() -> None:
    """Nothing depends on what only the first process knew."""
    bench = Bench(NOON)
    uid = bench.cron_job()
    entry = bench.watching()
    reports = [
        job(Kind.START, ONE + SECOND, ONE, "a"),
        job(Kind.SUCCESS, ONE + MINUTE, ONE, "a"),
    ]
    for report in reports:
        bench.now = report.at
        bench.ledger.check_in_run(uid, report, now=report.at)
    bench.turn(ONE + timedelta(hours=1, minutes=6))
    first = written(bench, entry)

    again = Bench(bench.now, is_open=False)
    again.runs.reports[uid] = reports[1:]
    again.cron_job()
    restored = again.monitor(
        "job-cronjob", entry.spec, uid=entry.uid, state=from_status(first)
    )
    again.ledger.open(now=bench.now)
    assert digest(written(again, restored)) == digest(first)


def restarted(bench: Bench, entry: Entry) -> tuple[Bench, Entry]:
    """Start another operator from the status; it is not open yet."""
    again = Bench(bench.now, is_open=False)
    state = from_status(written(bench, entry))
    return again, again.monitor(entry.key.name, entry.spec, uid=entry.uid, state=state)


def test_a_run_that_outlasted_its_window_while_nobody_watched_was_no_missed_one() -> (
    None
):
    first = Bench(NOON)
    first.cron_job()
    again, entry = restarted(first, first.watching())
    again.now = ONE + 30 * MINUTE
    uid = again.cron_job()
    end = job(Kind.SUCCESS, ONE + 20 * MINUTE, ONE)
    again.runs.reports[uid] = [end]
    again.ledger.open(now=again.now)
    assert [run.outcome for run in entry.state.history] == ["success"]
    assert again.heard.check_ins == [end.id]


def test_what_expired_before_a_time_of_blindness_is_not_excused_by_it() -> None:
    """Nor does it hide, from an operator that was away, which window was touched."""
    first = Bench(NOON)
    entry = first.pinged(failure_threshold=2)
    first.ping(entry.uid)
    again, entry = restarted(first, entry)
    again.now = NOON + timedelta(hours=2, minutes=10)
    unheard = Blindness(
        began_at=NOON + timedelta(minutes=100), ended_at=NOON + timedelta(hours=2)
    )
    again.ledger.open(now=again.now, unheard=[unheard])
    again.turn(again.now)
    assert entry.state.consecutive_failures == 1
    assert word(again, entry) is Health.UNKNOWN


# Beside a leader


def follow(follower: Bench, leader: Bench, entry: Entry) -> Entry:
    """Let a follower read a monitor as its leader has stored it."""
    leader.now += SECOND
    status = written(leader, entry)
    seen = Sighting(
        key=entry.key,
        uid=entry.uid,
        generation=entry.generation,
        resource_version=str(int(leader.now.timestamp())),
        spec=entry.spec,
        state=from_status(status),
        digest=digest(status),
        created_at=entry.created_at,
    )
    follower.now = leader.now
    follower.ledger.see_monitor(seen, now=follower.now)
    found = follower.ledger.get(entry.uid)
    assert found is not None
    return found


def test_who_follows_takes_over_each_state_that_the_leader_stores() -> None:
    leader, follower = Bench(NOON), Bench(NOON, is_open=False)
    entry = leader.pinged()
    warm = follow(follower, leader, entry)
    for _ in range(3):
        leader.ping(entry.uid)
        assert follow(follower, leader, entry) is warm
        assert warm.state == warm.stored == from_status(written(leader, entry))
        assert not warm.edited
    assert follower.heard.changes == []
    assert follower.ledger.wakes.next_at() is None


def test_who_took_over_says_what_the_leader_would_have_said() -> None:
    leader, follower = Bench(NOON), Bench(NOON, is_open=False)
    entry = leader.pinged()
    follow(follower, leader, entry)
    leader.ping(entry.uid)
    warm = follow(follower, leader, entry)
    follower.now = NOON + 3 * timedelta(hours=1)
    leader.turn(follower.now)
    follower.ledger.open(now=follower.now)
    follower.turn(follower.now)
    assert word(follower, warm) is word(leader, entry) is Health.DOWN
    assert warm.state.pending_flips == entry.state.pending_flips, "under the same ids"


def test_what_a_leader_reads_of_its_own_status_changes_nothing() -> None:
    """An edit by somebody else is written over, and an echo is none."""
    leader = Bench(NOON)
    entry = leader.pinged()
    before = entry.state
    leader.ping(entry.uid)
    seen = follow(Bench(NOON, is_open=False), leader, entry)
    leader.monitor(entry.key.name, entry.spec, uid=entry.uid, state=seen.state)
    assert entry.state != before
    other = Bench(NOON).pinged()
    after = entry.state
    edited = Sighting(
        key=entry.key,
        uid=entry.uid,
        generation=1,
        resource_version="100000",
        spec=entry.spec,
        state=other.state,
        digest="somebody else's",
        created_at=entry.created_at,
    )
    leader.ledger.see_monitor(edited, now=leader.now)
    assert entry.edited
    assert entry.state == after


def test_who_follows_lets_a_returned_cron_job_keep_what_it_was() -> None:
    """Its new monitor has no status yet, and somebody edits it before it gets one."""
    follower = Bench(NOON, is_open=False)
    leader = Bench(NOON)
    leader.cron_job(uid="first")
    old = owned(leader, "m1", "first")
    leader.turn(ONE + 6 * MINUTE)
    warm = follow(follower, leader, old)
    warm.owner_uid = Uid("first")
    follower.ledger.lose_monitor(old.uid, now=follower.now)
    new = owned(follower, "m2", "second")
    assert new.state.incident is not None
    edited = replace(new.spec, failure_threshold=2)
    follower.monitor("job-cronjob", edited, uid="m2", owner="second")
    assert new.state.incident is not None
    assert new.spec.failure_threshold == 2


def written(bench: Bench, entry: Entry) -> dict[str, object]:
    assert entry.subject is not None
    return to_status(
        entry.state, entry.policy, entry.subject.table, generation=1, now=bench.now
    )


def test_the_queue_of_wake_ups_holds_one_valid_entry_a_monitor() -> None:
    bench = Bench(NOON)
    entry = bench.pinged()
    for _ in range(5):
        bench.now += SECOND
        bench.ping(entry.uid)
    assert bench.ledger.wakes.next_at() == bench.now + timedelta(hours=1)
    assert bench.ledger.wakes.take(now=NOON + timedelta(hours=3)) == [entry.uid]
    assert bench.ledger.wakes.next_at() is None
