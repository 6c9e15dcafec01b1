"""What is told of each monitor: one family for each kind of fact.

Each family writes its own lines from a row, which is a monitor as it was when the
scrape began. Nothing here is called but by `monitors`, once per monitor and family,
so what is written here is written to be quick.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from heartbeats.core import durations
from heartbeats.core.model import Health, Kind, State
from heartbeats.core.schedule import next_deadline
from heartbeats.core.values import Struct
from heartbeats.core.verdict import verdict
from heartbeats.ledger.entries import Entry

PREFIX: Final = "heartbeat_monitor_"
IDENTITY: Final = ("namespace", "heartbeatmonitor")
OUTCOMES: Final = (Kind.SUCCESS, Kind.FAILURE)


class Row(Struct, frozen=True):
    """A monitor as it was when the scrape began; states are frozen."""

    identity: str
    """The labels that every series of this monitor has, written out."""
    entry: Entry
    state: State
    now: datetime


@dataclass(frozen=True, slots=True)
class Family:
    """Series of one name. `lines` writes those of one monitor, or nothing."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...]
    lines: Callable[[Row], str]
    lean: bool = False
    """Told at the lean level too."""


def escape(value: str) -> str:
    """Write a label's value so that any text comes back unchanged."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def labels_family(allowed: tuple[tuple[str, str], ...]) -> Family:
    """Make the family that tells a monitor's own labels, those that are `allowed`.

    A monitor without any of them has the series too, so that joins find it.
    """
    name = PREFIX + "labels"

    def lines(row: Row) -> str:
        has = dict(row.entry.labels)
        pairs = (
            f',{metric_label}="{escape(has[label])}"'
            for label, metric_label in allowed
            if label in has
        )
        return f"{name}{{{row.identity}{''.join(pairs)}}} 1\n"

    return Family(
        name,
        "gauge",
        "Always 1; the labels of the monitor that the allow-list names.",
        (*IDENTITY, "label_*"),
        lines,
        lean=True,
    )


def _info(row: Row) -> str:
    entry, policy = row.entry, row.entry.policy
    schedule = policy.schedule or ""
    if not schedule and policy.interval is not None:
        schedule = f"every {durations.format(policy.interval)}"
    return (
        f"{PREFIX}info{{{row.identity},"
        f'source="{policy.source.value}",'
        f'cronjob="{escape(entry.spec.cron_job_name or "")}",'
        f'schedule="{escape(schedule)}",'
        f'time_zone="{escape(policy.time_zone or "")}",'
        f'severity="{escape(policy.severity or "")}",'
        f'owner="{escape(policy.owner or "")}"}} 1\n'
    )


def _state(row: Row) -> str:
    entry = row.entry
    health = row.state.health
    if entry.subject is not None:
        # Before the ledger is open only the last written word is known.
        health = verdict(row.state, entry.policy, now=row.now).health
    return _STATE_LINES[health] % ((row.identity,) * len(Health))


def _state_lines(now_is: Health) -> str:
    return "".join(
        f'{PREFIX}state{{%s,state="{health.value}"}} {int(health is now_is)}\n'
        for health in Health
    )


def _not_ready(row: Row) -> str:
    trouble = row.state.trouble or row.state.flaw
    if trouble is None:
        return ""
    return f'{PREFIX}not_ready{{{row.identity},reason="{trouble.reason.value}"}} 1\n'


def _check_ins(row: Row) -> str:
    return "".join(
        f'{PREFIX}check_ins_total{{{row.identity},outcome="{outcome.value}"}} '
        f"{row.entry.counts[outcome]}\n"
        for outcome in OUTCOMES
    )


def _deadline_at(row: Row) -> datetime | None:
    subject = row.entry.subject
    if subject is None:
        return None
    found = next_deadline(row.state, subject.policy, subject.table)
    return found.at if found else None


def _timestamp(
    name: str,
    meaning: str,
    read: Callable[[Row], datetime | None],
    *,
    lean: bool = False,
) -> Family:
    name = f"{PREFIX}{name}_timestamp_seconds"

    def lines(row: Row) -> str:
        at = read(row)
        return "" if at is None else f"{name}{{{row.identity}}} {at.timestamp()}\n"

    return Family(name, "gauge", meaning, IDENTITY, lines, lean)


def _value(
    name: str,
    meaning: str,
    read: Callable[[Row], float | None],
    *,
    lean: bool = False,
) -> Family:
    name = PREFIX + name

    def lines(row: Row) -> str:
        value = read(row)
        return "" if value is None else f"{name}{{{row.identity}}} {value}\n"

    return Family(name, "gauge", meaning, IDENTITY, lines, lean)


def _last_run_seconds(row: Row) -> float | None:
    span = row.state.last_duration
    return None if span is None else span.total_seconds()


def _last_check_in_at(row: Row) -> datetime | None:
    last = row.state.last_check_in
    return None if last is None else last.at


_INFO_LABELS: Final = (
    *("source", "cronjob", "schedule"),
    *("time_zone", "severity", "owner"),
)
_STATE_LINES: Final = MappingProxyType({each: _state_lines(each) for each in Health})

FAMILIES: Final = (
    Family(
        PREFIX + "info",
        "gauge",
        "Always 1; what the monitor watches, when, and who is responsible.",
        (*IDENTITY, *_INFO_LABELS),
        _info,
        lean=True,
    ),
    Family(
        PREFIX + "state",
        "gauge",
        "1 for the state the monitor is in, 0 for each of the others.",
        (*IDENTITY, "state"),
        _state,
        lean=True,
    ),
    _timestamp(
        "state_changed",
        "When the state last changed; Late counts as Up, Down begins at its deadline.",
        lambda row: row.state.changed_at,
        lean=True,
    ),
    Family(
        PREFIX + "not_ready",
        "gauge",
        "1 while the condition Ready is False; absent otherwise.",
        (*IDENTITY, "reason"),
        _not_ready,
        lean=True,
    ),
    _timestamp(
        "created",
        "When the monitor was created.",
        lambda row: row.entry.created_at,
        lean=True,
    ),
    _timestamp(
        "next_expected",
        "When the next run is due, or was due if none has been heard of.",
        lambda row: row.state.next_expected_at,
    ),
    _timestamp(
        "deadline",
        "When silence turns the monitor's run bad; absent while none can.",
        _deadline_at,
        lean=True,
    ),
    _timestamp("last_check_in", "When anything last reported.", _last_check_in_at),
    _timestamp(
        "last_success",
        "When a run last reported success.",
        lambda row: row.state.last_success_at,
        lean=True,
    ),
    _timestamp(
        "last_failure",
        "When a run last reported failure.",
        lambda row: row.state.last_failure_at,
    ),
    _value(
        "last_run_duration_seconds",
        "How long the run took that ended last.",
        _last_run_seconds,
    ),
    _value(
        "last_run_exit_code",
        "The exit code of the run that ended last.",
        lambda row: row.state.last_exit_code,
    ),
    _value(
        "active_runs",
        "Runs that started and have not ended.",
        lambda row: len(row.state.active_runs),
    ),
    _value(
        "consecutive_failures",
        "Failed and missed runs in a row.",
        lambda row: row.state.consecutive_failures,
        lean=True,
    ),
    Family(
        PREFIX + "check_ins_total",
        "counter",
        "Runs that reported this outcome since this process started.",
        (*IDENTITY, "outcome"),
        _check_ins,
    ),
)
"""Every family but that of the allow-listed labels, in the order of the text."""
