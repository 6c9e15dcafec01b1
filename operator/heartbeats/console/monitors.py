"""Monitors as the API server holds them, read for a person; and what follows from them.

Word, reason and deadline are derived anew by the core from the status and the time:
what is Late is known before anybody writes it.

It may not write, nor judge by rules of its own.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import msgspec

from heartbeats.console.access import Cluster
from heartbeats.console.problems import unknown
from heartbeats.core.explain import Explanation, explain
from heartbeats.core.model import Health, MonitorKey, Policy
from heartbeats.core.schedule import Timetable, timetable
from heartbeats.core.status import policy_applied
from heartbeats.core.verdict import URGENCY, Verdict, verdict
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.decode import decode
from heartbeats.edges.kube.monitors import OddMonitorError, sighting_of
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.ledger import Sighting

Json = dict[str, Any]

NOT_JUDGED: Final = "NotJudged"
"""Said in place of a reason while no operator has looked at a monitor."""


@dataclass(frozen=True)
class Monitor:
    """A monitor, what applies to it and what it says."""

    seen: Sighting
    policy: Policy
    raw: bytes = field(repr=False)
    """As the API server sent it: many of them are kept, few are looked into."""

    @classmethod
    def read(cls, raw: bytes | msgspec.Raw) -> "Monitor":
        """Read one; raises OddMonitorError when it has no identity."""
        body = decode(raw, Json)
        seen = sighting_of(body)
        policy = policy_applied(body.get("status"), seen.spec, seen.state)
        return cls(seen, policy, bytes(raw))

    @property
    def key(self) -> MonitorKey:
        """Where it lives."""
        return self.seen.key

    @property
    def is_judged(self) -> bool:
        """Tell whether an operator has ever looked at it."""
        return self.seen.state.changed_at is not None

    @property
    def body(self) -> Json:
        """The whole object."""
        return decode(self.raw, Json)

    @cached_property
    def table(self) -> Timetable:
        """When its runs are due; a broken timetable has no slots."""
        state = self.seen.state
        if state.trouble is not None and not self.policy.orphaned:
            return Timetable(None, None)
        try:
            return timetable(self.policy, anchor_at=state.next_expected_at)
        except ValueError:  # somebody wrote into the status
            return Timetable(None, None)

    def says(self, *, now: datetime) -> Verdict:
        """Return its word, reason and message."""
        return verdict(self.seen.state, self.policy, now=now)

    def explained(self, *, now: datetime) -> Explanation:
        """Say why it is so, and what will change it."""
        return explain(self.seen.state, self.policy, self.table, now=now)

    def remark(self) -> str | None:
        """Say what shows that the operator is behind, or never came."""
        if not self.is_judged:
            return (
                "No operator has judged it yet: is one running, and does it watch this "
                "namespace?"
            )
        judged = decode(self.raw, _Observed).status.observed_generation
        if judged >= self.seen.generation:
            return None
        return (
            f"Its spec was edited (generation {self.seen.generation}) and is not yet "
            f"judged as it is now (generation {judged} is)."
        )


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    observed_generation: int = 0


class _Observed(msgspec.Struct, frozen=True):
    status: _Status = _Status()


def urgency(monitor: Monitor, *, now: datetime) -> tuple[int, MonitorKey]:
    """Return what monitors are sorted by: the worst first; then by name."""
    if not monitor.is_judged:
        return URGENCY.index(Health.NEW), monitor.key
    return URGENCY.index(monitor.says(now=now).health), monitor.key


async def read_all(cluster: Cluster, selector: str | None = None) -> list[Monitor]:
    """Read the monitors of the scope, page by page; KubeError when that fails.

    One that has no identity is left out: the API server would not store it.
    """
    params = {"labelSelector": selector} if selector else {}
    found: list[Monitor] = []
    token = ""
    while True:
        page = await cluster.client.list_page(
            MONITORS, namespace=cluster.scope, token=token, params=params
        )
        for raw in page.items or ():
            try:
                found.append(Monitor.read(raw))
            except OddMonitorError:
                continue
        token = page.metadata.token
        if not token:
            return found


async def read_one(cluster: Cluster, key: MonitorKey) -> Monitor:
    """Read a monitor; SaidError when there is none of that name."""
    path = MONITORS.path(key.namespace, key.name)
    try:
        return Monitor.read(await cluster.client.request("GET", path))
    except errors.NotFound as error:
        if error.is_of_kind:
            raise
        raise await unknown(cluster, key) from error
