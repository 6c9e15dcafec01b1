"""Where the table goes: over the last one on a terminal, once for each change else."""

import io
import re
from datetime import timedelta

import pytest

from heartbeats.demo.story import LAPTOP, Progress, Row
from heartbeats.demo.view import Screen, Transcript, view_for
from support.builders import NOW

UP = [Row(LAPTOP, "Up", created_at=NOW)]
LATE = [Row(LAPTOP, "Late", created_at=NOW)]


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_a_transcript_has_each_table_once() -> None:
    out = io.StringIO()
    view = Transcript(out)
    for second in range(5):
        view.show(UP, Progress(), None, now=NOW + timedelta(seconds=second))
    view.show(LATE, Progress(), None, now=NOW)
    assert out.getvalue().count("NAMESPACE") == 2
    assert "\x1b" not in out.getvalue()


def test_a_transcript_tells_of_trouble_when_it_comes() -> None:
    out = io.StringIO()
    view = Transcript(out)
    view.show(UP, Progress(), None, now=NOW)
    view.show(UP, Progress(), "the API server is away", now=NOW)
    assert "the API server is away" in out.getvalue()


def test_a_transcript_waits_for_the_first_monitor() -> None:
    out = io.StringIO()
    Transcript(out).show([], Progress(), None, now=NOW)
    assert not out.getvalue()


def test_a_screen_draws_over_the_last_table() -> None:
    out = Terminal()
    view = Screen(out, {})
    for rows in (UP, LATE, LATE):
        view.show(rows, Progress(), None, now=NOW)
    height = 4  # header, row, blank line, caption
    assert re.findall(r"\x1b\[(\d+)A", out.getvalue()) == [str(height)] * 2
    assert out.getvalue().count("\n") == 3 * height


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [
        *(({}, True), ({"NO_COLOR": ""}, True)),
        *(({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)),
    ],
)
def test_colours_can_be_refused(environ: dict[str, str], coloured: bool) -> None:
    out = Terminal()
    Screen(out, environ).show(UP, Progress(), None, now=NOW)
    assert ("\x1b[32m" in out.getvalue()) is coloured


def test_the_view_fits_the_stream() -> None:
    assert isinstance(view_for(Terminal(), {}), Screen)
    assert isinstance(view_for(io.StringIO(), {}), Transcript)
