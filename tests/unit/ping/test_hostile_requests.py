"""Whatever a client sends, it gets an answer that is no error of ours."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from ipaddress import ip_network

import pytest

from heartbeats.core.model import Kind
from heartbeats.edges.ping.requests import Reading
from heartbeats.edges.ping.service import Options
from unit.ping.support import TOKEN, PingBench

Start = Callable[[Options], Awaitable[PingBench]]
LOOPBACK = (ip_network("127.0.0.0/8"),)
FAIL = f"/ping/{TOKEN}/fail"

JUNK_HEADERS = [
    b"X-Forwarded-For: unknown",
    b"X-Forwarded-For: ,,, \t,",
    b"X-Forwarded-For: 1.2.3.4.5, [::1, %%%",
    b"X-Forwarded-Proto: more-than-ten-characters",
    b"Origin: \xff\xfe\x80",
    b"Origin: \xc2\x9b31m\xed\xa0\x80",
    b"User-Agent: \xe9\xe8",
    b"Content-Type: ;;;\xff",
    b"Content-Encoding: gzip",
    b"Content-Encoding: nonsense",
    b"Expect: nonsense",
    b"Accept: text/html",
    b"Accept-Encoding: \xff",
    b"Authorization: \xff \xff",
    b"Cookie: a=\xff; =; ;;",
    b"Host: <script>\xff",
    b"Upgrade: websocket\r\nConnection: upgrade",
    b"If-Modified-Since: yesterday",
    b"Range: bytes=x-",
    b'Forwarded: for="[;',
    b"Date: never",
    b"X-Empty:",
]
PATHS = [
    f"/ping/{TOKEN}/fail",
    f"/api/v1/monitors/{TOKEN}/checkin",
    f"/api/v1/monitors/{TOKEN}",
    f"/api/v1/hb/{TOKEN}",
    f"/{TOKEN}",
    f"/v1/check_in/{TOKEN}",
]


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("path", PATHS)
async def test_junk_in_any_header_costs_no_ping(
    start: Start, path: str, trusted: bool
) -> None:
    networks = LOOPBACK if trusted else ()
    bench = await start(Options(reading=Reading(trusted_proxies=networks)))
    for junk in JUNK_HEADERS:
        head = f"GET {path}?msg=%ff%00&host=%ED%A0%80 HTTP/1.1\r\n".encode()
        host = b"" if junk.startswith(b"Host") else b"Host: x\r\n"
        end = b"\r\nConnection: close\r\n\r\n"
        answer = await bench.send_raw(head + host + junk + end)
        assert answer[9:12] == b"200", (junk, answer)
    for check_in in bench.recorder.check_ins:
        assert f"{check_in.source}{check_in.message}{check_in.detail}".encode()


@pytest.mark.parametrize(
    "query",
    [
        "%",
        "&&&",
        "=",
        "a",
        "msg",
        "msg=%ud800",
        "\xff",
        "rid",
        "duration=%00",
        "?" * 90,
    ],
)
async def test_junk_in_the_query_is_never_an_error_of_ours(
    bench: PingBench, query: str
) -> None:
    for path in PATHS:
        target = f"GET {path}?{query} HTTP/1.1\r\n".encode("latin-1")
        answer = await bench.send_raw(target + b"Connection: close\r\n\r\n")
        assert answer[9:12] in {b"200", b"400"}, answer


@pytest.mark.parametrize("method", ["FOO", "PROPFIND", "X" * 50])
async def test_any_method_else_is_refused(bench: PingBench, method: str) -> None:
    request = f"{method} /ping/{TOKEN} HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert (await bench.send_raw(request.encode()))[9:12] in {b"400", b"405"}
    assert not bench.recorder.check_ins


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b"disk full\r\n", "disk full\n"),
        ("größer".encode(), "größer"),
        (b"caf\xe9", "caf�"),
        (b"\x1b[31mred\x00\x07", "�[31mred��"),
        (b"10%\r20%\r", "10%\n20%\n"),
        (b"x" * 10_000, "x" * 10_000),
        (b"x" * 10_001, "x" * 10_000),
        (b"x" * 3_000_000, "x" * 10_000),
        # The limit cuts the two bytes of the last é apart: it is left out.
        (b"x" + "é".encode() * 6_000, "x" + "é" * 4_999),
        # And three of the four bytes of the last emoji.
        (b"x" + "😀".encode() * 3_000, "x" + "😀" * 2_499),
        # A replacement is three bytes; what is kept is still within the limit.
        (b"\xff" * 10_000, "�" * 3_333),
    ],
)
async def test_a_body_is_truncated_and_cleaned_but_never_refused(
    bench: PingBench, body: bytes, message: str
) -> None:
    assert (await bench.post(FAIL, data=body)).status == 200
    assert bench.last.message == message


@pytest.mark.parametrize(
    "media",
    ["application/x-www-form-urlencoded", "multipart/form-data", "x", "image/png"],
)
async def test_any_content_type_is_accepted_and_none_is_parsed(
    bench: PingBench, media: str
) -> None:
    answer = await bench.post(FAIL, data=b"a=1&b=2", headers={"Content-Type": media})
    assert (answer.status, bench.last.message) == (200, "a=1&b=2")


async def test_a_chunked_body_is_read(bench: PingBench) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"disk "
        yield b"full"

    assert (await bench.post(FAIL, data=chunks())).status == 200
    assert bench.last.message == "disk full"


async def test_a_compressed_body_is_not_unpacked(bench: PingBench) -> None:
    body = gzip.compress(b"spam" * 10_000_000)
    headers = {"Content-Encoding": "gzip"}
    assert (await bench.post(FAIL, data=body, headers=headers)).status == 200
    assert bench.last.message
    assert "spamspam" not in bench.last.message


async def test_broken_chunks_are_a_bad_request(bench: PingBench) -> None:
    head = f"POST {FAIL} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await bench.send_raw(head.encode() + b"zz\r\nnonsense\r\n")
    assert answer[9:12] == b"400"
    assert not bench.recorder.check_ins


async def test_curl_that_asks_before_a_large_body_is_told_to_go_on(
    bench: PingBench,
) -> None:
    reader, writer = await asyncio.open_connection(*bench.service.address)
    head = f"POST {FAIL} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    writer.write(head.encode() + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"full")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    assert bench.last.message == "full"
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_does_not_come_is_timed_out(start: Start) -> None:
    reading = Reading(body_patience=timedelta(milliseconds=20))
    bench = await start(Options(reading=reading))
    reader, writer = await asyncio.open_connection(*bench.service.address)
    head = f"POST {FAIL} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"
    writer.write(head.encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"Connection: close" in answer
    assert not bench.recorder.check_ins
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("sent", [b"", f"GET /ping/{TOKEN} HT".encode()])
async def test_a_request_head_that_does_not_come_is_timed_out_and_closed(
    start: Start, sent: bytes
) -> None:
    bench = await start(Options(head_patience=timedelta(milliseconds=20)))
    assert (await bench.send_raw(sent)).startswith(b"HTTP/1.1 408 ")


async def test_a_connection_is_kept_for_the_next_ping(bench: PingBench) -> None:
    reader, writer = await asyncio.open_connection(*bench.service.address)
    for _ in range(3):
        writer.write(f"GET /ping/{TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\nOK")).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()
    assert [one.kind for one in bench.recorder.check_ins] == [Kind.SUCCESS] * 3


async def test_a_client_that_hangs_up_within_its_body_has_sent_nothing(
    bench: PingBench, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection(*bench.service.address)
    head = f"POST {FAIL} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"
    writer.write(head.encode())
    await writer.drain()
    # Answered on another connection: by then the service is reading the first one.
    assert (await bench.get(f"/ping/{TOKEN}")).status == 200
    writer.transport.abort()
    await bench.service.__aexit__(None, None, None)
    assert [one.kind for one in bench.recorder.check_ins] == [Kind.SUCCESS]
    assert not caplog.records
