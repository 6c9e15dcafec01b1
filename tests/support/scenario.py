"""Days of a monitor's life in seconds: a real API server, and a clock that is turned.

No controller runs. A test writes CronJobs, Jobs, pods and Events as the controllers
would, and turns the one clock by which the operator judges and by which the Date
header corrects it. The operator works in the test's event loop, so everything that
blocks is asked for in a thread. Expectations are not in here.
"""

import asyncio
import gc
import json
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from heartbeats.app.operator import OperatorRole
from heartbeats.app.ping import PingRole
from heartbeats.clock import CorrectedClock, SystemClock
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
from support.workloads import (
    change,
    complete,
    condition_of,
    failed,
    has_said,
    run_of,
    write_status,
)

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for what the operator does at once; a busy machine may need some."""

SOON = timedelta(seconds=9)
"""How long a run takes that nothing is special about."""

PRESENT = "heartbeats-ping-scenario"
"""The Lease by which a scenario says that pings could be heard."""


def at(text: str) -> datetime:
    """Read an instant in UTC, as in "2026-03-02 10:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def text(instant: datetime) -> str:
    """Write an instant as Kubernetes does, to the second."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


async def until(holds: Callable[[], object]) -> None:
    """Return as soon as something is so; TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - a fact of the same process, no event
            await asyncio.sleep(0.005)


