"""How late deadlines are told: runs of many CronJobs do not appear, at one instant.

Nobody creates Jobs here. It may not judge what it measures.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bench.pings.rig import Rig, Role
from bench.scale.fleet import Fleet, in_parallel, name_of, namespace_of
from bench.scale.outside import histogram, metrics, quantile
from heartbeats.clock import SystemClock
from heartbeats.edges.kube.resources import CRON_JOBS
from support.resources import EVENTS, MONITORS

LIVELY = 5
_SCRAPED_AGAIN_AND_AGAIN = 100
_DOWN = 'state="Down"} 1'


@dataclass
class Deadlines:
    """Lets windows end in a fleet, and waits until that is told everywhere."""

    rig: Rig
    fleet: Fleet
    lives: bool
    """Some Jobs and CronJobs change all the time, as they do where they run."""

    async def pass_at_once(
        self, operator: Role, which: range, what: str
    ) -> dict[str, Any]:
        """Let so many runs not appear, all due at one instant; nobody creates Jobs."""
        count = len(which)
        now = SystemClock().now()
        ahead = timedelta(seconds=45 + count / 100)
        slot = (now + ahead).replace(second=0, microsecond=0) + timedelta(minutes=1)
        schedule = f"{slot.minute} {slot.hour} * * *"

        async def edit(index: int) -> None:
            await self.fleet.client.merge(
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
        living = asyncio.create_task(self.fleet.live(LIVELY if self.lives else 0))
        yield
        living.cancel()
        await asyncio.wait([living])

    async def _missed(
        self, operator: Role, which: range, what: str, slot: datetime
    ) -> dict[str, Any]:
        count = len(which)
        due_at = slot + timedelta(seconds=10)
        before = histogram(operator)
        wait = (due_at - SystemClock().now()).total_seconds()
        await asyncio.sleep(max(wait, 0))
        names = {name_of(index) for index in which}
        shown = await asyncio.to_thread(self._until_shown, operator, names, due_at)
        await asyncio.sleep(3)
        after = histogram(operator)
        found: dict[str, Any] = {
            f"{what}_count": count,
            f"{what}_told": round(after["+Inf"] - before["+Inf"]),
            f"{what}_lag_s_p99_at_most": quantile(before, after, 0.99),
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
            down = {line.split('"')[3] for line in metrics(operator) if _DOWN in line}
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
