"""The Checkly dialect: the bare token, Origin as source, a JSON body as metadata."""

import json

import pytest

from heartbeats.core.model import Kind
from unit.ping.support import TOKEN, PingBench, detail


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_ping_is_a_success(bench: PingBench, method: str) -> None:
    answer = await bench.ask(method, f"/{TOKEN}", headers={"Origin": "k8s-prod"})
    assert (answer.status, answer.text) == (200, "OK")
    assert (bench.last.kind, bench.last.source) == (Kind.SUCCESS, "k8s-prod")


async def test_a_json_body_is_metadata_and_kept(bench: PingBench) -> None:
    metadata = {"processed": 1240, "tables": ["a", "b"], "ok": True, "ratio": 0.5}
    answer = await bench.post(f"/{TOKEN}", json=metadata)
    assert answer.status == 200
    assert detail(bench.last) == {"metadata": metadata}


async def test_metadata_is_kept_as_far_as_it_fits(bench: PingBench) -> None:
    body = '{{"a": "{}", "b": 1, "c": "{}"}}'.format("x" * 9_000, "y" * 900)
    await bench.post(f"/{TOKEN}", data=body)
    kept = detail(bench.last)["metadata"]
    assert list(kept) == ["a", "b", "c"]
    assert len(json.dumps(kept)) <= 10_000


@pytest.mark.parametrize("body", [b"done", b"[1]", b'{"a":', b'"x"', b"{" * 9_000])
async def test_another_body_is_output(bench: PingBench, body: bytes) -> None:
    assert (await bench.post(f"/{TOKEN}", data=body)).status == 200
    assert detail(bench.last) == {"output_length": len(body)}


@pytest.mark.parametrize(
    "body",
    [
        b'{"n":1e999,"m":NaN,"s":"\\ud800","\\u0000":"\x1b[31m"}',
        b'{"a":' + b"[" * 4_000 + b"]" * 4_000 + b"}",
        b'{"a":' + b"9" * 9_000 + b"}",
    ],
)
async def test_odd_json_is_made_harmless(bench: PingBench, body: bytes) -> None:
    assert (await bench.post(f"/{TOKEN}", data=body)).status == 200
    text = json.dumps(bench.last.detail, allow_nan=False, ensure_ascii=False)
    assert text.isprintable()
    assert text.encode()
