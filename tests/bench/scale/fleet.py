"""A cluster full of CronJobs, each with finished Jobs and a monitor with a history.

Written by this process, not by controllers: there are none. The histories are made by
the core itself, so that an operator which starts finds nothing to correct.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from heartbeats.clock import SystemClock
from heartbeats.core.model import (
    CheckIn,
    CronJobFacts,
    Kind,
    Source,
    Spec,
    State,
    Uid,
)
from heartbeats.core.policy import Surroundings, resolve
from heartbeats.core.status import to_status
from heartbeats.core.transitions import Subject, apply, arm
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import open_session
from heartbeats.edges.kube.kubeconfig import find_credentials
from heartbeats.edges.kube.resources import (
    CRON_JOBS,
    JOBS,
    MONITORS,
    NAMESPACES,
    Resource,
)
from support.resources import Object
from support.workloads import complete, cron_job, cron_job_monitor, run_of

NAMESPACES_USED = 20
KEPT_JOBS = 3
HISTORY = 10
_WRITERS = 24
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


def namespace_of(index: int) -> str:
    """Name the namespace of a CronJob by its number."""
    return f"fleet-{index % NAMESPACES_USED:02}"


def name_of(index: int) -> str:
    """Name a CronJob, and its monitor, by its number."""
    return f"nightly-{index:05}"


@asynccontextmanager
async def connect(kubeconfig: Path) -> AsyncIterator[Client]:
    """Yield a client that acts as a kubeconfig's user."""
    clock = SystemClock()
    credentials = find_credentials(environ={}, clock=clock, kubeconfig=str(kubeconfig))
    async with await open_session(credentials) as session:
        yield Client(session, clock=clock)


async def in_parallel(
    numbers: range, work: Callable[[int], Coroutine[Any, Any, object]]
) -> None:
    """Do something for each number, some of them at once."""
    left = iter(numbers)

    async def worker() -> None:
        for number in left:
            await work(number)

    await asyncio.gather(*(worker() for _ in range(_WRITERS)))


@dataclass
class Fleet:
    """What was created so far; due half a day from now, so that nothing happens."""

    client: Client
    began_at: datetime
    size: int = 0

    async def namespaces(self) -> None:
        """Create the namespaces that everything lives in."""
        for index in range(NAMESPACES_USED):
            meta = {"metadata": {"name": namespace_of(index)}}
            await self.client.create(NAMESPACES, {"apiVersion": "v1", **meta})

    async def grow(self, size: int, on_created: Callable[[int], None]) -> None:
        """Create CronJobs, Jobs and monitors until there are so many CronJobs."""

        async def create(index: int) -> None:
            await self._create(index)
            on_created(index)

        await in_parallel(range(self.size, size), create)
        self.size = size

    async def touch_job(self, index: int, number: int) -> None:
        """Change one of a CronJob's Jobs, by something that nobody reads."""
        await self._touch(JOBS, f"{name_of(index)}-{number}", index)

    async def live(self, per_second: int) -> None:
        """Change so many Jobs and CronJobs a second, one after the other; until 0."""
        index = 0
        while per_second:
            await self.touch_job(index, 0)
            await self._touch(CRON_JOBS, name_of(index), index)
            index = (index + 1) % self.size
            await asyncio.sleep(1 / per_second)

    async def _touch(self, resource: Resource, name: str, index: int) -> None:
        meta = {"annotations": {"touched": str(self.client.clock.monotonic())}}
        await self.client.merge(
            resource, name, {"metadata": meta}, namespace=namespace_of(index)
        )

    async def _create(self, index: int) -> None:
        namespace, name = namespace_of(index), name_of(index)
        hour = (self.began_at.hour + 12) % 24
        schedule = f"{index % 60} {hour} * * *"
        wanted = cron_job(namespace, name, schedule=schedule, timeZone="UTC")
        stored = await self._post(CRON_JOBS, wanted)
        slots = self._slots(index, hour)
        uids = [
            await self._finished_job(stored, name, slot, number)
            for number, slot in enumerate(slots[-KEPT_JOBS:])
        ]
        await self.client.merge(
            CRON_JOBS,
            name,
            {
                "status": {
                    "lastScheduleTime": _text(slots[-1]),
                    "lastSuccessfulTime": _text(slots[-1] + _MINUTE),
                }
            },
            namespace=namespace,
            subresource="status",
        )
        monitor = cron_job_monitor(namespace, name, name, gracePeriod="10s")
        held = await self._post(MONITORS, monitor)
        status = _status(held, stored, slots, uids, self.began_at)
        await self.client.merge(
            MONITORS,
            name,
            {"status": status},
            namespace=namespace,
            subresource="status",
        )

    def _slots(self, index: int, hour: int) -> list[datetime]:
        first = self.began_at.replace(
            hour=hour, minute=index % 60, second=0, microsecond=0
        )
        newest = first if first <= self.began_at else first - _DAY
        return [newest - _DAY * back for back in reversed(range(HISTORY))]

    async def _finished_job(
        self, owner: Object, name: str, slot: datetime, number: int
    ) -> str:
        job = run_of(owner, f"{name}-{number}", _text(slot), managedBy="example.com/us")
        stored = await self._post(JOBS, job)
        ended = complete(_text(slot), _text(slot + _MINUTE))
        await self.client.merge(
            JOBS,
            stored["metadata"]["name"],
            {"status": ended},
            namespace=stored["metadata"]["namespace"],
            subresource="status",
        )
        return str(stored["metadata"]["uid"])

    async def _post(self, resource: Any, body: Object) -> Object:
        namespace = body["metadata"]["namespace"]
        answer = await self.client.create(resource, body, namespace=namespace)
        found: Object = msgspec.json.decode(answer)
        return found


def _status(
    monitor: Object,
    owner: Object,
    slots: list[datetime],
    uids: list[str],
    now: datetime,
) -> dict[str, Any]:
    """Return the status that an operator would have written by now."""
    facts = CronJobFacts(
        uid=Uid(owner["metadata"]["uid"]),
        name=owner["metadata"]["name"],
        namespace=owner["metadata"]["namespace"],
        schedule=owner["spec"]["schedule"],
        time_zone=owner["spec"]["timeZone"],
        generation=1,
        created_at=slots[0] - _DAY,
        last_schedule_at=slots[-1],
        last_success_at=slots[-1] + _MINUTE,
    )
    grace = timedelta(seconds=10)
    spec = Spec(source=Source.CRON_JOB, cron_job_name=facts.name, grace=grace)
    armed_at = slots[0] - timedelta(hours=1)
    policy, trouble = resolve(spec, Surroundings(cron_job=facts), now=armed_at)
    uid = Uid(monitor["metadata"]["uid"])
    subject = Subject.of(uid, policy, trouble, facts)
    state = arm(State(), subject, trouble, now=armed_at)
    gone = [f"gone-{number}" for number in range(len(slots) - len(uids))]
    for slot, run_id in zip(slots, [*gone, *uids], strict=True):
        state = apply(state, subject, _success(facts.name, slot, run_id)).state
    state = replace(state, pending_flips=())
    return to_status(state, policy, subject.table, generation=1, now=now)


def _success(name: str, slot: datetime, run_id: str) -> CheckIn:
    return CheckIn(
        id=f"{run_id}-success",
        kind=Kind.SUCCESS,
        at=slot + _MINUTE,
        run_id=run_id,
        slot_at=slot,
        started_at=slot,
        duration=_MINUTE,
        source=f"Job {name}",
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
