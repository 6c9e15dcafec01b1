"""What is no HTTP is refused in words of ours, recorded nowhere and not logged."""

import pytest

from unit.ping.support import TOKEN, PingBench

LINE = "X: y\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        f"GET /ping/{TOKEN} HTTP/9.9\r\n\r\n".encode(),
        f"GET /ping/{TOKEN} HTTP/1.1\r\nno colon\r\n\r\n".encode(),
        f"GET /ping/{TOKEN}?{'x' * 20_000} HTTP/1.1\r\n\r\n".encode(),
        f"GET /ping/{TOKEN} HTTP/1.1\r\nX: {'x' * 20_000}\r\n\r\n".encode(),
        f"GET /ping/{TOKEN} HTTP/1.1\r\n{300 * LINE}\r\n".encode(),
        f"POST /ping/{TOKEN} HTTP/1.1\r\nContent-Length: -1\r\n\r\n".encode(),
        f"POST /ping/{TOKEN} HTTP/1.1\r\nContent-Length: x\r\n\r\n".encode(),
    ],
)
async def test_what_is_no_http_is_refused_and_not_logged(
    bench: PingBench, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await bench.send_raw(data)
    assert answer[:12] in {b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 408"}
    assert not bench.recorder.check_ins
    assert not caplog.records


@pytest.mark.parametrize(
    "line",
    [
        f"GET /ping/{TOKEN}?\0 HTTP/1.1",
        f"GET /ping/{TOKEN} HTTP/1.1\r\nno colon: {TOKEN}",
        f"GET http://[{TOKEN} HTTP/1.1",
        f"{TOKEN} / HTTP/1.1",
    ],
)
async def test_the_refusal_of_what_is_no_http_quotes_nothing(
    bench: PingBench, line: str
) -> None:
    answer = (await bench.send_raw(f"{line}\r\n\r\n".encode())).decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert (head[9:12], body) == ("400", "this is no HTTP request")
    assert "Ping-Body-Limit" in head
    assert "aiohttp" not in head
