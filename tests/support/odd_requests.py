"""Requests that no correct client sends, as bytes: each is sent once and whole.

Most say MARK somewhere, which must be found in no log.
"""

import secrets
from collections.abc import Iterator

MARK = "hostile-mark-5e1f"
BLOCK = b"x" * 65_536


def odd_requests(path: str) -> Iterator[bytes]:
    """Yield whole requests that no correct client sends."""
    line, end = f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode(), b"\r\n\r\n"
    for method in ("BREW", "get", "PRI", "CONNECT", "TRACE", MARK.upper(), "M" * 9_000):
        yield f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    for target in (
        *(
            f"http://{MARK}{path}",
            f"http://[{MARK}{path}",
            "*",
            f"*{path}",
            f"//{MARK}",
        ),
        *(f"{MARK}:443", path[1:], f"?{MARK}", f"{path}?{MARK}=%00%ff%", f"{path}%00"),
        *(f"{path}?msg=%ED%A0%80", f"{path}#{MARK}", f"{path}?{'&' * 8_000}"),
        *(f"/{'../' * 2_000}{MARK}", f"/{'%2e' * 2_000}", f"{path}?rid={MARK}"),
    ):
        yield f"GET {target} HTTP/1.1\r\nHost: {MARK}\r\n\r\n".encode()
    for raw in (b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\x00", b"\x1b[31m"):
        yield b"GET " + path.encode() + raw + b" HTTP/1.1\r\nHost: x" + end
        yield b"GET " + path.encode() + b"?msg=" + raw + b" HTTP/1.1\r\nHost: x" + end
        yield line + b"X-" + raw + b": " + MARK.encode() + end
        yield line + b"Origin: " + MARK.encode() + raw + end
        yield post(path, b"Content-Type: text/plain", raw + MARK.encode())
    for coding in (b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip", b"\xff"):
        yield post(path, b"Content-Encoding: " + coding, b"\x1f\x8b\x08\x00" + BLOCK)
    for version in ("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9", "HTTP/1.", MARK):
        yield f"GET {path} {version}\r\n\r\n".encode()
    for header in (
        *("Content-Length: -1", "Content-Length: 1e9", "Content-Length: 5, 6"),
        *("Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, identity"),
        *("Content-Length: 3\r\nTransfer-Encoding: chunked", f"Host: {MARK}"),
        *("Upgrade: h2c\r\nConnection: upgrade", f" {MARK}", f"{MARK}", ": empty"),
        *("Expect: 100-continue", f"Expect: {MARK}", "Range: bytes=0-,-1,5-2"),
    ):
        yield line + header.encode() + end
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + secrets.token_bytes(500)
    yield b"\x00" * 4_096
    yield MARK.encode() + end
    yield line + b"".join(b"X-%d: %s\r\n" % (n, MARK.encode()) for n in range(10_000))
    yield line + b"X: " + b"x" * 1_000_000 + end
    yield b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1" + end
    yield line + b"Cookie: " + b"a=b; " * 1_500 + end


def post(path: str, header: bytes, body: bytes) -> bytes:
    """Write a POST with one header more."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + header + b"\r\n\r\n" + body
