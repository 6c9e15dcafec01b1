"""`make bench-core`: what one question to the core costs, in CPU time of this process.

A table of `next_after` against its limit of 5 ms, also where it is hardest, and one
of the transitions a second against what the largest supported cluster asks for. The
last line is one JSON object; the exit code is 1 when a `next_after` was too slow.
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Any, Final

from msgspec.structs import replace

from heartbeats.core import cron
from heartbeats.core.cron import CronError
from heartbeats.core.model import Kind, Policy, Run, State, Uid
from heartbeats.core.status import from_status, to_status
from heartbeats.core.transitions import Subject, apply, expire
from support.builders import HOUR, MINUTE, NOW, check_in, policy, state
from support.cron_cases import Cases
from support.cron_oracle import packaged_zones, python_reads

LIMIT: Final = 0.005
"""Seconds of CPU that one `next_after` may take."""

_REPEATS: Final = 3
_RANDOM_CASES: Final = 20_000
_SEED: Final = 1
_SECONDS: Final = 0.5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# What, expressions, zone, the first instant asked, the step to the next 200.
_HARD: Final = (
    ("every night", ("0 2 * * *",), "Europe/Berlin", "2026-01-01", 45 * HOUR),
    ("every 5 minutes", ("*/5 * * * *",), "UTC", "2026-01-01", 45 * HOUR),
    ("either of two days", ("0 0 13 * fri",), "Europe/Berlin", "2026-01-01", 45 * HOUR),
    ("29 February", ("0 0 29 2 *",), "America/New_York", "2096-03-01", 45 * HOUR),
    (
        "never fires",
        (
            *("0 0 31 2 *", "0 0 30 2 ?", "* * 31 4,6,9,11 *"),
            *("0 0 31 2,4,6,9,11 *", "0 0 , * *", ", * * * *", "0 , * * *"),
        ),
        "Europe/Berlin",
        "2026-01-01",
        45 * HOUR,
    ),
    (
        "never fires, beyond the zone's table",
        ("0 0 31 2,4,6,9,11 *",),
        "America/Santiago",
        "2150-01-01",
        45 * HOUR,
    ),
    (
        "a day left out",
        ("0 12 30 12 *", "0 12 * * fri", "0 0 31 2 *", "0 0 31 2,4,6,9,11,12 *"),
        "Pacific/Apia",
        "2011-12-22",
        1.5 * HOUR,
    ),
    (
        "a day repeated",
        ("0 0 1 * MON", "30 10,14 * * *", "0 9 4 7 *", "59 0 4 * *"),
        "Pacific/Pago_Pago",
        "1892-07-03",
        20 * MINUTE,
    ),
    (
        "clocks that go back by the odd hour",
        ("48 3 * * *", "0 0-3 * * sun"),
        "Pacific/Chatham",
        "2026-04-04",
        12 * MINUTE,
    ),
    ("the end of the calendar", ("0 0 29 2 *",), "UTC", "9990-01-01", 45 * HOUR),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one line of the first table says; seconds of CPU."""

    what: str
    calls: int
    least: float
    median: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class Rate:
    """What one line of the second table says; calls a second."""

    what: str
    per_second: float
    needed: int
    why: str


def measure(what: str, asked: Sequence[tuple[cron.Cron, datetime]]) -> Row:
    """Time every question by its best of three: the rest is the machine's noise."""
    spans = sorted(min(_spent(*each) for _ in range(_REPEATS)) for each in asked)
    p99 = quantiles(spans, n=100)[-1]
    return Row(what, len(spans), spans[0], median(spans), p99, spans[-1])


def _spent(schedule: cron.Cron, at: datetime) -> float:
    cron.firing_after.cache_clear()  # what is remembered is no measure
    began = time.process_time()
    schedule.next_after(at)
    return time.process_time() - began


def hard_rows() -> list[Row]:
    """Measure each hard kind over 200 instants."""
    rows = []
    for what, expressions, zone, first, step in _HARD:
        start_at = datetime.fromisoformat(first).replace(tzinfo=UTC)
        instants = [start_at + number * step for number in range(200)]
        schedules = [cron.parse(expression, zone) for expression in expressions]
        asked = [(schedule, at) for schedule in schedules for at in instants]
        rows.append(measure(what, asked))
    return rows


