"""How the process logs: every line readable, with its fields, in UTC."""

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from heartbeats.app.logs import JsonFormatter, TextFormatter, configure
from heartbeats.config import LogFormat

MIDNIGHT = 1_795_219_200.25  # 2026-11-21T00:00:00.25Z


def record(message: str = "Stopping %s", *args: object, **extra: Any) -> Any:
    """Make a record as a logger makes it."""
    made = logging.makeLogRecord(
        {
            "name": "heartbeats.app",
            "levelno": logging.WARNING,
            "levelname": "WARNING",
            "msg": message,
            "args": args,
            "created": MIDNIGHT,
        }
    )
    vars(made).update(extra)
    return made


def parsed(made: Any) -> dict[str, Any]:
    """Read a line as strict readers do: NaN is no JSON."""

    def refuse(word: str) -> NoReturn:
        raise AssertionError(f"{word} is no JSON")

    line = JsonFormatter().format(made)
    assert "\n" not in line
    found: dict[str, Any] = json.loads(line, parse_constant=refuse)
    return found


def test_a_json_line_is_one_object_with_all_fields() -> None:
    found = parsed(record("Stopping %s", "now", namespace="shop", monitor="backup"))
    assert found == {
        "time": "2026-11-21T00:00:00.250Z",
        "level": "WARNING",
        "logger": "heartbeats.app",
        "message": "Stopping now",
        "namespace": "shop",
        "monitor": "backup",
    }


def test_an_error_carries_its_traceback_in_the_same_line() -> None:
    error = ValueError("line one\nline two")
    try:
        raise error
    except ValueError:
        found = parsed(record("failed", exc_info=sys.exc_info()))
    assert "Traceback" in found["traceback"]
    assert "ValueError: line one\nline two" in found["traceback"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(["namespace", "monitor", "uid", "change", "resource"])


@given(st.text(), st.dictionaries(NAMES, values))
@example("x", {"uid": [float("nan"), float("inf")]})
def test_whatever_is_logged_a_json_line_is_json(
    message: str, extra: dict[str, Any]
) -> None:
    found = parsed(record(message.replace("%", "%%"), **extra))
    assert extra.keys() <= found.keys()


class Strange:
    """Something that JSON does not know."""

    def __str__(self) -> str:
        return "strange"


def test_what_json_does_not_know_is_written_as_text() -> None:
    assert parsed(record("x", thing=Strange()))["thing"] == "strange"


@pytest.mark.parametrize("name", ["time", "level", "logger"])
def test_a_field_never_passes_for_the_records_own(name: str) -> None:
    before, after = parsed(record("x")), parsed(record("x", **{name: "forged"}))
    assert after[name] == before[name]


def test_a_text_line_is_for_people() -> None:
    line = TextFormatter().format(record("Stopping %s", "now", namespace="shop", n=1))
    assert line == (
        "2026-11-21T00:00:00.250Z WARNING Stopping now  [namespace=shop n=1]"
    )
    assert TextFormatter().format(record("Stopping")).endswith("Stopping")


def test_both_forms_may_format_the_same_record() -> None:
    made = record("Stopping", namespace="shop")
    first = TextFormatter().format(made)
    assert "fields" not in parsed(made)
    assert TextFormatter().format(made) == first


@pytest.fixture
def _restored() -> Iterator[None]:
    """Put logging back as pytest has set it up."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    names = ("asyncio", "kopf")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in names:
        logging.getLogger(name).setLevel(levels[name])


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("form", LogFormat)
def test_logs_go_to_standard_error_and_never_to_the_event_logs_stream(
    form: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(form, "info")
    logging.getLogger("heartbeats").info("Hello", extra={"namespace": "shop"})
    logging.getLogger("heartbeats").debug("too much")
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    if form is LogFormat.JSON:
        assert json.loads(line)["namespace"] == "shop"
    else:
        assert line.endswith("Hello  [namespace=shop]")


@pytest.mark.usefixtures("_restored")
def test_others_tell_their_troubles_only() -> None:
    configure(LogFormat.TEXT, "debug")
    assert logging.getLogger("heartbeats").isEnabledFor(logging.DEBUG)
    for name in ("kopf", "kopf.objects", "asyncio"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
        assert logging.getLogger(name).isEnabledFor(logging.ERROR)


@pytest.mark.usefixtures("_restored")
def test_configuring_twice_doubles_no_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(2):
        configure(LogFormat.TEXT, "INFO")
    logging.getLogger("heartbeats").info("Hello")
    assert len(capsys.readouterr().err.splitlines()) == 1
