"""The Honeybadger dialect: a GET, or a JSON report about the run; always 200."""

import json

import pytest

from heartbeats.core.model import Kind
from heartbeats.edges.ping import answers
from unit.ping.support import FOREIGN, TOKEN, PingBench, detail, milliseconds

PATH = f"/v1/check_in/{TOKEN}"
PATHS = [PATH, f"/v1/check_in/hbp_1a2b3c/{TOKEN}", f"/v1/check_in/{FOREIGN}/{TOKEN}"]


def written(**payload: object) -> str:
    return json.dumps({"check_in": payload})


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_check_in_without_a_body_is_a_success(
    bench: PingBench, method: str, path: str
) -> None:
    assert (await bench.ask(method, path)).status == 200
    assert bench.last.kind is Kind.SUCCESS


@pytest.mark.parametrize("path", PATHS)
async def test_a_failure_is_recorded_with_all_it_says(
    bench: PingBench, path: str
) -> None:
    body = written(
        status="error",
        duration=4523,
        exit_code=3,
        stdout="Processed 12 records",
        stderr="Traceback\n  …\nValueError: no table\n",
        region="eu",
        rows={"read": 12},
    )
    assert (await bench.post(path, data=body)).status == 200
    assert (bench.last.kind, bench.last.exit_code) == (Kind.FAILURE, 3)
    assert bench.last.duration == milliseconds(4523)
    assert bench.last.message == "ValueError: no table"
    assert detail(bench.last) == {
        "status": "error",
        "stdout": "Processed 12 records",
        "stderr": "Traceback\n  …\nValueError: no table\n",
        "region": "eu",
        "rows": {"read": 12},
    }


async def test_a_success_keeps_only_the_length_of_its_output(bench: PingBench) -> None:
    body = written(status="success", exit_code=0, stdout="12345", stderr="", job=7)
    assert (await bench.post(PATH, data=body)).status == 200
    assert (bench.last.kind, bench.last.message) == (Kind.SUCCESS, "")
    kept = {"status": "success", "job": 7, "output_length": 5}
    assert detail(bench.last) == kept


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({}, Kind.SUCCESS),
        ({"status": "success"}, Kind.SUCCESS),
        ({"status": "success", "exit_code": 1}, Kind.SUCCESS),
        ({"status": "Success"}, Kind.FAILURE),
        ({"status": "timeout"}, Kind.FAILURE),
        ({"status": ""}, Kind.FAILURE),
        ({"status": 1}, Kind.FAILURE),
        ({"status": None}, Kind.SUCCESS),
        ({"exit_code": 0}, Kind.SUCCESS),
        ({"exit_code": 2}, Kind.FAILURE),
        ({"exit_code": -1}, Kind.FAILURE),
    ],
)
async def test_only_the_word_success_or_nothing_bad_is_a_success(
    bench: PingBench, payload: dict[str, object], kind: Kind
) -> None:
    assert (await bench.post(PATH, data=written(**payload))).status == 200
    assert bench.last.kind is kind


async def test_a_report_without_its_wrapper_is_understood(bench: PingBench) -> None:
    await bench.post(PATH, data='{"status": "error"}')
    assert bench.last.kind is Kind.FAILURE


@pytest.mark.parametrize("duration", [-1, "x", True, None, [], 1e300, "NaN"])
async def test_a_duration_that_can_not_be_is_ignored(
    bench: PingBench, duration: object
) -> None:
    assert (await bench.post(PATH, data=written(duration=duration))).status == 200
    assert bench.last.duration is None


@pytest.mark.parametrize("code", ["3", True, 1.5, 10**30, None, [1]])
async def test_an_exit_code_that_can_not_be_is_ignored(
    bench: PingBench, code: object
) -> None:
    assert (await bench.post(PATH, data=written(exit_code=code))).status == 200
    assert bench.last.exit_code is None


async def test_a_body_that_is_no_json_is_output(bench: PingBench) -> None:
    assert (await bench.post(PATH, data="backup done")).status == 200
    assert bench.last.kind is Kind.SUCCESS
    assert detail(bench.last) == {"output_length": len("backup done")}


async def test_line_breaks_pasted_into_json_do_no_harm(bench: PingBench) -> None:
    await bench.post(PATH, data='{"check_in": {"status": "error", "stderr": "a\nb"}}')
    assert detail(bench.last) == {"status": "error", "stderr": "a\nb"}


async def test_a_failure_in_broken_json_is_still_a_failure(bench: PingBench) -> None:
    body = '{"check_in": {"status": "error", "stderr": "no "quotes" escaped"}}'
    assert (await bench.post(PATH, data=body)).status == 200
    assert bench.last.kind is Kind.FAILURE
    assert bench.last.message == body
    assert detail(bench.last) == {"status": "error"}


async def test_a_status_within_output_is_not_taken_for_the_status(
    bench: PingBench,
) -> None:
    body = '{"check_in": {"stdout": "{\\"status\\": \\"error\\"}", "duration": }}'
    await bench.post(PATH, data=body)
    assert bench.last.kind is Kind.SUCCESS


async def test_output_larger_than_the_limit_keeps_outcome_and_fits(
    bench: PingBench,
) -> None:
    body = written(stdout="é" * 16_000, stderr="x" * 400, note="n", status="error")
    assert (await bench.post(PATH, data=body)).status == 200
    kept = detail(bench.last)
    assert (bench.last.kind, kept["note"]) == (Kind.FAILURE, "n")
    assert kept["stderr"] == "x" * 400
    size = sum(len(kept[name].encode()) for name in ("stdout", "stderr"))
    assert answers.BODY_LIMIT - 50 <= size <= answers.BODY_LIMIT


async def test_a_body_too_large_to_parse_keeps_its_status(bench: PingBench) -> None:
    body = written(status="error", stdout="x" * 3_000_000)
    assert (await bench.post(PATH, data=body)).status == 200
    assert bench.last.kind is Kind.FAILURE
    assert len(bench.last.message) == answers.BODY_LIMIT
