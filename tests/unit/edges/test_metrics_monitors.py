"""The monitors' series: what is told, what is absent, and that any text survives."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from heartbeats.core.model import (
    ActiveRun,
    Health,
    Incident,
    Kind,
    Reason,
    Source,
    Spec,
    State,
    Trouble,
)
from heartbeats.edges.metrics.monitors import (
    CHUNK,
    LabelError,
    Level,
    Options,
    monitor_series,
)
from heartbeats.ledger.entries import Entry
from support.builders import HOUR, MINUTE, NOW, check_in, entry, policy, state

FULL = Options()
LEAN = Options(Level.LEAN)
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def text_of(
    entries: Iterable[Entry], options: Options = FULL, now: datetime = NOW
) -> str:
    return "".join(monitor_series(entries, options, now=now))


def series(entries: Iterable[Entry], options: Options = FULL) -> Series:
    """Read the text back with Prometheus' own reader."""
    found: Series = {}
    for family in text_string_to_metric_families(text_of(entries, options)):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def value(entry_: Entry, name: str, **labels: str) -> float | None:
    """Return one series of one monitor; None when it is absent."""
    ours = {"namespace": entry_.key.namespace, "heartbeatmonitor": entry_.key.name}
    key = (f"heartbeat_monitor_{name}", frozenset((ours | labels).items()))
    return series([entry_]).get(key)


def states(entry_: Entry, now: datetime = NOW) -> set[str]:
    """Return the states that are 1; checks that each state has a series."""
    prefix = "heartbeat_monitor_state{"
    lines = [line for line in text_of([entry_], now=now).splitlines() if prefix in line]
    assert len(lines) == len(Health)
    return {line.split('state="')[1].split('"')[0] for line in lines if line[-1] == "1"}


DOWN = state(incident=Incident(opened_at=NOW, reason=Reason.RUN_MISSED, message="x"))


@pytest.mark.parametrize(
    ("entry_", "health"),
    [
        (entry(), "Up"),
        (entry(state_=DOWN), "Down"),
        (entry(state_=state(paused=True)), "Paused"),
        (entry(state_=state(mismatch_at=NOW)), "Unknown"),
        (entry(state_=State()), "New"),
        (entry(state_=state(next_expected_at=NOW - MINUTE)), "Late"),
    ],
    ids=str,
)
def test_exactly_one_state_is_1(entry_: Entry, health: str) -> None:
    assert states(entry_) == {health}


def test_late_begins_by_the_clock_without_any_fact() -> None:
    waiting = entry(state_=state(next_expected_at=NOW + HOUR))
    assert states(waiting, NOW + HOUR - MINUTE) == {"Up"}
    assert states(waiting, NOW + HOUR) == {"Late"}


def test_before_the_ledger_is_open_the_last_written_word_is_repeated() -> None:
    restored = entry(
        state_=state(health=Health.DOWN, next_expected_at=NOW), is_judged=False
    )
    assert states(restored) == {"Down"}
    assert value(restored, "deadline_timestamp_seconds") is None


def test_timestamps_are_those_of_the_facts() -> None:
    told = entry(
        state_=state(
            last_failure_at=NOW - 2 * HOUR,
            last_check_in=check_in(Kind.LOG, at=NOW - MINUTE / 4),
        )
    )
    at = NOW.timestamp()
    assert value(told, "created_timestamp_seconds") == at - 72 * 3600
    assert value(told, "state_changed_timestamp_seconds") == at - 24 * 3600
    assert value(told, "next_expected_timestamp_seconds") == at + 3600
    assert value(told, "deadline_timestamp_seconds") == at + 3600 + 300
    assert value(told, "last_check_in_timestamp_seconds") == at - 15
    assert value(told, "last_success_timestamp_seconds") == at - 3600
    assert value(told, "last_failure_timestamp_seconds") == at - 7200


def test_what_never_happened_is_absent() -> None:
    fresh = entry(state_=State())
    names = {name for name, _ in series([fresh])}
    assert names == {
        "heartbeat_monitor_info",
        "heartbeat_monitor_state",
        "heartbeat_monitor_created_timestamp_seconds",
        "heartbeat_monitor_active_runs",
        "heartbeat_monitor_consecutive_failures",
        "heartbeat_monitor_check_ins_total",
    }


def test_a_monitor_that_is_down_has_no_deadline() -> None:
    assert value(entry(state_=DOWN), "deadline_timestamp_seconds") is None


def test_runs_are_told_with_their_ends() -> None:
    run = ActiveRun(id="r", started_at=NOW)
    told = entry(
        state_=state(
            active_runs=(run, run),
            consecutive_failures=3,
            last_duration=timedelta(milliseconds=1500),
            last_exit_code=137,
        )
    )
    assert value(told, "active_runs") == 2
    assert value(told, "consecutive_failures") == 3
    assert value(told, "last_run_duration_seconds") == 1.5
    assert value(told, "last_run_exit_code") == 137


def test_check_ins_are_counted_from_zero() -> None:
    told = entry(counts=Counter({Kind.SUCCESS: 7, Kind.LOG: 5}))
    assert value(told, "check_ins_total", outcome="success") == 7
    assert value(told, "check_ins_total", outcome="failure") == 0
    assert value(told, "check_ins_total", outcome="log") is None
    assert told.counts == Counter({Kind.SUCCESS: 7, Kind.LOG: 5}), "reading adds none"