class _Machine:
    """The machine's clock: true time plus its error."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self.shift = timedelta()
        self.error = timedelta()

    def truth(self) -> datetime:
        return self._system.now() + self.shift

    def now(self) -> datetime:
        return self.truth() + self.error

    def monotonic(self) -> float:
        return self._system.monotonic()


class TurnedClock(CorrectedClock):
    """Corrects itself by real answers of a real server, in the scenario's time."""

    def __init__(self) -> None:
        self._machine = _Machine()
        super().__init__(self._machine)

    @property
    def truth(self) -> datetime:
        """Return the scenario's instant, whatever the machine believes."""
        return self._machine.truth()

    def turn_to(self, at: datetime) -> None:
        """Make it this instant; time goes on from there as it always does."""
        self._machine.shift += at - self._machine.truth()

    def step(self, error: timedelta) -> None:
        """Set the machine's clock wrong by so much; true time stays."""
        self._machine.error = error

    def compare(
        self, server_at: datetime, *, sent_at: datetime, received_at: datetime
    ) -> None:
        """Take in an answer's Date, as a server in the scenario's time sends it."""
        super().compare(
            server_at + self._machine.shift, sent_at=sent_at, received_at=received_at
        )


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
        self._replica = PRESENT
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
        with warnings.catch_warnings():
            # kopf's loop ends before its TLS connections do: swept up here, lest a
            # later test be blamed.
            warnings.simplefilter("ignore", ResourceWarning)
            await running_.aclose()
            await asyncio.sleep(0.05)
            gc.collect()

    async def serve_pings(self) -> PingRole:
        """Start the ping service: first, because the operator tells its URL.

        It is ready once the operator has made the key that signs the URLs.
        """
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
        await self._running.enter_async_context(running(role.run(listening.set_result)))
        self.public_url = await listening
        return role

    # Time

    async def turn_to(self, when: datetime) -> None:
        """Let time leap to an instant; returns when all it leads to is stored."""
        if self.heard and self._since is not None:
            await self.attend(self._since, when, self._replica)
        self.clock.turn_to(when)
        await self.settle()

    async def attend(
        self, since: datetime, until_: datetime, name: str = PRESENT
    ) -> None:
        """Write the Lease of a ping replica that was there all this time."""
        self._since, self._replica = since, name
        await self.ask(self.kube.apply, lease(name, since, until_))

    async def settle(self) -> None:
        """Return when the operator has heard, judged and stored all there is."""
        role = self.role
        if role is None:
            return
        within = timedelta(seconds=PATIENCE)
        async with asyncio.TaskGroup() as group:
            for stream in role.streams:
                group.create_task(stream.confirm(within=within))
        await role.watching.jobs.settled()
        for _ in range(2):  # the first turn may have begun before the clock moved
            last = role.leading.watchdog.last_turn
            role.leading.watchdog.wake()
            await until(lambda last=last: role.leading.watchdog.last_turn != last)  # type: ignore[misc]
        await until(lambda: not role.leading.writer.backlog)

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

    async def starts(
        self, cron_job: Object, slot: datetime, *, after: timedelta = SOON
    ) -> Object:
        """Let the controller create the Job of a slot, and its pod become ready."""
        began = slot + after
        await self.turn_to(began)
        status = {"startTime": text(began), "active": 1, "ready": 1}
        return await self.runs(cron_job, slot, status)

    async def succeeds(
        self, cron_job: Object, slot: datetime, *, took: timedelta = SOON
    ) -> Object:
        """Let the run of a slot succeed, so long after it."""
        done = complete(text(slot), text(slot + took))
        if took > SOON:
            job = await self.starts(cron_job, slot, after=timedelta())
            await self.turn_to(slot + took)
            await self.ends(job, done)
        else:
            await self.turn_to(slot + took)
            job = await self.runs(cron_job, slot, done)
        await self.schedule_says(cron_job, lastSuccessfulTime=text(slot + took))
        await self.settle()
        return job

    async def fails(
        self, cron_job: Object, slot: datetime, *, took: timedelta = SOON
    ) -> Object:
        """Let the run of a slot fail, so long after it."""
        await self.turn_to(slot + took)
        job = await self.runs(cron_job, slot, failed(text(slot), text(slot + took)))
        await self.settle()
        return job

    async def runs(self, cron_job: Object, slot: datetime, status: Object) -> Object:
        """Write the Job of a slot with a status, as the controllers would."""
        name = f"{cron_job['metadata']['name']}-{int(slot.timestamp() // 60)}"
        job = await self.create(run_of(cron_job, name, text(slot)))
        stored = await self.ends(job, status)
        await self.schedule_says(cron_job, lastScheduleTime=text(slot))
        return stored

    async def ends(self, job: Object, status: Object) -> Object:
        """Write the status of a Job."""
        name = job["metadata"]["name"]
        job = await self.ask(self.kube.get, JOBS, self.namespace, name)
        return await self.ask(write_status, self.kube, job, status)

    async def dies(
        self, job: Object, container: str, *, exit_code: int, message: str
    ) -> None:
        """Write a pod of a Job whose container ended like this."""
        metadata, template = job["metadata"], job["spec"]["template"]
        pod = {
            "apiVersion": PODS.api_version,
            "kind": PODS.kind,
            "metadata": {
                "name": f"{metadata['name']}-0",
                "namespace": self.namespace,
                "labels": template["metadata"]["labels"],
            },
            "spec": template["spec"],
        }
        stored = await self.create(pod)
        ended = {"exitCode": exit_code, "message": message, "reason": "Error"}
        state = {
            "name": container,
            "image": "busybox:1.36",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": ended},
        }
        status = {"phase": "Failed", "containerStatuses": [state]}
        await self.ask(write_status, self.kube, stored, status)

    async def schedule_says(self, cron_job: Object, **fields: Any) -> None:
        """Write fields of a CronJob's status."""
        name = cron_job["metadata"]["name"]
        now = await self.ask(self.kube.get, CRON_JOBS, self.namespace, name)
        status = {**now.get("status", {}), **fields}
        await self.ask(write_status, self.kube, now, status)

    async def controller_says(
        self, cron_job: Object, reason: str, message: str
    ) -> None:
        """Write an Event about a CronJob, as its controller does."""
        name, now = cron_job["metadata"]["name"], text(self.clock.truth)
        event = {
            "metadata": {"generateName": f"{name}.", "namespace": self.namespace},
            "involvedObject": {
                "apiVersion": CRON_JOBS.api_version,
                "kind": CRON_JOBS.kind,
                "namespace": self.namespace,
                "name": name,
                "uid": cron_job["metadata"]["uid"],
            },
            "type": "Warning",
            "reason": reason,
            "message": message,
            "source": {"component": "cronjob-controller"},
            "firstTimestamp": now,
            "lastTimestamp": now,
        }
        path = f"/api/v1/namespaces/{self.namespace}/events"
        await self.ask(self.kube.send, "POST", path, event)

    async def delete(self, resource: Resource, name: str) -> None:
        """Delete an object; returns when the operator knows."""
        await self.ask(remove, self.kube, resource, self.namespace, name)
        await self.settle()

    async def edit(self, resource: Resource, name: str, **spec: Any) -> Object:
        """Change fields of an object's spec, as `kubectl edit` does."""
        stored = await self.ask(
            change, self.kube, resource, self.namespace, name, {"spec": spec}
        )
        await self.settle()
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
        pieces = monitor_series(self.role.entries(), Options(), now=self.clock.now())
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


