"""`make bench-month`: both roles for a month of simulated time: nothing grows.

The whole process runs, with its listeners, against an API server in the same event
loop, whose time jumps from one event to the next. An hour's runs and pings, failures,
missed runs, broken watches, expired histories and lost Leases happen all the time.
Each simulated day the memory, the file descriptors and the tasks are counted; they
must be at the end what they were after the first days. Prints a table, then one JSON;
the exit code is 1 when something grew. Only kopf is played: its thread has real time.
"""

import argparse
import asyncio
import base64
import gc
import json
import logging
import os
import random
import statistics
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import looptime

from bench.month.api import MonthApi
from bench.month.life import NAMESPACE, Life
from bench.month.watcher import MonitorEvent, Watcher
from heartbeats.app import process, watching
from heartbeats.app.process import Process
from heartbeats.cluster.progress import Progress
from heartbeats.config import Address, Config, Role
from heartbeats.core.model import MonitorKey
from heartbeats.core.tokens import Key, mint
from heartbeats.edges.kube.candidacy import LEASE
from heartbeats.edges.kube.credentials import Credentials

_START = datetime(2026, 11, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_ANY = Address("127.0.0.1", 0)
_HOME = "heartbeats-system"
_WARM_DAYS = 3
_FLAT = ("rss_mb", "objects", "tasks", "descriptors")
_SLACK = 1.05
"""By how much a figure's last days may exceed those after the warm-up: days end with
one connection more or less."""


class LoopClock:
    """Tells the simulated time."""

    def now(self) -> datetime:
        """Return this instant of the month."""
        return _START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the seconds since it began."""
        return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds at the end of a day."""

    day: int
    rss_mb: float
    objects: int
    tasks: int
    descriptors: int
    threads: int
    runs: int
    writes: int

    @classmethod
    def take(cls, day: int, life: Life) -> "Sample":
        """Count everything, after a full collection."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            day=day,
            rss_mb=round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1),
            objects=len(gc.get_objects()),
            tasks=len(asyncio.all_tasks()),
            descriptors=len(list(Path("/proc/self/fd").iterdir())),
            threads=threading.active_count(),
            runs=life.runs,
            writes=life.api.writes,
        )


@dataclass
class Month:
    """One process, the cluster around it, and those who ping and scrape."""

    life: Life
    clock: LoopClock
    session: aiohttp.ClientSession
    urls: dict[str, str]
    dice: random.Random
    refused: int = 0

    async def day(self) -> None:
        """Let a day pass, minute by minute."""
        ends_at = self.clock.now() + _DAY
        troubles = {self.dice.randrange(1440): each for each in _TROUBLES}
        for minute in range(1440):
            now = self.clock.now()
            self.life.minute(now)
            for name, signal in self.life.pings(now):
                await self._ping(name, signal)
            if minute % 5 == 0:
                await self._read("metrics", "/metrics")
            if minute % 60 == 0:
                await self._read("page", "/")
                await self._read("health", "/readyz")
            if (trouble := troubles.get(minute)) is not None:
                await trouble(self)
            left = ends_at - timedelta(minutes=1439 - minute) - self.clock.now()
            await asyncio.sleep(max(0.0, left.total_seconds()))

    async def _ping(self, name: str, signal: str) -> None:
        url = f"{self.urls['ping']}/ping/{self._token(name)}{signal}"
        async with self.session.get(url) as answer:
            await answer.read()
            self.refused += answer.status != 200

    def _token(self, name: str) -> str:
        secret = self.life.api._objects["secrets", _HOME, "heartbeats-ping-key"]
        key = Key.of(base64.b64decode(secret["data"]["current"]))
        return mint(key, MonitorKey(NAMESPACE, name), 1)

    async def _read(self, listener: str, path: str) -> None:
        with suppress(aiohttp.ClientError):
            async with self.session.get(self.urls[listener] + path) as answer:
                await answer.read()

    async def replaced(self) -> None:
        """Let users delete and create."""
        self.life.replace_one(self.clock.now())

    async def cut(self) -> None:
        """Break all watches."""
        self.life.api.cut()

    async def expired(self) -> None:
        """Break all watches, and forget what they would have told."""
        self.life.api.elsewhere()
        self.life.api.compact()
        self.life.api.cut()

    async def deposed(self) -> None:
        """Let another replica lead for some seconds."""
        spec = {"holderIdentity": "another", "leaseDurationSeconds": 15}
        self.life.api.store("leases", _HOME, LEASE, {"spec": spec})
        await asyncio.sleep(20)


_TROUBLES = (Month.replaced, Month.cut, Month.expired, Month.deposed)


class Said(logging.Handler):
    """Hears where the listeners are, and counts what went wrong."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.urls: dict[str, str] = {}
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        text = record.getMessage()
        if text.startswith("Pings are answered on "):
            self.urls["ping"] = text.rpartition(" ")[2]
        elif " listener is at " in text:
            self.urls[text.split()[1]] = text.rpartition(" ")[2]
        if record.levelno >= logging.ERROR:
            self.errors.append(text)


@asynccontextmanager
async def working(clock: LoopClock, life: Life, said: Said) -> AsyncIterator[None]:
    """Run the process until the end of the block."""
    await life.api.start()
    life.begin()
    config = Config(
        role=Role.ALL,
        ping_secrets=False,
        ping_address=_ANY,
        metrics_address=_ANY,
        health_address=_ANY,
        page_address=_ANY,
    )
    credentials = Credentials(server=life.api.url)

    def watcher(_: Credentials, on_event: MonitorEvent, **_more: Any) -> Watcher:
        return Watcher(life.api, on_event, clock)

    made = Process(config, {}, clock)
    with (
        mock.patch.object(process, "find_credentials", return_value=credentials),
        mock.patch.object(watching, "KopfThread", watcher),
    ):
        task = asyncio.create_task(made.run())
        try:
            while "page" not in said.urls or not _leads(made):
                await asyncio.sleep(1)
                assert not task.done(), task.exception()
            yield
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.wait([task])
            await life.api.stop()


def _leads(made: Process) -> bool:
    return made._operator is not None and made._operator.leading.problem() is None


async def _live(
    told: argparse.Namespace, progress: Progress
) -> tuple[list[Sample], int]:
    clock, said = LoopClock(), Said()
    logging.getLogger().addHandler(said)
    logging.getLogger("heartbeats").setLevel(logging.INFO)
    dice = random.Random(told.seed)  # noqa: S311 - when things fail is no secret
    life = Life(MonthApi(clock.now), told.cron_jobs, told.pinged, dice)
    samples: list[Sample] = []
    async with working(clock, life, said), aiohttp.ClientSession() as session:
        month = Month(life, clock, session, said.urls, dice)
        began = time.monotonic()
        for day in range(1, told.days + 1):
            await month.day()
            samples.append(Sample.take(day, life))
            spent = time.monotonic() - began
            progress.line(f"day {day}, {spent:.0f} s: {_words(samples[-1])}")
    for error in said.errors:
        progress.line(f"error: {error}")
    return samples, month.refused


def _words(sample: Sample) -> str:
    found = asdict(sample)
    return ", ".join(f"{each.name} {found[each.name]}" for each in fields(sample)[1:])


def _grown(samples: list[Sample]) -> dict[str, float]:
    """Return by figure by how much the last days exceed those after the warm-up."""
    span = max(1, (len(samples) - _WARM_DAYS) // 4)
    early = samples[_WARM_DAYS : _WARM_DAYS + span] or samples[:1]
    late = samples[-span:]
    found: dict[str, float] = {}
    for name in _FLAT:
        before, after = (
            statistics.mean(getattr(each, name) for each in days)
            for days in (early, late)
        )
        found[name] = round(after / before, 3)
    return found


def main() -> int:
    """Read the command line, live, and tell."""
    parser = argparse.ArgumentParser(prog="make bench-month", description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--cron-jobs", type=int, default=30)
    parser.add_argument("--pinged", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    progress = Progress(sys.stderr)
    with closing(looptime.new_event_loop(start=0.0, noop_cycles=4)) as loop:
        asyncio.set_event_loop(loop)
        samples, refused = loop.run_until_complete(_live(told, progress))
    grown = _grown(samples)
    figures = {
        "days": told.days,
        "runs": samples[-1].runs,
        "refused": refused,
        "rss_mb_first": samples[0].rss_mb,
        "rss_mb_last": samples[-1].rss_mb,
        "last_days_to_first": grown,
    }
    print(json.dumps(figures))  # noqa: T201 - the last line
    return int(any(each > _SLACK for each in grown.values()))


if __name__ == "__main__":
    sys.exit(main())
