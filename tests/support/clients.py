"""Real clients, as their registries give them out, on the real service.

A front on 127.0.0.1 passes on every byte unchanged and notes what was answered; it
may refuse the first requests, as a service does that is being replaced.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from heartbeats.cluster.locking import locked
from heartbeats.cluster.paths import cache_dir
from support.kube import Kube
from support.operators import RunningOperator, ping_url
from support.resources import Object
from support.seeds import NAME, Ended, Site, Subject, answers_in, end_to_end
from support.workloads import ping_monitor

NPM_CLIENTS = Path(__file__).parents[1] / "data" / "clients"

NOT_NOW = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
RETRY_AFTER_SECONDS = 2
"""What NOT_NOW asks for."""
HANG_UP = b""

_LONGEST = 60.0  # seconds until a client is given up
_SAID_WITHIN = 30.0
_INSTALLED_WITHIN = 120


def customer(
    kube: Kube, operator: RunningOperator, namespace: str, folder: Path
) -> Subject:
    """Make a monitor of a daily job for a client that needs nothing but its URL."""
    kube.create(ping_monitor(namespace, NAME, interval="24h", gracePeriod="10m"))
    token = ping_url(kube, namespace, NAME).rpartition("/")[2]
    return Subject(kube, operator, namespace, token, Site("", ""), folder)


def run(job: Subject, *command: str, refusals: Sequence[bytes] = ()) -> Ended:
    """Run a command, `{host}` and `{token}` replaced; without the program, skip."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    # asyncio.run() would take the place of the loop that pytest-asyncio keeps.
    with closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(_run(job, command, list(refusals)))


async def _run(job: Subject, command: Sequence[str], refusals: list[bytes]) -> Ended:
    connections: list[bytearray] = []
    async with asyncio.timeout(_LONGEST), asyncio.TaskGroup() as group:

        def accept(reader: StreamReader, writer: StreamWriter) -> None:
            connections.append(seen := bytearray())
            if refusals:
                seen += refusals[0]
                served = _refuse(reader, writer, refusals.pop(0))
            else:
                served = end_to_end(reader, writer, job.operator.ping, seen)
            group.create_task(served)

        async with await asyncio.start_server(accept, "127.0.0.1") as front:
            host, port = front.sockets[0].getsockname()
            words = {"{host}": f"{host}:{port}", "{token}": job.token}
            ended = await _execute(
                job.folder, [_replace(each, words) for each in command]
            )
    answers = [each for data in connections for each in answers_in(bytes(data))]
    return Ended(*ended, answers)


def _replace(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(name, value)
    return text


async def _refuse(reader: StreamReader, writer: StreamWriter, answer: bytes) -> None:
    """Read what comes with the head, answer (or not) and hang up."""
    with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, rest = head.lower().partition(b"content-length:")
        await reader.readexactly(int(rest.split()[0]) if rest else 0)
        writer.write(answer)
        await writer.drain()


async def _execute(folder: Path, command: Sequence[str]) -> tuple[int, str, str]:
    """Run a program without the user's own settings and proxies."""
    pipe = asyncio.subprocess.PIPE
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={"PATH": path, "HOME": str(folder)},
        stdout=pipe, stderr=pipe,
    )  # fmt: skip
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    return process.returncode or 0, output.decode(), errors.decode()


def told(job: Subject, count: int) -> list[Object]:
    """Return the payloads of so many check-ins, once the event log has them."""
    ends = time.monotonic() + _SAID_WITHIN
    while len(lines := job.lines()) < count and time.monotonic() < ends:
        time.sleep(0.05)  # a file offers nothing to watch
    assert [each["state"] for each in lines] == ["reporting"] * count
    return [each["payload"] for each in lines]


def npm_clients() -> Path:
    """Return the folder of the locked npm packages; skips where there is no npm."""
    for program in ("npm", "node"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    lock = (NPM_CLIENTS / "package-lock.json").read_bytes()
    folder = cache_dir() / f"npm-clients-{hashlib.sha256(lock).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock", lambda: None):
        if not (folder / ".ready").exists():
            _install(folder)
            (folder / ".ready").touch()
    return folder


def _install(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NPM_CLIENTS / name, folder / name)
    command = ("npm", "ci", "--ignore-scripts", "--no-audit", "--fetch-retries=0")
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True,
            timeout=_INSTALLED_WITHIN,
        )  # fmt: skip
    except subprocess.SubprocessError as error:
        pytest.skip(f"npm can't install the clients: {type(error).__name__}")
