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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.pings.rig import Rig, Role, rig
from bench.scale.deadlines import LIVELY, Deadlines
from bench.scale.fleet import KEPT_JOBS, Fleet, connect, in_parallel
from bench.scale.outside import peak_mb, ping_all, scrapes, writes_of
from heartbeats.clock import SystemClock
from heartbeats.cluster.progress import Progress
from heartbeats.cluster.record import API_ONLY
from heartbeats.edges.kube.client import Client

_IDLE_SECONDS = 30.0
_EVENT_SECONDS = 15
_EVENTS_PER_SECOND = 300
_PINGED = 200
_REQUESTS = "apiserver_request_total{"


@dataclass
class Scale:
    """One run: the fleet so far, and the figures by size."""

    rig: Rig
    client: Client
    fleet: Fleet
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    lives: bool = False
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
            found["rss_mb_peak"] = round(peak_mb(operator))
            await self._until_quiet(operator)
            found |= await self._idle(operator)
            found |= scrapes(operator)
            found |= await self._pings_beside_scrapes(operator)
            found |= await self._job_events(operator)
            say(f"{size:,}: one deadline, then {len(many):,} at one instant")
            deadlines = Deadlines(self.rig, self.fleet, self.lives)
            found |= await deadlines.pass_at_once(operator, one, "one")
            found |= await deadlines.pass_at_once(operator, many, "many")
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
            now = writes_of(operator)
            written, quiet = now, quiet + 1 if now == written else 0
            self.rig.progress.tick(f"{now:,.0f} writes")

    async def _idle(self, operator: Role) -> dict[str, Any]:
        cpu, written = operator.cpu_seconds, writes_of(operator)
        asked = await self._requests()
        began = time.monotonic()
        await asyncio.sleep(_IDLE_SECONDS)
        took = time.monotonic() - began
        used = operator.cpu_seconds - cpu
        return {
            "rss_mb_idle": round(operator.resident_mb),
            "idle_cpu_percent": round(100 * used / took, 2),
            "idle_writes": writes_of(operator) - written,
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
            alone = await asyncio.to_thread(ping_all, urls)
            beside, _ = await asyncio.gather(
                asyncio.to_thread(ping_all, urls),
                asyncio.to_thread(scrapes, operator),
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
        help=f"let {LIVELY} Jobs and CronJobs a second change while deadlines pass",
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
