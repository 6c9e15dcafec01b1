"""Our cron and the CronJob controller's own library give the same answers, always.

The library, robfig/cron v3.0.1, answers through a Go program that is built at the
first run. Without Go, and without a way to fetch it, these tests fail.
"""

import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from heartbeats.cluster.progress import Progress
from heartbeats.core import cron
from support import cron_oracle
from support.cron_cases import ODD_ZONES, Cases, zone_names
from support.cron_compare import Report, Schedule, compare
from support.cron_fuzz import run, summary
from support.cron_oracle import (
    Oracle,
    Question,
    build_oracle,
    packaged_zones,
    running_oracle,
)
from support.gotools import GoToolError

SEEDS = (1, 2, 3, 4)
CASES_PER_SEED = 30_000
MIDNIGHT = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp())


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with running_oracle(Progress(sys.stderr), packaged_zones()) as program:
        yield program


@pytest.mark.parametrize("seed", SEEDS)
def test_random_and_hostile_schedules_fire_as_the_librarys(seed: int) -> None:
    report = run(CASES_PER_SEED, seed, Progress(sys.stderr))
    shown = "\n".join(str(each) for each in report.differences)
    assert not report.differences, f"{summary(report, seed)}\n{shown}"
    assert report.cases == CASES_PER_SEED
    # What is special has been asked too, or the agreement would mean little.
    assert report.zones >= set(ODD_ZONES)
    assert len(ODD_ZONES) >= 18
    assert report.counts["firings"] > CASES_PER_SEED
    assert report.counts["refused"] > CASES_PER_SEED // 10
    assert report.counts["ended"] > CASES_PER_SEED // 100
    assert report.counts["left out"]
    assert report.counts["turned back"]


def test_the_cases_of_a_seed_are_always_the_same(oracle: Oracle) -> None:
    zones = packaged_zones()
    assert Cases(7, zones).batch(50) == Cases(7, zones).batch(50)
    assert Cases(7, zones).batch(50) != Cases(8, zones).batch(50)


def test_both_sides_read_the_same_zone_files(tmp_path: Path) -> None:
    # A folder in which Tokyo's clocks go by another name: who reads anything else
    # than this folder answers differently.
    tokyo = packaged_zones() / "Asia" / "Tokyo"
    (tmp_path / "Europe").mkdir()
    shutil.copy(tokyo, tmp_path / "Europe" / "Berlin")
    shutil.copy(tokyo, tmp_path / "Nowhere")
    questions = [
        Question(expression="0 0 * * *", zone=zone, start=MIDNIGHT)
        for zone in ("Europe/Berlin", "Nowhere")
    ]
    with running_oracle(Progress(sys.stderr), tmp_path) as program:
        answers = program.ask(questions)
        schedules = [cron.parse(each.expression, each.zone) for each in questions]
        assert zone_names(tmp_path) == ("Europe/Berlin", "Nowhere")
    fifteen = datetime(2026, 11, 21, 15, tzinfo=UTC)
    assert [each.instants for each in answers] == [(int(fifteen.timestamp()),)] * 2
    asked_at = datetime(2026, 11, 21, tzinfo=UTC)
    assert [each.next_after(asked_at) for each in schedules] == [fifteen] * 2


class MinuteLate:
    """A schedule that is wrong: on Sundays it fires a minute late."""

    def __init__(self, right: cron.Cron) -> None:
        self._right = right

    def next_after(self, at: datetime) -> datetime | None:
        found = self._right.next_after(at)
        sunday = found is not None and found.weekday() == 6
        return found + timedelta(minutes=1) if found and sunday else found


def test_a_difference_is_found_made_small_and_printed_for_a_unit_test(
    oracle: Oracle,
) -> None:
    def wrong(expression: str, zone: str) -> Schedule:
        return MinuteLate(cron.parse(expression, zone))

    question = Question(
        expression="15,45 3-9/2 * jan-dec ?",
        zone="Europe/Berlin",
        start=MIDNIGHT + 81_234,
        nanoseconds=1000,
        count=9,
        local=True,
    )
    report = Report()
    compare(oracle, [question], wrong, report)
    [difference] = report.differences
    assert str(difference) == (
        "('* 3 * * *', 'UTC', '2026-11-21T22:00:00+00:00', ['2026-11-22T03:00:00']),"
        "  # ours: ['2026-11-22T03:01:00']"
    )


def test_a_schedule_that_only_one_side_refuses_is_a_difference(oracle: Oracle) -> None:
    def patient(expression: str, zone: str) -> Schedule:
        return cron.parse(expression.strip(), zone)

    report = Report()
    question = Question(expression=" @daily", zone="UTC", start=MIDNIGHT)
    compare(oracle, [question], patient, report)
    [difference] = report.differences
    assert difference.library.instants is None
    assert difference.ours.instants == (MIDNIGHT + 86_400,)


def test_a_build_that_fails_says_why_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "go"
    go.write_text(
        "#!/bin/sh\n"
        '[ "$1" = version ] && { echo go version go1.26.8 linux/amd64; exit; }\n'
        "echo dial tcp: no route to host >&2; exit 1\n"
    )
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(GoToolError, match="no route to host") as failure:
        build_oracle(Progress(sys.stderr), tmp_path / "cache")
    assert "check the network and GOPROXY" in str(failure.value)
    assert not list((tmp_path / "cache" / "cron-oracle").glob("[!.]*"))


def test_without_any_go_the_oracle_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No go on PATH, and neither pip nor uv that could fetch one.
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(GoToolError, match="needs Go"):
        cron_oracle.build_oracle(Progress(sys.stderr), tmp_path / "cache")
