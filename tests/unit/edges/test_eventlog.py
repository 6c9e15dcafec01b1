"""The check_in event log: its shape, odd values, and disks that fail."""

import io
import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeats.core.model import Health, Kind, MonitorKey, Reason
from heartbeats.edges import eventlog
from heartbeats.edges.eventlog import (
    LINE_LIMIT,
    TEXT_LIMIT,
    EventLog,
    encode,
    for_check_in,
    for_flip,
    for_missed,
)
from support.builders import MINUTE, NOW, check_in, flip, missed

KEY = MonitorKey("shop", "nightly")
CLUSTER = "berlin"
NOW_TEXT = "2026-11-21T12:00:00.000Z"


def line_of(**fields: Any) -> dict[str, Any]:
    event = for_check_in(KEY, check_in(**fields), CLUSTER)
    assert event is not None
    text = encode(event)
    assert "\n" not in text
    read: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return read


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def payload_of(**fields: Any) -> dict[str, Any]:
    payload: dict[str, Any] = line_of(**fields)["payload"]
    return payload


def test_a_success_has_exactly_the_documented_shape() -> None:
    line = line_of(
        id="c-7",
        run_id="r-1",
        slot_at=NOW - MINUTE,
        duration=timedelta(seconds=4.523),
        exit_code=0,
        source="billing.example.com",
        detail=(("stdout", "Processed 1240 records"), ("stderr", ""), ("region", "eu")),
    )
    assert line == {
        "event_type": "check_in",
        "check_in_id": "shop/nightly",
        "state": "reporting",
        "payload": {
            "status": "success",
            "duration": 4523,
            "exit_code": 0,
            "stdout": "Processed 1240 records",
            "stderr": "",
            "ts": NOW_TEXT,
            "id": "c-7",
            "slot": "2026-11-21T11:59:00.000Z",
            "source": "billing.example.com",
            "run_id": "r-1",
            "cluster": "berlin",
            "region": "eu",
        },
    }


def test_what_is_not_known_has_no_key() -> None:
    assert payload_of() == {
        "status": "success",
        "ts": NOW_TEXT,
        "id": "c-1",
        "cluster": CLUSTER,
    }


@pytest.mark.parametrize(
    ("kind", "label", "status"),
    [
        (Kind.SUCCESS, None, "success"),
        (Kind.SUCCESS, "ok", "success"),
        (Kind.FAILURE, None, "failure"),
        (Kind.FAILURE, "timeout", "timeout"),
        (Kind.FAILURE, "", "failure"),
        (Kind.FAILURE, 7, "failure"),
        (Kind.FAILURE, "success", "failure"),
        (Kind.START, None, "start"),
        (Kind.LOG, "anything", "log"),
    ],
)
def test_the_status_is_the_outcome_or_the_callers_word_for_a_failure(
    kind: Kind, label: object, status: str
) -> None:
    assert payload_of(kind=kind, detail=(("status", label),))["status"] == status


def test_callers_keys_never_replace_ours() -> None:
    detail = (("id", "x"), ("ts", 0), ("cluster", "x"), ("duration", 9), ("slot", 1))
    assert payload_of(detail=detail) == payload_of()


def test_output_is_text_whatever_the_caller_sent() -> None:
    assert payload_of(detail=(("stdout", {"a": 1}),))["stdout"] == "{'a': 1}"


def test_a_duration_keeps_fractions_of_a_millisecond() -> None:
    assert payload_of(duration=timedelta(microseconds=1500))["duration"] == 1.5
    assert payload_of(duration=timedelta(0))["duration"] == 0


def test_a_job_that_vanished_makes_no_line() -> None:
    assert for_check_in(KEY, check_in(Kind.VANISHED), CLUSTER) is None


def test_an_expired_window_is_missing_with_its_reason() -> None:
    line = for_missed(KEY, missed(message="Due at 11:55."), CLUSTER)
    assert line == {
        "event_type": "check_in",
        "check_in_id": "shop/nightly",
        "state": "missing",
        "payload": {
            "status": "missing",
            "reason": "RunMissed",
            "message": "Due at 11:55.",
            "ts": NOW_TEXT,
            "id": "m-1",
            "slot": "2026-11-21T11:55:00.000Z",
            "cluster": CLUSTER,
        },
    }


@pytest.mark.parametrize(
    ("before", "after", "reason", "state"),
    [
        (Health.UP, Health.PAUSED, Reason.PAUSED, "paused"),
        (Health.DOWN, Health.PAUSED, Reason.PAUSED, "paused"),
        (Health.UP, Health.DOWN, Reason.RUN_MISSED, "missing"),
        (Health.NEW, Health.DOWN, Reason.RUN_OVERDUE, "missing"),
        (Health.UP, Health.DOWN, Reason.POD_NOT_READY, "missing"),
        (Health.UP, Health.DOWN, Reason.CRON_JOB_NOT_FOUND, "missing"),
        (Health.UP, Health.DOWN, Reason.RUN_FAILED, None),
        (Health.PAUSED, Health.DOWN, Reason.RUN_MISSED, None),
        (Health.DOWN, Health.UP, Reason.RECOVERED, None),
        (Health.UP, Health.UNKNOWN, Reason.SCHEDULE_MISMATCH, None),
        (Health.PAUSED, Health.UP, Reason.ON_SCHEDULE, None),
    ],
)
def test_flips_make_a_line_only_where_no_other_line_tells_the_fact(
    before: Health, after: Health, reason: Reason, state: str | None
) -> None:
    line = for_flip(KEY, flip(after, reason, before=before), CLUSTER)
    assert (line and line["state"]) == state