def test_info_names_the_source_and_who_is_responsible() -> None:
    watched = entry(
        policy_=policy(
            source=Source.CRON_JOB,
            interval=None,
            schedule="0 2 * * *",
            time_zone="Europe/Berlin",
            severity="page",
            owner="team-a",
        ),
        spec=Spec(source=Source.CRON_JOB, cron_job_name="backup"),
    )
    labels = {"source": "cronJob", "cronjob": "backup", "schedule": "0 2 * * *"}
    rest = {"time_zone": "Europe/Berlin", "severity": "page", "owner": "team-a"}
    assert value(watched, "info", **labels, **rest) == 1
    empty = {"cronjob": "", "time_zone": "", "severity": "", "owner": ""}
    assert value(entry(), "info", source="ping", schedule="every 2h", **empty) == 1


@pytest.mark.parametrize("kind", ["trouble", "flaw"])
def test_a_monitor_that_is_not_ready_says_why(kind: str) -> None:
    told = entry(state_=state(**{kind: Trouble(Reason.INVALID_SCHEDULE, "x")}))
    assert value(told, "not_ready", reason="InvalidSchedule") == 1


def test_lean_leaves_out_what_no_alert_needs() -> None:
    names = {name for name, _ in series([entry()], LEAN)}
    assert names == {
        "heartbeat_monitor_info",
        "heartbeat_monitor_state",
        "heartbeat_monitor_created_timestamp_seconds",
        "heartbeat_monitor_deadline_timestamp_seconds",
        "heartbeat_monitor_last_success_timestamp_seconds",
        "heartbeat_monitor_state_changed_timestamp_seconds",
        "heartbeat_monitor_consecutive_failures",
    }


def test_a_monitor_has_as_many_series_as_the_documentation_says() -> None:
    busy = entry(
        state_=state(
            last_failure_at=NOW,
            last_duration=MINUTE,
            last_exit_code=0,
            flaw=Trouble(Reason.KEY_LOST, "x"),
        )
    )
    assert len(series([busy], LEAN)) == 13
    assert len(series([busy], FULL)) == 21


def test_only_allow_listed_labels_are_told_and_every_monitor_can_be_joined() -> None:
    options = Options.of(Level.LEAN, ["team", "app.kubernetes.io/name"])
    owned = entry("a", labels=(("team", 'A "b"'), ("secret", "x")))
    bare = entry("b")
    told = {key for key in series([owned, bare], options) if key[0].endswith("_labels")}
    identity = {("namespace", "shop")}
    name = "heartbeat_monitor_labels"
    assert told == {
        (name, frozenset(identity | {("heartbeatmonitor", "a")} | {LABEL})),
        (name, frozenset(identity | {("heartbeatmonitor", "b")})),
    }


LABEL = ("label_team", 'A "b"')


def test_labels_that_would_become_one_are_refused() -> None:
    with pytest.raises(LabelError, match=r"a\.b and a-b would both be label_a_b"):
        Options.of(Level.FULL, ["a.b", "a-b"])
    assert len(Options.of(Level.FULL, ["a.b", "a.b"]).labels) == 1


@given(st.text(), st.text(), st.text())
def test_any_text_in_a_label_comes_back(owner: str, severity: str, label: str) -> None:
    options = Options.of(Level.FULL, ["team"])
    rules = policy(owner=owner, severity=severity)
    text = text_of([entry(policy_=rules, labels=(("team", label),))], options)
    found = {
        name: text
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for name, text in sample.labels.items()
        if sample.name in {"heartbeat_monitor_info", "heartbeat_monitor_labels"}
    }
    assert (found["owner"], found["severity"]) == (owner, severity)
    assert found["label_team"] == label


def test_each_family_stands_together_under_one_head() -> None:
    many = [entry(f"m{number}") for number in range(2 * CHUNK + 1)]
    lines = text_of(many).splitlines()
    heads = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(heads) == len(set(heads))
    current = ""
    for line in lines:
        if line.startswith("#"):
            current = line.split()[2]
        else:
            assert line.split("{")[0] == current
    assert len(series(many)) == len(many) * len(series(many[:1]))


def test_a_scrape_tells_of_one_instant_even_if_a_state_changes_meanwhile() -> None:
    told = entry()
    pieces = monitor_series([told], FULL, now=NOW)
    assert next(pieces) == ""
    told.state = DOWN
    text = "".join(pieces)
    assert 'state="Up"} 1' in text
    assert 'state="Down"} 1' not in text


def test_no_piece_is_the_work_of_more_than_a_chunk() -> None:
    many = [entry(f"m{number}") for number in range(3 * CHUNK)]
    for piece in monitor_series(many, FULL, now=NOW):
        states_of_one = len(Health)
        assert piece.count("\n") <= CHUNK * states_of_one


def test_ten_thousand_monitors_are_written_in_reasonable_time() -> None:
    many = [entry(f"monitor-{number}") for number in range(10_000)]
    began = perf_counter()
    size = sum(len(piece) for piece in monitor_series(many, FULL, now=NOW))
    assert size > 10_000_000
    # The bar is 0.3 s on an idle machine; test machines are busy.
    assert perf_counter() - began < 3
