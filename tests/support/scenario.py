"""Days of a monitor's life in seconds: a real API server, and a clock that is turned.

No controller runs. A test writes CronJobs, Jobs, pods and Events as the controllers
would, and turns the one clock by which the operator judges and by which the Date
header corrects it. The operator works in the test's event loop, so everything that
blocks is asked for in a thread. Expectations are not in here.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from heartbeats.app.operator import OperatorRole
from heartbeats.app.ping import PingRole
from heartbeats.config import Address, Config
from heartbeats.edges.kube.credentials import open_session
from heartbeats.edges.kube.kubeconfig import find_credentials
from heartbeats.edges.metrics.monitors import Options, monitor_series
from heartbeats.edges.metrics.operator import OperatorMetrics
from support.control_plane import SYSTEM
from support.kube import Kube, RefusedError, wait_until
from support.operators import ping_url
from support.resources import (
    CONFIG_MAPS,
    CRON_JOBS,
    EVENTS,
    JOBS,
    LEASES,
    MONITORS,
    PODS,
    Object,
    Resource,
)
from support.turned_clock import TurnedClock
from support.workloads import has_said

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds for what the operator does at once; a busy machine may need some."""

PRESENT = "heartbeats-ping-scenario"
"""The Lease by which a scenario says that pings could be heard."""


def at(text: str) -> datetime:
    """Read an instant in UTC: at("2026-03-02 10:00")."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def text(instant: datetime) -> str:
    """Write an instant as Kubernetes does, to the second."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


