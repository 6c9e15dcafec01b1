"""The table: columns that line up, ages as kubectl writes them, colours that fit."""

from dataclasses import replace
from datetime import timedelta

import pytest

from heartbeats.demo.story import LAPTOP, REPORT, Progress, Row
from heartbeats.demo.table import age, digest, render, seen
from support.builders import NOW

LAPTOP_ROW = Row(
    key=LAPTOP,
    state="Late",
    schedule="every 15s",
    last_check_in_at=NOW - timedelta(seconds=16),
    next_expected="2026-11-21T11:59:59Z",
    reason="Late",
    created_at=NOW - timedelta(minutes=5),
)
REPORT_ROW = Row(key=REPORT, state="Down", schedule="* * * * *", reason="RunFailed")
ROWS = [REPORT_ROW, LAPTOP_ROW]
SOME = Progress({LAPTOP: 2, REPORT: 1})


def test_columns_line_up_and_rows_are_sorted_by_name() -> None:
    header, laptop, report = render(ROWS, SOME, now=NOW)
    assert header == (
        "NAMESPACE        NAME            STATE  SCHEDULE   LAST CHECK-IN  "
        "NEXT EXPECTED         REASON     AGE  SEEN"
    )
    assert laptop == (
        "heartbeats-demo  laptop-backup   Late   every 15s  16s            "
        "2026-11-21T11:59:59Z  Late       5m   [x] Up [x] Late [ ] Down [ ] Up"
    )
    assert report == (
        "heartbeats-demo  report-cronjob  Down   * * * * *                 "
        "                      RunFailed       [x] Down"
    )


def test_without_rows_there_is_a_header() -> None:
    [header] = render([], Progress(), now=NOW)
    assert header.split()[:3] == ["NAMESPACE", "NAME", "STATE"]


def test_a_state_is_coloured_and_nothing_else() -> None:
    _, laptop, report = render(ROWS, SOME, colour=True, now=NOW)
    assert "\x1b[33m  Late \x1b[0m  every" in laptop
    assert "\x1b[31m  Down \x1b[0m" in report
    assert laptop.count("\x1b") == 2


def test_a_reason_called_late_is_no_state() -> None:
    odd = replace(REPORT_ROW, state="New", reason="Late")
    assert "\x1b" not in render([odd], SOME, colour=True, now=NOW)[1]


def test_a_narrow_terminal_keeps_what_matters() -> None:
    header, laptop, _ = render(ROWS, SOME, width=79, now=NOW)
    assert header.split() == ["NAME", "STATE", "REASON", "SEEN"]
    assert laptop.endswith("[ ] Down [ ] Up")


def test_no_more_columns_are_left_out_than_must_be() -> None:
    full, *_ = render(ROWS, SOME, now=NOW)
    line = max(map(len, render(ROWS, SOME, now=NOW)))
    assert render(ROWS, SOME, width=line, now=NOW)[0] == full
    assert "AGE" not in render(ROWS, SOME, width=line - 1, now=NOW)[0]


@pytest.mark.parametrize("width", range(20, 130, 7))
def test_lines_are_cut_at_the_width_colours_not_counted(width: int) -> None:
    for line in render(ROWS, SOME, width=width, colour=True, now=NOW):
        plain = line.replace("\x1b[33m", "").replace("\x1b[31m", "")
        assert len(plain.replace("\x1b[0m", "")) <= width
        assert line.count("\x1b") in {0, 2}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h")),
        *((172_799, "47h"), (172_800, "2d"), (-3, "0s")),
    ],
)
def test_ages_are_written_in_one_unit(seconds: int, text: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), now=NOW) == text


def test_what_never_happened_has_no_age() -> None:
    assert not age(None, now=NOW)


def test_a_sample_shows_which_states_were_seen() -> None:
    assert seen(LAPTOP, Progress({LAPTOP: 1})) == "[x] Up [ ] Late [ ] Down [ ] Up"


def test_a_table_is_new_when_a_state_a_reason_or_the_progress_is() -> None:
    same = digest(ROWS, SOME)
    older = replace(LAPTOP_ROW, last_check_in_at=NOW - timedelta(seconds=17))
    assert digest([older, REPORT_ROW], SOME) == same
    for other in (replace(LAPTOP_ROW, state="Up"), replace(LAPTOP_ROW, reason="x")):
        assert digest([REPORT_ROW, other], SOME) != same
    assert digest(ROWS, Progress({LAPTOP: 3, REPORT: 1})) != same
