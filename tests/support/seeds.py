"""Examples from other systems' documents, run as their users would run them.

Host and id are replaced in an example, as its user would, and a job's absolute path
is moved into the test's own folder; nothing else. The examples say https, so TLS ends
in front of the service, as at an Ingress; every answer is noted there, whatever the
client shows of it. Knows the operator only from outside.
"""

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from heartbeats.core import cron
from support.kube import Kube, wait_until
from support.operators import RunningOperator, ping_url
from support.resources import MONITORS, Object
from support.workloads import ping_monitor, state_is

NAME = "job"
"""What every monitor here is called: each has a namespace of its own."""

# How an example is run: by cron, as a script, a program and a module.
SH = ("/bin/sh", "-c")
BASH = ("/bin/bash", "-c")
PYTHON = (sys.executable, "-c")
NODE = ("node", "--input-type=module", "-e")

_LONGEST = 60.0  # seconds until an example is given up; one is usual

# Strict readers want to be told what a certificate of their own authority may do.
_CERTIFICATE = (
    *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=ping"),
    *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
    *("-addext", "subjectAltName=IP:127.0.0.1"),
    *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
    *("-keyout", "key.pem", "-out", "cert.pem"),
)


@dataclass(frozen=True, slots=True)
class Site:
    """How a document writes the service's host and the monitor's id."""

    host: str
    identifier: str

    def place(self, text: str, host: str, token: str) -> str:
        """Put our host and id in; an example that has neither is a mistake."""
        placed = text.replace(self.identifier, token).replace(self.host, host)
        assert host in placed, f"{self.host} is not in the example"
        assert token in placed or "$MONITOR_ID" in placed, "the id is not in it"
        return placed


class Ended(NamedTuple):
    """How an example ended, and the status and body of every answer that it got."""

    exit_code: int
    output: str
    errors: str
    answers: list[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Subject:
    """A ping monitor, the examples' site and a folder that their jobs are in."""

    kube: Kube
    operator: RunningOperator
    namespace: str
    token: str
    site: Site
    folder: Path
    moved: list[str] = field(default_factory=list)
    """Absolute paths in examples that stand for files in the folder."""

    def provide(self, name: str, exit_code: int = 0) -> None:
        """Put a job in place that does nothing but end like that."""
        self.put(name, f"#!/bin/sh\nexit {exit_code}\n")

    def put(self, name: str, text: str) -> None:
        """Write a program on PATH, or a file at an absolute path in examples."""
        if name.startswith("/"):
            self.moved.append(name)
            path = self.folder / name[1:]
        else:
            path = self.folder / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(self, command: Sequence[str], example: str) -> Ended:
        """Run a command with the example at its end; without the program, skip."""
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        # asyncio.run() would take the place of the loop that pytest-asyncio keeps.
        with closing(asyncio.new_event_loop()) as loop:
            return loop.run_until_complete(self._run(command, example))

    def wait(self, state: str) -> Object:
        """Return the status in that state, once the event log has all of it."""
        reached = state_is(state)

        def is_told(it: Object | None) -> bool:
            return reached(it) and not (it or {})["status"].get("pendingFlips")

        found = wait_until(self.kube, MONITORS, self.namespace, NAME, is_told)
        return dict((found or {})["status"])

    def lines(self) -> list[Object]:
        """Return the event log's lines about the monitor."""
        return self.operator.lines(self.namespace, NAME)

    def recorded(self, state: str) -> tuple[Object, Object]:
        """Return the status in that state and its one check-in's payload in the log."""
        status, (line,) = self.wait(state), self.lines()
        last, payload = status["lastCheckIn"], line["payload"]
        assert line["state"] == "reporting"
        assert (payload["id"], payload["status"]) == (last["id"], last["kind"])
        assert payload.get("source") == last.get("source")
        return status, payload

    def pinged(self, ended: Ended, source: str) -> Object:
        """Check that an example pinged once and ended well; returns the payload."""
        assert ended.exit_code == 0, ended
        assert ended.answers == [(HTTPStatus.OK, "OK")]
        _, payload = self.recorded("Up")
        assert payload.get("source", "").startswith(source)
        return payload

    async def _run(self, command: Sequence[str], example: str) -> Ended:
        connections: list[bytearray] = []
        async with asyncio.timeout(_LONGEST), asyncio.TaskGroup() as group:

            def accept(reader: StreamReader, writer: StreamWriter) -> None:
                connections.append(seen := bytearray())
                ends = end_to_end(reader, writer, self.operator.ping, seen)
                group.create_task(ends)

            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
            async with await asyncio.start_server(
                accept, "127.0.0.1", ssl=tls
            ) as front:
                host, port = front.sockets[0].getsockname()
                for path in self.moved:
                    example = example.replace(path, f"{self.folder}{path}")
                text = self.site.place(example, f"{host}:{port}", self.token)
                exit_code, output, errors = await self._execute([*command, text])
        answers = [each for data in connections for each in answers_in(bytes(data))]
        return Ended(exit_code, output, errors, answers)

    async def _execute(self, command: Sequence[str]) -> tuple[int, str, str]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, env=self._env(), stdout=pipe, stderr=pipe
        )
        try:
            output, errors = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            raise
        return process.returncode or 0, output.decode(), errors.decode()

    def _env(self) -> dict[str, str]:
        """Make an environment without the user's own settings and proxies."""
        programs = (self.folder / "bin", Path(sys.executable).parent)
        trusted = str(self.folder / "cert.pem")
        names = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
        return {
            "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
            "HOME": str(self.folder),
            "WGETRC": str(self.folder / "wgetrc"),
            "NODE_EXTRA_CA_CERTS": trusted,
            "MONITOR_ID": self.token,
            **dict.fromkeys(names, trusted),
        }


