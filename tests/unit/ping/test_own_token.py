"""A job that prints the URL it calls does not publish its token."""

import json

import msgspec
import pytest

from heartbeats.core.model import MonitorKey, Uid
from heartbeats.edges.ping.ports import MonitorView
from unit.ping.support import FOREIGN, TOKEN, PingBench

URL = f"https://pings.example.org/ping/{TOKEN}"


def recorded(bench: PingBench) -> str:
    """Return all that was recorded, as text."""
    return msgspec.json.encode(bench.last).decode()


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (f"/ping/{TOKEN}/fail", f"+ curl {URL}\n", {}),
        (f"/ping/{TOKEN}/log", f"HEARTBEATS_URL={URL.upper()}", {}),
        (f"/ping/{TOKEN}?msg={TOKEN}", None, {}),
        (f"/ping/{TOKEN}?host={URL}", None, {}),
        (f"/ping/{TOKEN}", None, {"Origin": URL}),
        (f"/ping/{TOKEN}", None, {"User-Agent": f"curl {TOKEN}"}),
        ("/ping/fail", URL, {"Authorization": f"Bearer {TOKEN}"}),
        (f"/{TOKEN}", json.dumps({"a": [{TOKEN: URL}], "b": 1}), {}),
        (
            f"/v1/check_in/{TOKEN}",
            json.dumps({"check_in": {"status": "error", "stdout": URL, "stderr": URL}}),
            {},
        ),
    ],
)
async def test_a_token_is_left_out_of_what_its_job_says(
    bench: PingBench, path: str, body: str | None, headers: dict[str, str]
) -> None:
    if body is None:
        answer = await bench.get(path, headers=headers)
    else:
        answer = await bench.post(path, body, headers=headers)
    assert answer.status == 200
    assert TOKEN not in recorded(bench).lower()
    assert "…" in recorded(bench)


async def test_the_rest_of_the_text_stays_as_it_is(bench: PingBench) -> None:
    await bench.post(f"/ping/{TOKEN}/fail", f"before {TOKEN} after {FOREIGN}")
    assert bench.last.message == f"before … after {FOREIGN}"


async def test_of_an_imported_word_its_key_is_the_secret(bench: PingBench) -> None:
    view = MonitorView(key=MonitorKey("production", "moved"), uid=Uid("uid-2"))
    bench.directory.views["0a1b2c3d/nightly"] = view
    output = "curl x/ping/0a1b2c3d/nightly/1: nightly failed"
    await bench.post("/ping/0a1b2c3d/nightly/log", output)
    assert bench.last.message == "curl x/ping/…/nightly/1: nightly failed"
