"""Columns, ages, and what must never reach a terminal."""

import io
from datetime import timedelta

import pytest

from heartbeats.console.text import (
    age,
    distance,
    fields,
    moment,
    painted,
    table,
    wants_colour,
)
from support.builders import HOUR, MINUTE, NOW


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_columns_stand_below_one_another_without_trailing_blanks() -> None:
    assert table(("NAME", "STATE"), [("a", "Down"), ("longer", "")]) == [
        "NAME    STATE",
        "a       Down",
        "longer",
    ]


def test_only_states_are_coloured_and_columns_stay_in_line() -> None:
    header, row = table(("STATE", "NAME"), [("Down", "Downtown")], colour=True)
    assert header == "STATE  NAME"
    assert row == "\x1b[31mDown \x1b[0m  Downtown"
    assert painted("Unheard") == "Unheard"


@pytest.mark.parametrize(
    ("stream", "environ", "expected"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals_whose_user_wants_them(
    stream: io.StringIO, environ: dict[str, str], expected: bool
) -> None:
    assert wants_colour(stream, environ) is expected


def test_what_a_job_said_moves_no_cursor() -> None:
    evil = "a\x1b[2Jb\nc\u202ed\tü"
    [_, row] = table(("MESSAGE",), [(evil,)])
    [line] = fields([("Message", evil), ("Nothing", "")])
    assert row == "a [2Jb c d ü"
    assert line == "Message:  a [2Jb c d ü"


def test_instants_are_told_from_now() -> None:
    assert distance(NOW + 4 * HOUR + 51 * MINUTE, now=NOW) == "in 4h 51m"
    assert distance(NOW - MINUTE, now=NOW) == "1m ago"
    assert distance(None, now=NOW) == ""
    assert moment(NOW, now=NOW) == "2026-11-21T12:00:00Z (0s ago)"
    assert age(NOW - timedelta(days=3), now=NOW) == "3d"