def subject(
    kube: Kube,
    operator: RunningOperator,
    namespace: str,
    site: Site,
    folder: Path,
    **spec: Any,
) -> Subject:
    """Make a monitor of a daily job and what an example needs to reach it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    daily = {"interval": "24h", "gracePeriod": "10m"}
    kube.create(ping_monitor(namespace, NAME, **daily, **spec))
    subprocess.run(_CERTIFICATE, cwd=folder, check=True, capture_output=True)
    (folder / "wgetrc").write_text(f"ca_certificate = {folder / 'cert.pem'}\n")
    token = ping_url(kube, namespace, NAME).rpartition("/")[2]
    return Subject(kube, operator, namespace, token, site, folder)


def cron_command(entry: str) -> str:
    """Return the command of a crontab entry, whose five fields must be readable.

    cron wants an entry on one line; where a page breaks it, the shell joins it again.
    """
    *fields, command = entry.split(maxsplit=5)
    cron.parse(" ".join(fields), "UTC")
    assert "%" not in command, "to cron, % is the end of the line"
    return command


async def end_to_end(
    reader: StreamReader, writer: StreamWriter, service: str, seen: bytearray
) -> None:
    """Join a client to the service; what is answered is added to `seen`."""
    url = urlsplit(service)
    inner_reader, inner_writer = await asyncio.open_connection(url.hostname, url.port)
    await asyncio.gather(
        _pass_on(reader, inner_writer, bytearray()),
        _pass_on(inner_reader, writer, seen),
    )


async def _pass_on(source: StreamReader, sink: StreamWriter, seen: bytearray) -> None:
    """Copy until one side hangs up, which ends the other side too."""
    with closing(sink), suppress(ConnectionError, ssl.SSLError):
        while data := await source.read(2**16):
            seen += data
            sink.write(data)
            await sink.drain()


def answers_in(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the status and body of each answer."""
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)content-length: *(\d+)", head)
        length = int(found[1]) if found else len(rest)
        yield int(head.split()[1]), rest[:length].decode()
        data = rest[length:]