def test_long_outputs_are_cut_and_say_so() -> None:
    stdout = payload_of(detail=(("stdout", "x" * 50_000),))["stdout"]
    assert len(stdout) == TEXT_LIMIT
    assert stdout.endswith("…")


def test_a_line_with_far_too_many_keys_of_the_callers_keeps_ours() -> None:
    detail = tuple((f"k{n}", "😀" * TEXT_LIMIT) for n in range(9))
    line = line_of(message="😀" * 99_999, detail=(*detail, ("stderr", "😀" * 99_999)))
    assert line["payload"]["truncated"] is True
    assert set(line["payload"]) == {
        *("status", "ts", "id", "cluster", "message", "stderr", "truncated")
    }


def test_numbers_that_json_does_not_have_are_made_safe() -> None:
    odd = (math.nan, math.inf, 10**5000, 10**30, 2**63 - 1, True)
    read = payload_of(detail=(("odd", odd),))["odd"]
    assert read == [None, None, None, 1e30, 2**63 - 1, True]


def test_odd_keys_and_values_are_made_safe() -> None:
    odd = {1: "a", None: b"b", "s\ud800": "\ud800\u2028", "when": NOW, "span": MINUTE}
    assert payload_of(detail=(("odd", odd),))["odd"] == {
        "1": "a",
        "None": "b'b'",
        "s?": "?\u2028",
        "when": NOW_TEXT,
        "span": 60_000,
    }


def test_bottomless_values_have_an_end() -> None:
    deep: list[object] = []
    deep.append(deep)
    assert len(encode({"payload": {"deep": deep}})) < 100


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON), st.text())
def test_whatever_comes_in_one_line_of_json_comes_out(
    detail: dict[str, object], message: str
) -> None:
    event = for_check_in(
        KEY, check_in(detail=tuple(detail.items()), message=message), CLUSTER
    )
    assert event is not None
    line = encode(event)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert len(line) <= LINE_LIMIT
    assert json.loads(line, parse_constant=refuse)["payload"]["id"] == "c-1"


class Failures:
    """Counts what the log says it could not write."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


class FullDisk(io.StringIO):
    """Takes nothing until it has `room`."""

    room = False

    def write(self, text: str) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        return super().write(text)


EVENT = for_missed(KEY, missed(), CLUSTER)


def test_a_line_goes_to_the_stream_and_to_the_end_of_the_file(tmp_path: Path) -> None:
    stream, path, failures = io.StringIO(), tmp_path / "events.log", Failures()
    path.write_text("earlier\n")
    log = EventLog(stream, path, failures)
    log.write(EVENT)
    log.write(EVENT)
    assert stream.getvalue() == (encode(EVENT) + "\n") * 2
    assert path.read_text() == "earlier\n" + stream.getvalue()
    assert failures.count == 0


def test_a_missing_directory_is_counted_and_standard_output_still_gets_the_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stream, failures = io.StringIO(), Failures()
    directory = tmp_path / "gone"
    log = EventLog(stream, directory / "events.log", failures)
    log.write(EVENT)
    log.write(EVENT)
    assert len(stream.getvalue().splitlines()) == failures.count == 2
    assert len(caplog.records) == 1, "a lasting failure is logged once"
    directory.mkdir()
    log.write(EVENT)
    assert (directory / "events.log").read_text() == encode(EVENT) + "\n"
    assert "writes to" in caplog.records[-1].message


def test_a_rotated_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "events.log"
    log = EventLog(io.StringIO(), path, Failures())
    log.write(EVENT)
    path.rename(tmp_path / "events.log.1")
    log.write(EVENT)
    assert path.read_text() == (tmp_path / "events.log.1").read_text()


def test_a_full_standard_output_does_not_keep_the_line_from_the_file(
    tmp_path: Path,
) -> None:
    stream, path, failures = FullDisk(), tmp_path / "events.log", Failures()
    log = EventLog(stream, path, failures)
    log.write(EVENT)
    assert failures.count == 1
    assert path.read_text() == encode(EVENT) + "\n"


def test_a_closed_standard_output_is_survived() -> None:
    stream, failures = io.StringIO(), Failures()
    stream.close()
    EventLog(stream, None, failures).write(EVENT)
    assert failures.count == 1


def test_a_line_written_in_part_does_not_spoil_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, failures = tmp_path / "events.log", Failures()
    log = EventLog(io.StringIO(), path, failures)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", half_writing(Path.open))
        log.write(EVENT)
    assert failures.count == 1
    log.write(EVENT)
    torn, whole = path.read_text().splitlines()
    assert whole == encode(EVENT)
    assert whole.startswith(torn)


def half_writing(really_open: Any) -> Any:
    def open_(path: Path, *args: Any, **more: Any) -> Any:
        file = really_open(path, *args, **more)

        class Half:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def write(self, data: bytes) -> int:
                written: int = file.write(data[: len(data) // 2])
                return written

        return Half()

    return open_


def test_our_own_keys_always_fit_into_a_line() -> None:
    assert 3 * TEXT_LIMIT * len(json.dumps("😀").strip('"')) < LINE_LIMIT
    assert eventlog.NAME_LIMIT < TEXT_LIMIT
