"""`make bench-scale`: what the operator role costs, and how fast it is, by size.

A control plane without controllers is filled with CronJobs, three finished Jobs and a
monitor with a full history each. At every size: start to ready and memory, what it
costs while nothing happens, a scrape, what 300 Job events a second cost, and how late
deadlines are told: one, and thousands at one instant. Prints a table, then one JSON.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from bench.pings.rig import Rig, Role, rig
from bench.scale.fleet import (
    KEPT_JOBS,
    Fleet,
    connect,
    in_parallel,
    name_of,
    namespace_of,
)
from heartbeats.clock import SystemClock
from heartbeats.cluster.progress import Progress
from heartbeats.cluster.record import API_ONLY
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.resources import CRON_JOBS
from support.resources import EVENTS, MONITORS

_IDLE_SECONDS = 30.0
_EVENT_SECONDS = 15
_EVENTS_PER_SECOND = 300
_LIVELY = 5
_SCRAPES = 5
_PINGED = 200
_SCRAPED_AGAIN_AND_AGAIN = 100
_DOWN = 'state="Down"} 1'
_LAG = "heartbeat_operator_detection_lag_seconds"
_WRITES = "heartbeat_operator_api_writes_total{"
_REQUESTS = "apiserver_request_total{"


@dataclass
class Scale:
    """One run: the fleet so far, and the figures by size."""

    rig: Rig
    client: Client
    fleet: Fleet
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    lives: bool = False
    """Some Jobs and CronJobs change all the time, as they do where they run."""
    pinged: bool = False
    """There are monitors to ping."""

    async def measure(self, size: int, at_once: int) -> None:
        """Grow to a size, and measure everything there."""
        say = self.rig.progress.line
        fresh = range(self.fleet.size, size)
        """Those of earlier sizes are Down already."""
        one, many = fresh[:1], fresh[1 : at_once + 1]
        say(f"Creating CronJobs, Jobs and monitors up to {size:,} …")
        began = time.monotonic()
        await self.fleet.grow(
            size, lambda index: self.rig.progress.tick(f"{index:,} of {size:,}")
        )
        say(f"They are there after {time.monotonic() - began:.0f} s; warming up …")
        await self._warm_up()
        found: dict[str, Any] = {}
        self.figures[str(size)] = found
        say(f"{size:,}: start")
        began = time.monotonic()
        operator = self.rig.start("operator")
        try:
            found["ready_s"] = round(time.monotonic() - began, 1)
            found["rss_mb_peak"] = round(_peak_mb(operator))
            await self._until_quiet(operator)
            found |= await self._idle(operator)
            found |= _scrapes(operator)
            found |= await self._pings_beside_scrapes(operator)
            found |= await self._job_events(operator)
            say(f"{size:,}: one deadline, then {len(many):,} at one instant")
            found |= await self._deadlines(operator, one, "one")
            found |= await self._deadlines(operator, many, "many")
            found["rss_mb_end"] = round(operator.resident_mb)
        finally:
            operator.stop()
        say(json.dumps(found))

    async def _warm_up(self) -> None:
        """Let an operator without a narrow budget correct what it would correct."""
        operator = self.rig.start("operator", "--api-write-budget", "1000")
        try:
            await self._until_quiet(operator)
        finally:
            operator.stop()

    async def _until_quiet(self, operator: Role) -> None:
        """Return when nothing was written for some seconds."""
        written, quiet = -1.0, 0
        while quiet < 3:
            await asyncio.sleep(3)
            now = _written(operator)
            written, quiet = now, quiet + 1 if now == written else 0
            self.rig.progress.tick(f"{now:,.0f} writes")

    async def _idle(self, operator: Role) -> dict[str, Any]:
        cpu, written = operator.cpu_seconds, _written(operator)
        asked = await self._requests()
        began = time.monotonic()
        await asyncio.sleep(_IDLE_SECONDS)
        took = time.monotonic() - began
        used = operator.cpu_seconds - cpu
        return {
            "rss_mb_idle": round(operator.resident_mb),
            "idle_cpu_percent": round(100 * used / took, 2),
            "idle_writes": _written(operator) - written,
            "idle_requests_per_s": round((await self._requests() - asked) / took, 2),
        }

    async def _requests(self) -> float:
        """Count what the API server has answered to anybody, itself included."""
        text = await self.client.request("GET", "/metrics", accept="text/plain")
        lines = text.decode().splitlines()
        found = (each for each in lines if each.startswith(_REQUESTS))
        return sum(float(each.rpartition(" ")[2]) for each in found)

    async def _pings_beside_scrapes(self, operator: Role) -> dict[str, Any]:
        """Ping one monitor after the other, alone and while somebody scrapes."""
        if not self.pinged:
            self.rig.create_monitors(_PINGED)
            self.pinged = True
        ping = self.rig.start("ping")
        try:
            urls = self.rig.urls(ping, _PINGED)
            await asyncio.sleep(2)
            alone = await asyncio.to_thread(_ping_all, urls)
            beside, _ = await asyncio.gather(
                asyncio.to_thread(_ping_all, urls),
                asyncio.to_thread(_scrapes, operator),
            )
        finally:
            ping.stop()
        return {
            "ping_ms_p99_alone": round(1000 * statistics.quantiles(alone, n=100)[98]),
            "ping_ms_p99_scraped": round(
                1000 * statistics.quantiles(beside, n=100)[98]
            ),
            "ping_ms_most_scraped": round(1000 * max(beside)),
        }

    async def _job_events(self, operator: Role) -> dict[str, Any]:
        cpu, began = operator.cpu_seconds, time.monotonic()
        sent = 0
        for second in range(_EVENT_SECONDS):

            async def touch(number: int, second: int = second) -> None:
                index = (number + second * _EVENTS_PER_SECOND) % self.fleet.size
                await self.fleet.touch_job(index, second % KEPT_JOBS)

            await in_parallel(range(_EVENTS_PER_SECOND), touch)
            sent += _EVENTS_PER_SECOND
            await asyncio.sleep(max(0.0, began + second + 1 - time.monotonic()))
        await asyncio.sleep(1)
        took, used = time.monotonic() - began, operator.cpu_seconds - cpu
        return {
            "job_events_per_s": round(sent / took),
            "us_per_job_event": round(1e6 * used / sent),
            "job_events_cpu_percent": round(100 * used / took, 1),
        }

    async def _deadlines(
        self, operator: Role, which: range, what: str
    ) -> dict[str, Any]:
        """Let so many runs not appear, all due at one instant; nobody creates Jobs."""
        count = len(which)
        now = SystemClock().now()
        ahead = timedelta(seconds=45 + count / 100)
        slot = (now + ahead).replace(second=0, microsecond=0) + timedelta(minutes=1)
        schedule = f"{slot.minute} {slot.hour} * * *"

        async def edit(index: int) -> None:
            await self.client.merge(
                CRON_JOBS,
                name_of(index),
                {"spec": {"schedule": schedule}},
                namespace=namespace_of(index),
            )

        await in_parallel(which, edit)
        async with self._living():
            return await self._missed(operator, which, what, slot)

    @asynccontextmanager
    async def _living(self) -> AsyncIterator[None]:
        """Let things happen meanwhile, if the fleet is to live."""
        living = asyncio.create_task(self.fleet.live(_LIVELY if self.lives else 0))
        yield
        living.cancel()
        await asyncio.wait([living])

    async def _missed(
        self, operator: Role, which: range, what: str, slot: datetime
    ) -> dict[str, Any]:
        count = len(which)
        due_at = slot + timedelta(seconds=10)
        before = _histogram(operator)
        wait = (due_at - SystemClock().now()).total_seconds()
        await asyncio.sleep(max(wait, 0))
        names = {name_of(index) for index in which}
        shown = await asyncio.to_thread(self._until_shown, operator, names, due_at)
        await asyncio.sleep(3)
        after = _histogram(operator)
        found: dict[str, Any] = {
            f"{what}_count": count,
            f"{what}_told": round(after["+Inf"] - before["+Inf"]),
            f"{what}_lag_s_p99_at_most": _quantile(before, after, 0.99),
            f"{what}_scraped_s": shown,
        }
        deadline = time.monotonic() + 60 + count / 15
        while time.monotonic() < deadline:
            down, told = await asyncio.to_thread(self._told, names)
            self.rig.progress.tick(f"{down:,} statuses Down, {told:,} Events")
            since = (SystemClock().now() - due_at).total_seconds()
            if down >= count:
                found.setdefault(f"{what}_all_statuses_s", round(since, 1))
            if told >= count:
                found.setdefault(f"{what}_all_events_s", round(since, 1))
            if down >= count and told >= count:
                break
            await asyncio.sleep(1)
        return found

    def _until_shown(
        self, operator: Role, names: set[str], due_at: datetime
    ) -> float | str:
        """Scrape until all are Down there; how long after their deadline that was.

        Only in small clusters: elsewhere a scrape takes as long as what it shows.
        """
        if self.fleet.size > _SCRAPED_AGAIN_AND_AGAIN:
            return ""
        while True:
            down = {line.split('"')[3] for line in _metrics(operator) if _DOWN in line}
            since = (SystemClock().now() - due_at).total_seconds()
            if names <= down or since > 30:
                return round(since, 2)

    def _told(self, names: set[str]) -> tuple[int, int]:
        """Count those whose status says Down, and the Events that say so of them."""
        monitors = self.rig.kube.items(MONITORS)
        down = sum(
            each["metadata"]["name"] in names
            and each.get("status", {}).get("state") == "Down"
            for each in monitors
        )
        if down < len(names):
            return down, 0
        events = self.rig.kube.items(EVENTS)
        about = {
            each["regarding"]["name"]
            for each in events
            if each["reason"] == "RunMissed"
        }
        return down, len(about & names)


def _metrics(operator: Role) -> list[str]:
    with urlopen(f"{operator.urls['metrics']}/metrics", timeout=60) as answer:  # noqa: S310
        found: list[str] = answer.read().decode().splitlines()
    return found


def _written(operator: Role) -> float:
    """Count the writes but those of Leases."""
    lines = (each for each in _metrics(operator) if each.startswith(_WRITES))
    others = (each for each in lines if 'resource="leases"' not in each)
    return sum(float(each.rpartition(" ")[2]) for each in others)


def _peak_mb(operator: Role) -> float:
    text = Path(f"/proc/{operator.process.pid}/status").read_text()
    [line] = [each for each in text.splitlines() if each.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


def _histogram(operator: Role) -> dict[str, float]:
    lines = _metrics(operator)
    buckets = (line for line in lines if line.startswith(f"{_LAG}_bucket"))
    return {
        line.split('le="')[1].split('"')[0]: float(line.rpartition(" ")[2])
        for line in buckets
    }


def _quantile(before: dict[str, float], after: dict[str, float], q: float) -> str:
    """Return the bound of the bucket that holds a quantile."""
    total = after["+Inf"] - before["+Inf"]
    for bound, count in after.items():
        if total and count - before[bound] >= q * total:
            return bound
    return "none"


def _ping_all(urls: list[str]) -> list[float]:
    """Return how long each ping took, in seconds; they last some seconds together."""
    spans: list[float] = []
    for url in urls:
        began = time.monotonic()
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
            answer.read()
        spans.append(time.monotonic() - began)
        time.sleep(0.03)
    return spans


def _scrapes(operator: Role) -> dict[str, Any]:
    spans, size, lines = [], 0, 0
    for _ in range(_SCRAPES):
        began = time.monotonic()
        with urlopen(f"{operator.urls['metrics']}/metrics", timeout=60) as answer:  # noqa: S310
            text = answer.read()
        spans.append(time.monotonic() - began)
        size, lines = len(text), text.count(b"\n")
        time.sleep(1)
    return {
        "scrape_ms_median": round(1000 * statistics.median(spans)),
        "scrape_mb": round(size / 1e6, 1),
        "scrape_lines": lines,
    }


async def _run(told: argparse.Namespace, ready: Rig) -> dict[str, Any]:
    async with connect(ready.admin) as client:
        fleet = Fleet(client, SystemClock().now())
        await fleet.namespaces()
        scale = Scale(ready, client, fleet, lives=told.living)
        for size in told.sizes.split(","):
            await scale.measure(int(size), told.at_once)
    return scale.figures


def _print(figures: dict[str, dict[str, Any]]) -> None:
    names = dict.fromkeys(name for each in figures.values() for name in each)
    print("| | " + " | ".join(f"{int(size):,}" for size in figures) + " |")  # noqa: T201
    print("|---" * (len(figures) + 1) + "|")  # noqa: T201
    for name in names:
        cells = " | ".join(str(each.get(name, "")) for each in figures.values())
        print(f"| {name} | {cells} |")  # noqa: T201 - the table
    print(json.dumps(figures))  # noqa: T201 - the last line


def main() -> int:
    """Read the command line, measure, and tell."""
    parser = argparse.ArgumentParser(prog="make bench-scale", description=__doc__)
    parser.add_argument("--sizes", default="50,1000,5000,10000")
    parser.add_argument("--at-once", type=int, default=5000)
    parser.add_argument(
        "--living",
        action="store_true",
        help=f"let {_LIVELY} Jobs and CronJobs a second change while deadlines pass",
    )
    told = parser.parse_args()
    progress = Progress(sys.stderr)
    with (
        tempfile.TemporaryDirectory() as folder,
        rig(Path(folder), progress, components=API_ONLY) as ready,
    ):
        _print(asyncio.run(_run(told, ready)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
