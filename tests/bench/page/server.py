"""The status page over a real ledger, in a process of its own that watches its loop.

It prints where it listens; every line on standard input is answered with one JSON
object of what happened since the line before: the longest time that one callback held
the loop, and the CPU time of all.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from asyncio import events
from collections.abc import Callable
from datetime import timedelta
from itertools import cycle

from heartbeats.app.process import NEW_OBJECTS_PER_COLLECTION
from heartbeats.clock import SystemClock
from heartbeats.config import Address
from heartbeats.core.model import (
    CheckIn,
    Incident,
    Judged,
    Kind,
    MonitorKey,
    Reason,
    Source,
    Spec,
    State,
    Uid,
)
from heartbeats.core.policy import Defaults
from heartbeats.core.silence import Missed
from heartbeats.edges.listener import Listener
from heartbeats.edges.page.site import StatusPage
from heartbeats.ledger import Entry, Ledger, Sighting
from support.ledgers import MemoryRuns
from support.pages import runs

DAY = timedelta(hours=24)
NAMESPACES = 40
DOWN_OF = 100
"""One of so many monitors is Down."""


class Audience:
    """Passes on what the page needs to hear."""

    mark: Callable[[MonitorKey], None] = staticmethod(lambda _key: None)

    def changed(self, entry: Entry, *, urgent: bool) -> None:
        del urgent
        self.mark(entry.key)

    def lost(self, entry: Entry) -> None:
        self.mark(entry.key)

    def checked_in(self, entry: Entry, check_in: CheckIn) -> None: ...

    def missed(self, entry: Entry, missed: Missed) -> None: ...

    def failed(self, entry: Entry, error: Exception) -> None:
        raise AssertionError(f"{entry.key} cannot be judged") from error


class Gauge:
    """Measures the CPU time that single callbacks of the loop take."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._began = time.process_time()
        plain = events.Handle._run

        def measured(handle: events.Handle) -> None:
            before = time.thread_time()
            plain(handle)  # type: ignore[arg-type]
            self._longest = max(self._longest, time.thread_time() - before)

        events.Handle._run = measured  # type: ignore[method-assign]

    def read(self) -> dict[str, float]:
        """Return what was measured, and begin anew."""
        began, self._began = self._began, time.process_time()
        longest, self._longest = self._longest, 0.0
        return {"longest_ms": 1000 * longest, "cpu_s": self._began - began}


def sighting(number: int, clock: SystemClock) -> Sighting:
    """Return a daily ping with ten runs of history, as the API server holds it."""
    now = clock.now()
    left = timedelta(minutes=1 + number % 1400)
    is_down = number % DOWN_OF == 0
    said = "Due an hour ago, and no ping came within the grace period of 5 minutes."
    state = State(
        changed_at=now - DAY,
        armed_at=now - 30 * DAY,
        judged=Judged(interval=DAY, skips_while_running=True),
        last_success_at=now - DAY + left,
        next_expected_at=now + left,
        history=runs("-+++++++++" if is_down else "++++++-+++", now=now),
        incident=Incident(opened_at=now - left, reason=Reason.RUN_MISSED, message=said)
        if is_down
        else None,
    )
    return Sighting(
        key=MonitorKey(f"team-{number % NAMESPACES:02}", f"nightly-job-{number:05}"),
        uid=Uid(f"uid-{number}"),
        generation=1,
        resource_version=str(number + 1),
        spec=Spec(
            source=Source.PING, interval=DAY, owner=f"team-{number % NAMESPACES}"
        ),
        state=state,
        created_at=now - 30 * DAY,
    )


async def _ping(ledger: Ledger, clock: SystemClock, a_second: int) -> None:
    """Let monitors check in, one after the other."""
    for number in cycle(range(len(ledger))):
        now = clock.now()
        check_in = CheckIn(id=str(time.monotonic()), kind=Kind.SUCCESS, at=now)
        ledger.check_in(Uid(f"uid-{number}"), check_in, now=now)
        await asyncio.sleep(1 / a_second)


async def serve(monitors: int) -> None:
    """Serve until standard input ends; `N` on it lets N monitors a second check in."""
    clock, audience = SystemClock(), Audience()
    ledger = Ledger(MemoryRuns(), audience, Defaults())
    for number in range(monitors):
        ledger.see_monitor(sighting(number, clock), now=clock.now())
    ledger.open(now=clock.now())
    page = StatusPage(ledger, clock)
    audience.mark = page.mark  # type: ignore[method-assign]
    gc.set_threshold(NEW_OBJECTS_PER_COLLECTION, 20, 20)
    gc.collect()
    gauge = Gauge()
    async with Listener(page.application(), Address("127.0.0.1", 0)) as listener:
        print(listener.url, flush=True)  # noqa: T201 - for whoever started it
        pinging = None
        while line := await asyncio.to_thread(sys.stdin.readline):
            if pinging is not None:
                pinging.cancel()
            if line.strip():
                pinging = asyncio.create_task(_ping(ledger, clock, int(line)))
            print(json.dumps(gauge.read()), flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--monitors", type=int, required=True)
    asyncio.run(serve(parser.parse_args().monitors))
