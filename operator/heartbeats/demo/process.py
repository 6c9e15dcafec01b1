"""The operator as a process of its own, as a user would start it.

Its log goes to a file, which also tells where it listens. Knows nothing of clusters.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heartbeats.cluster.processes import read_pid, stop
from heartbeats.demo.errors import DemoError

_LISTENING: Final = re.compile(
    r"(?:The (?P<name>metrics|health|page) listener is at|Pings are answered on) "
    r"(?P<url>http://\S+)"
)
_NAMES: Final = frozenset({"ping", "metrics", "health", "page"})
_ANY_PORT: Final = "127.0.0.1:0"
_LOG_LINES: Final = 20
_GRACE: Final = 10.0
"""Seconds from SIGTERM to SIGKILL."""

_POLL: Final = 0.1


@dataclass(frozen=True, slots=True)
class Files:
    """What the process reads and writes, all in one folder that the caller removes."""

    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """How it logs in. Its path in the command line says whose process it is."""
        return self.folder / "operator.kubeconfig"

    @property
    def log(self) -> Path:
        """Its own log."""
        return self.folder / "operator.log"

    @property
    def event_log(self) -> Path:
        """One line for each check-in."""
        return self.folder / "events.jsonl"

    @property
    def pid(self) -> Path:
        """Its process id, for whoever comes after a demo that was killed."""
        return self.folder / "operator.pid"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The URLs of the operator's listeners."""

    ping: str
    metrics: str
    health: str
    page: str


class OperatorProcess:
    """A running `heartbeats run`."""

    def __init__(self, files: Files, *arguments: str) -> None:
        """Start it; it gets a session of its own, so that ctrl-C is ours alone."""
        self._files = files
        files.event_log.touch(mode=0o600)
        with files.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                command(files, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=environment(os.environ),
                cwd=files.folder,
                start_new_session=True,
            )
        files.pid.write_text(f"{self._process.pid}\n")

    def wait_listening(self, *, within: float) -> Addresses:
        """Return the addresses as soon as all are logged."""
        ends = time.monotonic() + within
        while (found := addresses(self._text())) is None:
            self.check()
            if time.monotonic() > ends:
                raise DemoError(f"The operator does not listen.\n{self.tail()}")
            time.sleep(_POLL)
        return found

    def check(self) -> None:
        """Raise DemoError, with the end of the log, if the process has ended."""
        code = self._process.poll()
        if code is not None:
            raise DemoError(f"The operator has ended ({_ending(code)}).\n{self.tail()}")

    def tail(self) -> str:
        """Return the end of the log."""
        lines = self._text().splitlines()[-_LOG_LINES:]
        return "\n".join(["The end of the operator's log:", *lines])

    def stop(self) -> None:
        """End the process: ask, wait, then kill."""
        self._process.terminate()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_GRACE)
        self._files.pid.unlink(missing_ok=True)

    def _text(self) -> str:
        return self._files.log.read_text(errors="replace")


def stop_leftover(files: Files) -> None:
    """End the process that a killed demo left, if it still runs."""
    stop(read_pid(files.pid), files.folder, _GRACE)
    files.pid.unlink(missing_ok=True)


def command(files: Files, *arguments: str) -> list[str]:
    """Return the command line of an operator in both roles, on free ports."""
    listeners = (f"--{name}-address={_ANY_PORT}" for name in sorted(_NAMES))
    return [
        *(sys.executable, "-m", "heartbeats", "run", "--role=all"),
        *("--kubeconfig", str(files.kubeconfig), "--event-log", str(files.event_log)),
        *(*listeners, *arguments),
    ]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what would change the operator's options."""
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith("HEARTBEATS_")
    }


def addresses(log: str) -> Addresses | None:
    """Read the addresses from a log; None until all four are there."""
    found = {m["name"] or "ping": m["url"] for m in _LISTENING.finditer(log)}
    return Addresses(**found) if found.keys() == _NAMES else None


def _ending(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