def random_row() -> Row:
    """Measure what the comparison with the controller's library asks."""
    asked = []
    for question in Cases(_SEED, packaged_zones()).batch(_RANDOM_CASES):
        try:
            schedule = cron.parse(question.expression, question.zone)
        except CronError:
            continue
        asked.append((schedule, _EPOCH + timedelta(seconds=question.start)))
    return measure("random and hostile, around clock changes", asked)


def rates() -> list[Rate]:
    """Measure the transitions on a monitor with a full history."""
    rules = policy(interval=None, schedule="0 * * * *", time_zone="Europe/Berlin")
    subject = Subject.of(Uid("uid-1"), rules, None)
    before = _with_history(rules, subject)
    table = subject.table
    written = to_status(before, rules, table, generation=1, now=NOW)
    good = check_in(id="c-2", at=NOW + HOUR)
    start, bad = (replace(good, kind=kind) for kind in (Kind.START, Kind.FAILURE))
    late = NOW + HOUR + rules.grace

    def status() -> object:
        return to_status(before, rules, table, generation=1, now=NOW)

    pings = "2,900 pings a second"
    judged = "5,000 deadlines in 250 ms"
    return [
        _rate("apply a success", lambda: apply(before, subject, good), 2_900, pings),
        _rate("apply a start", lambda: apply(before, subject, start), 2_900, pings),
        _rate("apply a failure", lambda: apply(before, subject, bad), 2_900, pings),
        _rate("expire", lambda: expire(before, subject, now=late), 20_000, judged),
        _rate("to_status", status, 50, "the write budget"),
        _rate("from_status", lambda: from_status(written), 667, "10,000 in 15 s"),
    ]


def _with_history(rules: Policy, subject: Subject) -> State:
    ended = [NOW - number * HOUR for number in range(1, rules.history_limit + 1)]
    history = tuple(Run(outcome="success", at=at, id=str(at)) for at in ended)
    return state(history=history, judged=subject.judged)


def _rate(what: str, call: Callable[[], object], needed: int, why: str) -> Rate:
    """Take the median of five runs of half a second."""
    per_second = []
    for _ in range(5):
        began, calls = time.process_time(), 0
        while (spent := time.process_time() - began) < _SECONDS:
            for _ in range(100):
                call()
            calls += 100
        per_second.append(calls / spent)
    return Rate(what, median(per_second), needed, why)


def _table(rows: Sequence[Row]) -> str:
    heads = ("next_after, ms of CPU", "calls", "min", "median", "p99", "max")
    lines = [f"| {' | '.join(heads)} | max / limit |", "|---" * 7 + "|"]
    for row in rows:
        spans = (row.least, row.median, row.p99, row.most)
        cells = " | ".join(f"{span * 1000:.3f}" for span in spans)
        share = row.most / LIMIT
        lines.append(f"| {row.what} | {row.calls:,} | {cells} | {share:.2f} |")
    return "\n".join(lines)


def _rates_table(found: Sequence[Rate]) -> str:
    lines = ["| one core, per second | measured | needed | for | ratio |"]
    lines.append("|---|---|---|---|---|")
    for rate in found:
        ratio = rate.per_second / rate.needed
        measured = f"{rate.per_second:,.0f} | {rate.needed:,} | {rate.why}"
        lines.append(f"| {rate.what} | {measured} | {ratio:.1f} |")
    return "\n".join(lines)


def _as_json(rows: Sequence[Row], found: Sequence[Rate]) -> dict[str, Any]:
    most = max(row.most for row in rows)
    return {
        "bench": "core",
        "next_after_limit_ms": LIMIT * 1000,
        "next_after_max_ms": round(most * 1000, 3),
        "next_after_max_over_limit": round(most / LIMIT, 3),
        "next_after_median_us": round(rows[-1].median * 1e6, 1),
        "per_second": {rate.what: round(rate.per_second) for rate in found},
    }


def main() -> int:
    """Measure, print, and say by the exit code whether every bar is met."""
    gc.disable()  # a pause of the collector belongs to nobody's question
    with python_reads(packaged_zones()):
        rows = [*hard_rows(), random_row()]
        found = rates()
    result = _as_json(rows, found)
    tables = (_table(rows), _rates_table(found), json.dumps(result))
    sys.stdout.write("\n\n".join(tables) + "\n")
    return 0 if result["next_after_max_over_limit"] < 1 else 1


if __name__ == "__main__":
    sys.exit(main())
