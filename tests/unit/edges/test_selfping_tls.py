"""The outward heartbeat at https: only to whom the system's authorities vouch for."""

import http.server
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SEND = """
import asyncio, sys
from heartbeats.edges.selfping import SelfPing
ping = SelfPing(sys.argv[1], lambda: None, lambda outcome: None)
print(asyncio.run(ping._send()))
"""


@dataclass
class Watcher:
    """Who watches the watcher, by TLS: its URL, its authority, and what came."""

    url: str
    authority: Path
    came: list[str] = field(default_factory=list)


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def watcher(tmp_path: Path) -> Iterator[Watcher]:
    """Serve by a certificate that one file vouches for."""
    openssl(
        tmp_path,
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-keyout", "key", "-out", "cert", "-days", "2"),
        *("-subj", "/CN=watcher", "-addext", "subjectAltName=IP:127.0.0.1"),
    )
    found = Watcher("", tmp_path / "cert")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.came.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        found.url = f"https://127.0.0.1:{server.server_port}/ping/token"
        yield found
        server.shutdown()
        thread.join()


def send(url: str, **environ: str) -> str:
    """Send one heartbeat from a process of its own; return what went wrong."""
    done = subprocess.run(
        [sys.executable, "-c", SEND, url],
        env={**os.environ, "NO_PROXY": "127.0.0.1", **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_it_is_sent_to_whom_the_authorities_vouch_for(watcher: Watcher) -> None:
    assert send(watcher.url, SSL_CERT_FILE=str(watcher.authority)) == "None"
    assert watcher.came == ["/ping/token"]


def test_an_impostor_gets_nothing(watcher: Watcher) -> None:
    assert send(watcher.url).startswith("ClientConnectorCertificateError")
    assert watcher.came == []
