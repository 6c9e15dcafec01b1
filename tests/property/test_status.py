"""A status alone restores the state."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from heartbeats.core.model import (
    ActiveRun,
    Applied,
    CheckIn,
    Flip,
    Health,
    Incident,
    Judged,
    Kind,
    Policy,
    Reason,
    Report,
    Run,
    Source,
    State,
    Trouble,
    Uid,
)
from heartbeats.core.schedule import timetable
from heartbeats.core.status import from_status, to_status

POLICY = Policy(source=Source.PING, interval=timedelta(hours=1))
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MAX_STATUS_BYTES = 8_192

instants = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2040, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
seconds = instants.map(lambda at: at.replace(microsecond=0))
spans = st.integers(0, 10**9).map(lambda ms: timedelta(milliseconds=ms))
words = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=120)


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


check_ins = st.builds(
    CheckIn,
    id=words,
    kind=st.sampled_from(Kind),
    at=instants,
    run_id=maybe(words),
    slot_at=maybe(seconds),
    started_at=maybe(instants),
    duration=maybe(spans),
    exit_code=maybe(st.integers(0, 255)),
    source=words,
    message=words,
    scheduled=st.booleans(),
)
runs = st.builds(
    Run,
    outcome=st.sampled_from(["success", "failure", "missed"]),
    at=instants,
    id=maybe(words),
    slot_at=maybe(seconds),
    duration=maybe(spans),
    exit_code=maybe(st.integers(0, 255)),
    message=words,
    reason=maybe(st.sampled_from(Reason)),
)
flips = st.builds(
    Flip,
    id=words,
    at=instants,
    before=st.sampled_from(Health),
    after=st.sampled_from(Health),
    reason=st.sampled_from(Reason),
    message=words,
    slot_at=maybe(seconds),
)
states = st.builds(
    State,
    changed_at=seconds,
    ready_changed_at=seconds,
    armed_at=maybe(instants),
    judged=st.builds(
        Judged,
        schedule=maybe(words),
        time_zone=maybe(words),
        cron_job_uid=maybe(words.map(Uid)),
        interval=maybe(st.integers(1, 10**6).map(lambda s: timedelta(seconds=s))),
    ),
    paused=st.booleans(),
    mismatch_at=maybe(seconds),
    next_expected_at=maybe(instants),
    settled_slots=st.lists(seconds, max_size=5).map(lambda many: tuple(sorted(many))),
    last_check_in=maybe(check_ins),
    last_success_at=maybe(instants),
    last_failure_at=maybe(instants),
    last_start_at=maybe(instants),
    last_duration=maybe(spans),
    last_exit_code=maybe(st.integers(0, 255)),
    longest_success=maybe(spans),
    consecutive_failures=st.integers(0, 1000),
    consecutive_successes=st.integers(0, 1000),
    active_runs=st.lists(
        st.builds(
            ActiveRun,
            id=words,
            started_at=instants,
            slot_at=maybe(seconds),
            vanished=st.booleans(),
            unseen=st.booleans(),
            excused=st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    counted_runs=st.lists(words, max_size=3).map(tuple),
    incident=maybe(
        st.builds(
            Incident,
            opened_at=instants,
            reason=st.sampled_from(Reason),
            message=words,
            slot_at=maybe(seconds),
        )
    ),
    history=st.lists(runs, max_size=3).map(tuple),
    applied=st.builds(
        Applied,
        journal_revision=st.integers(0, 2**53),
        since=maybe(instants),
        newest_run_at=maybe(instants),
        finished_at=maybe(instants),
        job_uids=st.lists(words, max_size=3).map(tuple),
        last_report=maybe(
            st.builds(
                Report,
                kind=st.sampled_from([Kind.SUCCESS, Kind.FAILURE]),
                source=words,
                at=instants,
            )
        ),
    ),
    pending_flips=st.lists(flips, max_size=2).map(tuple),
    key_id=maybe(words),
    trouble=maybe(
        st.builds(Trouble, reason=st.just(Reason.INVALID_SCHEDULE), message=words)
    ),
)


@given(states)
def test_a_state_written_and_read_is_the_same_state(state: State) -> None:
    status = to_status(state, POLICY, timetable(POLICY), generation=3, now=NOW)
    again = from_status(json.loads(json.dumps(status)))
    # The word and its sentence are derived from the rest, not kept.
    derived = {"health": again.health, "reason": again.reason, "message": again.message}
    for name in State.__slots__:
        if name not in derived:
            assert getattr(again, name) == getattr(state, name), name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=10,
)


@given(states, st.data())
def test_no_hand_edited_status_keeps_a_monitor_from_being_read(
    state: State, data: st.DataObject
) -> None:
    status = to_status(state, POLICY, timetable(POLICY), generation=3, now=NOW)
    name = data.draw(st.sampled_from(sorted(status)))
    status[name] = data.draw(json_values)
    assert isinstance(from_status(status), State)


@given(json_values)
def test_any_json_can_be_a_status(raw: object) -> None:
    assert isinstance(from_status(raw), State)


def test_a_status_with_everything_at_its_limit_stays_under_eight_kilobytes() -> None:
    at = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
    check_in = CheckIn(
        id="i" * 64,
        kind=Kind.FAILURE,
        at=at,
        run_id="r" * 36,
        slot_at=at,
        started_at=at,
        duration=timedelta(days=3),
        exit_code=137,
        source="s" * 200,
        message="m" * 400,
    )
    run = Run(
        outcome="failure",
        at=at,
        id="r" * 36,
        slot_at=at,
        started_at=at,
        duration=timedelta(days=3),
        exit_code=137,
        message="m" * 400,
        reason=Reason.RUN_FAILED,
    )
    state = State(
        changed_at=at,
        armed_at=at,
        last_check_in=check_in,
        last_success_at=at,
        last_failure_at=at,
        history=(run,) * 10,
        active_runs=tuple(
            ActiveRun(id=f"{number:036}", started_at=at, slot_at=at)
            for number in range(10)
        ),
        applied=Applied(
            journal_revision=2**50,
            since=at,
            finished_at=at,
            job_uids=tuple("u" * 36 for _ in range(20)),
        ),
    )
    status = to_status(state, POLICY, timetable(POLICY), generation=3, now=NOW)
    assert len(json.dumps(status)) <= MAX_STATUS_BYTES


def test_an_empty_text_is_left_out_where_the_schema_does_not_ask_for_it() -> None:
    """What is required there must never be empty here."""
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    report = Report(kind=Kind.SUCCESS, at=at)
    state = State(applied=Applied(last_report=report), changed_at=at)
    status = to_status(state, POLICY, timetable(POLICY), generation=3, now=NOW)
    assert status["applied"]["lastReport"] == {
        "kind": "success",
        "time": "2026-11-20T12:00:00Z",
    }
    assert from_status(status).applied.last_report == report
