"""Runs a command between a start ping and the ping of its exit code.

The pings are beside the job, never before it: nothing that becomes of them changes
its output, its exit code or, by more than the patience given, its end. A ping service
that is dead costs one line on stderr.
"""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from heartbeats.client.child import Child, StartError
from heartbeats.client.courier import Courier, carry
from heartbeats.client.pinger import Outcome
from heartbeats.client.requests import START, PingUrl
from heartbeats.client.streams import Streams

START_SECONDS: Final = 600.0
"""How long a start ping is repeated while the command runs: it costs nothing."""

STDERR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run, and whom to tell."""

    command: Sequence[str]
    url: PingUrl | None
    """None: nobody is told, but the command runs all the same."""
    ping_seconds: float = 10.0
    """How long the pings may hold up the end."""
    with_output: bool = True


class Reports:
    """The two pings of one run."""

    def __init__(self, url: PingUrl, ping_seconds: float) -> None:
        self._url = url
        self._seconds = ping_seconds
        self._run_id = str(uuid4())
        self._began_at = time.monotonic()
        self._start: Courier | None = None

    def start(self) -> None:
        """Send the start ping beside the command."""
        request = self._url.request(START, run_id=self._run_id)
        self._start = Courier(request, START_SECONDS)
        self._start.start()

    def end(self, code: int, output: bytes) -> Outcome:
        """Send the exit code, once the start was answered or is given up."""
        now = time.monotonic()
        request = self._url.request(
            str(code), run_id=self._run_id, seconds=now - self._began_at, body=output
        )
        start = None
        if self._start is not None:
            # The second half is for the end, which matters more.
            start = self._start.last_call(self._seconds / 2)
        left = self._seconds - (time.monotonic() - now)
        end = carry(request, max(left, 0.0))
        return end if start is None or not end.is_recorded else start


def run(plan: Plan) -> int:
    """Run the command; return the exit code to end with."""
    child, streams = Child(), Streams(are_captured=plan.with_output and bool(plan.url))
    streams.start()
    reports = None if plan.url is None else Reports(plan.url, plan.ping_seconds)
    try:
        child.start(plan.command, streams.descriptors)
    except StartError as error:
        streams.started()
        streams.finish(child.is_unwanted)
        say(str(error))
        _end(reports, error.code, str(error).encode() if plan.with_output else b"")
        return error.code
    streams.started()
    if reports is not None:
        reports.start()
    code = child.wait()
    _end(reports, code, streams.finish(child.is_unwanted))
    return code


def _end(reports: Reports | None, code: int, output: bytes) -> None:
    if reports is not None:
        outcome = reports.end(code, output)
        if not outcome.is_recorded:
            say(f"not everything was recorded: {outcome.text}")


def say(text: str) -> None:
    """Write one line to stderr, if that is possible."""
    line = f"heartbeats exec: {text}\n"
    with suppress(OSError):  # a closed stderr must not change the exit code
        os.write(STDERR, line.encode(errors="backslashreplace"))
