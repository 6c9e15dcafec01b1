"""Operators that tests kill and start again, their pings, and times relative to now.

Needs a cluster of one's own: see `support.own_cluster`. It holds no expectations.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from signal import SIGKILL
from urllib.parse import urlsplit

from heartbeats.clock import SystemClock
from support.kube import Kube, wait_until
from support.operators import (
    SYSTEM,
    RunningOperator,
    forget_leader,
    ping_url,
    start_operator,
    stop_operator,
)
from support.own_cluster import Own
from support.processes import FREE_PORTS, Process, until_answers
from support.resources import CONFIG_MAPS, MONITORS, Object

HEALTH = r'The health listener is at ([^\s"]+)'
OPENED = r"Watching \d+ monitors"
PINGS = r'Pings are answered on ([^\s"]+)'
JOURNAL = "heartbeats-journal-"
PATIENCE = 90.0


@dataclass(slots=True)
class Operator:
    """An operator that is killed and started again on the same folder."""

    kubeconfig: Path
    folder: Path
    running: RunningOperator | None = None

    @property
    def url(self) -> str:
        """Return where pings are answered now; every start takes another port."""
        assert self.running is not None
        return self.running.ping

    def start(self) -> None:
        """Start it, after whatever ran before is dead; returns when it leads."""
        with closing(Kube.from_kubeconfig(self.kubeconfig)) as kube:
            forget_leader(kube)
        self.running = start_operator(self.kubeconfig, self.folder)

    def kill(self) -> None:
        """End it without a word of warning."""
        if self.running is not None:
            stop_operator(self.running, SIGKILL)
            self.running = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Have no operator for a while, and a new one after."""
        self.kill()
        yield
        self.start()


@dataclass(slots=True)
class Apart:
    """Both roles as processes: the operator is killed, pings are heard all the time."""

    own: Own
    event_log: Path
    pings: Process
    operator: Process
    url: str

    @classmethod
    @contextmanager
    def running(cls, own: Own, event_log: Path) -> Iterator["Apart"]:
        """Run both until the end of the block; each under its own account."""
        pings = run_role(own.ping, "ping", event_log)
        apart = cls(own, event_log, pings, pings, "")
        try:
            apart.start()  # it makes the key that the ping service waits for
            apart.wait_pings()
            yield apart
        finally:
            apart.operator.close()
            apart.pings.close()

    def start(self) -> None:
        """Start the operator, after the one before is dead; returns when it leads."""
        forget_leader(self.own.kube)
        self.operator = run_role(self.own.operator, "operator", self.event_log)
        self.operator.wait_for(OPENED, within=PATIENCE)
        _wait_ready(self.operator)

    def wait_pings(self) -> None:
        """Return when the ping service is ready."""
        _wait_ready(self.pings)
        self.url = self.pings.wait_for(PINGS)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Have no operator for a while, and a new one after."""
        self.operator.close()
        yield
        self.start()

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """Have no ping service for a while, and a new one after."""
        self.pings.close()
        yield
        self.pings = run_role(self.own.ping, "ping", self.event_log)
        self.wait_pings()

    def lines(self, namespace: str, name: str) -> list[Object]:
        """Return the payloads of a monitor's lines in the event log."""
        lines = [json.loads(each) for each in self.event_log.read_text().splitlines()]
        of_it = (one for one in lines if one["check_in_id"] == f"{namespace}/{name}")
        return [each["payload"] for each in of_it]

    def line_ids(self, namespace: str, name: str) -> list[str]:
        """Return their ids."""
        return [each["id"] for each in self.lines(namespace, name)]


def _wait_ready(process: Process) -> None:
    """Wait until a role works; a busy machine takes long to load its libraries."""
    health = process.wait_for(HEALTH, within=PATIENCE)
    until_answers(f"{health}/readyz", within=PATIENCE)


def run_role(
    kubeconfig: Path, role: str, event_log: Path, release: Path | None = None
) -> Process:
    """Run one role on free ports, of another release if told; nothing is waited for."""
    flags = ("--role", role, "--event-log", str(event_log), *FREE_PORTS)
    return Process("run", "--kubeconfig", str(kubeconfig), *flags, release=release)


def now() -> datetime:
    """Tell the time."""
    return SystemClock().now()


def moment(*, seconds: int = 0) -> str:
    """Write the time, or a time near it, as a Job's status does."""
    return (now() + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def last_hour() -> str:
    """Write the newest full hour."""
    return now().strftime("%Y-%m-%dT%H:00:00Z")


def quiet_schedule() -> str:
    """Write an hourly schedule whose next slot is half an hour away."""
    return f"{(now().minute + 30) % 60} * * * *"


def last_slot(schedule: str) -> str:
    """Write the newest slot of an hourly schedule."""
    slot = now().replace(minute=int(schedule.split(maxsplit=1)[0]), second=0)
    if slot > now():
        slot -= timedelta(hours=1)
    return slot.strftime("%Y-%m-%dT%H:%M:%SZ")


def watch_past(kube: Kube, namespace: str, instant: str) -> None:
    """Watch the namespace's monitors until an instant has passed."""
    ends = datetime.fromisoformat(instant)
    while (left := (ends - now()).total_seconds()) > 0:
        since = kube.send("GET", MONITORS.path(namespace)).body["metadata"]
        for _ in kube.watch(MONITORS, namespace, since["resourceVersion"], left):
            pass


def path_of(kube: Kube, namespace: str, name: str) -> str:
    """Return the path of a ping URL: each start listens on another port."""
    return urlsplit(ping_url(kube, namespace, name)).path


def send(kube: Kube, base: str, namespace: str, name: str, rest: str) -> None:
    """Ping a monitor; it must be answered with success."""
    url = f"{base}{path_of(kube, namespace, name)}{rest}"
    assert until_answers(url) == b"OK"


def wait_journal_empty(kube: Kube) -> None:
    """Wait until every segment was applied and deleted."""
    for each in kube.items(CONFIG_MAPS, SYSTEM):
        name = each["metadata"]["name"]
        if name.startswith(JOURNAL):
            wait_until(kube, CONFIG_MAPS, SYSTEM, name, lambda one: one is None)


def outcomes(found: Object) -> list[str]:
    """Return how the runs of a monitor ended, the newest first."""
    return [run["outcome"] for run in found["status"].get("history", [])]