async def until(holds: Callable[[], object]) -> None:
    """Return as soon as something is so; TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - a fact of the same process, no event
            await asyncio.sleep(0.005)


class Scenario:
    """One namespace, one clock, one operator that can be stopped and started."""

    def __init__(
        self, kube: Kube, namespace: str, accounts: dict[str, Path], folder: Path
    ) -> None:
        self.kube, self.namespace = kube, namespace
        self.clock = TurnedClock()
        self.heard = True
        """Whether a ping replica is there while the clock is turned."""
        self._accounts, self._events = accounts, folder / "events.jsonl"
        self._since: datetime | None = None
        self._running = AsyncExitStack()
        self.role: OperatorRole | None = None
        self.metrics = OperatorMetrics("test")
        self.public_url = "http://127.0.0.1:1"

    # The operator's life

    async def start(self, when: datetime | None = None) -> None:
        """Start an operator at an instant; returns when it judges."""
        if when is not None:
            self.clock.turn_to(when)
        self.metrics = OperatorMetrics("test")
        credentials = find_credentials(
            environ={},
            clock=self.clock,
            kubeconfig=str(self._accounts["heartbeats-operator"]),
        )
        session = await open_session(credentials)
        await self._running.enter_async_context(session)
        role = OperatorRole(
            Config(event_log=self._events),
            credentials,
            session,
            self.clock,
            self.metrics,
            self.public_url,
        )
        self.role = role
        await self._running.enter_async_context(running(role.run()))
        await until(lambda: role.problem() is None)

    async def stop(self) -> None:
        """Stop the operator and the ping service at once."""
        running_, self._running = self._running, AsyncExitStack()
        self.role = None
        await running_.aclose()

    async def serve_pings(self) -> PingRole:
        """Start the ping service; to be done before the operator starts."""
        credentials = find_credentials(
            environ={},
            clock=self.clock,
            kubeconfig=str(self._accounts["heartbeats-ping"]),
        )
        session = await open_session(credentials)
        await self._running.enter_async_context(session)
        config = Config(ping_address=Address("127.0.0.1", 0))
        role = PingRole(config, session, self.clock, self.metrics)
        # It would prove its presence by the second, and a scenario leaps over hours.
        role._attendance = _Absent()  # type: ignore[assignment]
        listening: asyncio.Future[str] = asyncio.Future()
        await self._running.enter_async_context(
            running(role.run(listening.set_result))
        )
        self.public_url = await listening
        await until(lambda: role.problem() is None)
        return role

    # Time

    async def turn_to(self, when: datetime) -> None:
        """Let time leap to an instant; returns when all it leads to is stored."""
        if self.heard and self._since is not None:
            await self.attend(self._since, when)
        self.clock.turn_to(when)
        await self.settle()

    async def attend(self, since: datetime, until_: datetime) -> None:
        """Write the Lease of a ping replica that was there all this time."""
        self._since = since
        await self.ask(self.kube.apply, lease(PRESENT, since, until_))

    async def settle(self) -> None:
        """Return when the operator has heard, judged and stored all there is."""
        role = self.role
        if role is None:
            return
        for stream in role.streams:
            await stream.confirm(within=timedelta(seconds=PATIENCE))
        await role.jobs.settled()
        for _ in range(2):  # the first turn may have begun before the clock moved
            last = role.watchdog.last_turn
            role.watchdog.wake()
            await until(lambda last=last: role.watchdog.last_turn != last)  # type: ignore[misc]
        await until(lambda: not role.writer.backlog)

    # What a test does and sees

    async def ask(self, function: Callable[..., T], *arguments: Any, **more: Any) -> T:
        """Call what blocks while the operator goes on."""
        return await asyncio.to_thread(function, *arguments, **more)

    async def create(self, manifest: Object) -> Object:
        """Create an object; returns it as stored."""
        return await self.ask(self.kube.create, manifest)

    async def monitored(self, cron_job: Object, word: str = "New") -> Object:
        """Create a CronJob; returns it when its monitor has said its first word."""
        stored = await self.create(cron_job)
        await self.said(f"{stored['metadata']['name']}-cronjob", word)
        return stored

    async def said(self, name: str, word: str) -> Object:
        """Return a monitor's status once it says this word and has told all."""
        found = await self.seen(name, has_said(word))
        status: Object = found["status"]
        return status

    async def seen(
        self, name: str, predicate: Callable[[Object | None], bool]
    ) -> Object:
        """Return a monitor as soon as the predicate holds for it."""
        found = await self.ask(
            wait_until,
            self.kube,
            MONITORS,
            self.namespace,
            name,
            predicate,
            timeout=PATIENCE,
        )
        assert found is not None
        return found

    async def status(self, name: str) -> Object:
        """Return a monitor's status as it is stored now."""
        found = await self.ask(self.kube.get, MONITORS, self.namespace, name)
        status: Object = found["status"]
        return status

    async def events(self, name: str) -> list[Object]:
        """Return the Events about a monitor, oldest first."""
        found = await self.ask(self.kube.items, EVENTS, self.namespace)
        about = [each for each in found if each["regarding"].get("name") == name]
        return sorted(about, key=lambda each: str(each["eventTime"]))

    def lines(self, name: str) -> list[Object]:
        """Return the event log's lines about a monitor."""
        if not self._events.exists():
            return []
        lines = map(json.loads, self._events.read_text().splitlines())
        wanted = f"{self.namespace}/{name}"
        return [each for each in lines if each["check_in_id"] == wanted]

    def series(self, metric: str, name: str, **labels: str) -> float | None:
        """Scrape one series of a monitor; None when it is absent."""
        assert self.role is not None
        pieces = monitor_series(self.role.ledger, Options(), now=self.clock.now())
        identity = {"namespace": self.namespace, "heartbeatmonitor": name, **labels}
        for family in text_string_to_metric_families("".join(pieces)):
            for sample in family.samples:
                found = sample.name == f"heartbeat_monitor_{metric}"
                if found and identity.items() <= sample.labels.items():
                    return float(sample.value)
        return None

    async def url(self, name: str) -> str:
        """Return the ping URL of a monitor, as its user reads it."""
        return await self.ask(ping_url, self.kube, self.namespace, name)

    async def ping(self, url: str, **params: str) -> int:
        """Send a ping; returns the HTTP status."""
        async with (
            aiohttp.ClientSession() as client,
            client.get(url, params=params) as answer,
        ):
            return answer.status

    async def close(self) -> None:
        """Stop the operator, then remove what no garbage collector will."""
        await self.stop()
        for resource in (MONITORS, CRON_JOBS, JOBS, PODS):
            await self.ask(remove_all, self.kube, resource, self.namespace)
        for resource in (CONFIG_MAPS, LEASES):
            await self.ask(remove_all, self.kube, resource, SYSTEM, "heartbeats-")


class _Absent:
    """Takes the place of a replica's attendance: the scenario writes the Lease."""

    async def run(self) -> None:
        await asyncio.Event().wait()


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:
    """Run a coroutine beside the body; what ends it too early is raised."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def remove_all(
    kube: Kube, resource: Resource, namespace: str, prefix: str = ""
) -> None:
    """Delete the objects of a namespace whose names begin so."""
    for item in kube.items(resource, namespace):
        name = item["metadata"]["name"]
        if not name.startswith(prefix):
            continue
        try:
            kube.delete(resource, namespace, name)
        except RefusedError as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND:
                raise


def lease(name: str, since: datetime, until_: datetime) -> Object:
    """Write the Lease of a ping replica that was there from one instant to another."""
    return {
        "apiVersion": LEASES.api_version,
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": SYSTEM,
            "labels": {"heartbeats.dev/role": "ping"},
        },
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": 15,
            "acquireTime": f"{since:%Y-%m-%dT%H:%M:%S.%f}Z",
            "renewTime": f"{until_:%Y-%m-%dT%H:%M:%S.%f}Z",
        },
    }
