"""A `heartbeats` command as a process, heard line by line; no test of its own.

`support.operators` starts what becomes ready. This is for what must not, for single
roles and for the manner of their end. Nothing here sleeps: a wait ends with the line.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import HTTPError
from urllib.request import urlopen

FREE = "127.0.0.1:0"
FREE_PORTS = (
    *("--ping-address", FREE, "--metrics-address", FREE),
    *("--health-address", FREE, "--page-address", FREE),
)
"""Flags of `run` by which no two processes meet."""


class Process:
    """Runs between `with` and its end; what is left of it then is killed."""

    def __init__(
        self,
        *arguments: str,
        python: Sequence[str] = (),
        program: Sequence[str] | None = None,
        output: str = os.devnull,
        release: Path | None = None,
    ) -> None:
        """Start `python -m heartbeats` with these arguments; nothing is waited for.

        `program` is started in its place: a container, say. `output` is the file that
        standard output goes to, `release` the folder of another release's package.
        """
        path = {} if release is None else {"PYTHONPATH": str(release)}
        self._lines: list[str] = []
        self._news = threading.Condition()
        with Path(output).open("a") as stdout:
            self._process = subprocess.Popen(
                [
                    *(program or (sys.executable, *python, "-m", "heartbeats")),
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONSAFEPATH": "1", **path},
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill it unless it has ended; doing so twice does no harm."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def _read(self) -> None:
        for line in self._process.stderr or ():
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._lines.append("")  # nothing will follow
            self._news.notify_all()

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    @property
    def said(self) -> str:
        """Return what it has written to standard error."""
        with self._news:
            return "".join(self._lines)

    def wait_for(self, form: str, *, within: float = 60.0) -> str:
        """Return the first group of a line that has this form, as soon as it comes.

        `within` is in seconds; AssertionError shows what came instead.
        """
        ends = time.monotonic() + within
        with self._news:
            while (left := ends - time.monotonic()) > 0:
                for line in self._lines:
                    if found := re.search(form, line):
                        return found[1] if found.groups() else found[0]
                assert self._lines[-1:] != [""], f"it ended: {''.join(self._lines)}"
                self._news.wait(left)
            raise AssertionError(f"no {form!r} in: {''.join(self._lines)}")

    def end(self, number: int = signal.SIGTERM, *, within: float = 30.0) -> int:
        """Send a signal; return the exit code, which must come within so long."""
        self._process.send_signal(number)
        return self.code(within=within)

    def code(self, *, within: float = 30.0) -> int:
        """Return the exit code of a process that ends by itself."""
        code = self._process.wait(within)
        self._reader.join()
        return code


def until_answers(url: str, code: int = 200, *, within: float = 60.0) -> bytes:
    """Ask until a URL answers with this code; return the body. AssertionError."""
    ends = time.monotonic() + within
    while True:
        try:
            found, body = ask(url)
        except OSError as error:  # it does not listen yet, or takes its time
            found, body = 0, str(error).encode()
        if found == code:
            return body
        assert time.monotonic() < ends, f"{url} still answers {found}: {body!r}"
        time.sleep(0.05)  # a process offers nothing to watch


def ask(url: str) -> tuple[int, bytes]:
    """Return the status code and the body of a GET, whatever the code."""
    try:
        with urlopen(url, timeout=30) as answer:  # noqa: S310 - our own process
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()