def remove(kube: Kube, resource: Resource, namespace: str, name: str) -> None:
    """Delete an object for good: a Job would wait for a garbage collector else."""
    query = {"propagationPolicy": "Background"}
    kube.send("DELETE", resource.path(namespace, name), query=query)


def remove_all(
    kube: Kube, resource: Resource, namespace: str, prefix: str = ""
) -> None:
    """Delete the objects of a namespace whose names begin so."""
    for item in kube.items(resource, namespace):
        name = item["metadata"]["name"]
        if not name.startswith(prefix):
            continue
        try:
            remove(kube, resource, namespace, name)
        except RefusedError as refusal:  # a Lease or a segment: its owner was quicker
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


async def assert_down(
    scenario: Scenario, name: str, reason: str, when: datetime, *words: str
) -> Object:
    """Check all that tells that a monitor is Down since an instant; returns its status.

    `words` must stand in the condition's message.
    """
    await scenario.said(name, "Down")
    return await assert_told(scenario, name, ("Down", "False", reason), when, *words)


async def assert_told(
    scenario: Scenario,
    name: str,
    said: tuple[str, str, str],
    when: datetime,
    *words: str,
) -> Object:
    """Check word, condition (status, reason), time, Event, gauge and, if Down, line."""
    word, healthy, reason = said
    status = await scenario.said(name, word)
    condition = condition_of({"status": status}, "Healthy")
    assert (condition["status"], condition["reason"]) == (healthy, reason), condition
    assert condition["lastTransitionTime"] == text(when), condition
    for each in words:
        assert each in condition["message"], condition
    event = (await scenario.events(name))[-1]
    assert event["reason"] == reason, event
    assert event["type"] == "Warning", event
    assert event["eventTime"][:19] == text(when)[:19], event
    assert scenario.series("state", name, state=word) == 1
    changed = scenario.series("state_changed_timestamp_seconds", name)
    assert changed == pytest.approx(when.timestamp(), abs=1)
    if word == "Down":
        incident = status["incident"]
        assert incident["openedTime"][:19] == text(when)[:19], incident
        payload = scenario.lines(name)[-1]["payload"]
        assert payload["ts"][:19] == text(when)[:19], payload
        expected = "failure" if reason == "RunFailed" else "missing"
        assert payload["status"] == expected, payload
    return status


def assert_up(scenario: Scenario, name: str, status: Object, when: datetime) -> None:
    """Check all that tells of a success at an instant."""
    assert status["state"] == "Up", status
    assert "incident" not in status, status
    condition = condition_of({"status": status}, "Healthy")
    assert (condition["status"], condition["reason"]) == ("True", "OnSchedule")
    assert condition["lastTransitionTime"] <= text(when), condition
    assert status["lastCheckIn"]["outcome"] == "success", status
    assert status["lastCheckIn"]["time"][:19] == text(when)[:19], status
    assert status["lastSuccessTime"][:19] == text(when)[:19], status
    assert status["history"][0]["outcome"] == "success", status
    assert scenario.series("state", name, state="Up") == 1
    seen = scenario.series("last_success_timestamp_seconds", name)
    assert seen == pytest.approx(when.timestamp(), abs=1)
    payload = scenario.lines(name)[-1]["payload"]
    assert payload["status"] == "success", payload
    assert payload["ts"][:19] == text(when)[:19], payload
