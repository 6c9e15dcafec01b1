"""A correct client, which pings while others misbehave, and a process's memory.

The client opens a new connection for each ping, as curl does.
"""

import threading
import time
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit
from uuid import uuid4

EVERY = 0.2
"""Seconds between pings: half of a monitor's share."""

GIVEN_UP = 15.0
_KIB = 1024


class Answered(NamedTuple):
    """One ping: what came (0 for nothing), after how many seconds, for which run."""

    status: int
    seconds: float
    run_id: str


class Honest:
    """Pings in a thread between `with` and its end, and notes every answer."""

    def __init__(self, service: str, token: str) -> None:
        url = urlsplit(service)
        self._address = (url.hostname or "", url.port or 0)
        self._path = f"/ping/{token}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers: list[Answered] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Ping no more; every answer is noted then."""
        self._over.set()
        self._thread.join()

    @property
    def acknowledged(self) -> set[str]:
        """Return the runs that were reported with success."""
        return {each.run_id for each in self.answers if each.status == HTTPStatus.OK}

    @property
    def statuses(self) -> set[int]:
        """Return all that was answered."""
        return {each.status for each in self.answers}

    @property
    def slowest(self) -> float:
        """Return the longest wait in seconds."""
        return max(each.seconds for each in self.answers)

    def share_within(self, seconds: float) -> float:
        """Return which part of the answers came in that time."""
        good = [each for each in self.answers if each.seconds <= seconds]
        return len(good) / len(self.answers)

    def _run(self) -> None:
        while True:
            began = time.monotonic()
            run_id = str(uuid4())
            status = self._ping(run_id)
            took = time.monotonic() - began
            self.answers.append(Answered(status, took, run_id))
            if self._over.wait(max(EVERY - took, 0)):
                return

    def _ping(self, run_id: str) -> int:
        connection = HTTPConnection(*self._address, timeout=GIVEN_UP)
        try:
            connection.request("GET", f"{self._path}?rid={run_id}")
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has in use."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * _KIB
    raise AssertionError(f"{pid} has ended")
