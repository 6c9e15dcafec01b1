"""Waits until a monitor says something, by a watch: nothing in between is overlooked.

What comes by time alone (Late) is looked at every second.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec

from heartbeats.console.access import Cluster, SaidError
from heartbeats.console.monitors import Monitor, read_one
from heartbeats.core.model import Health, MonitorKey, State
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.decode import number
from heartbeats.edges.kube.objects import KubeObject
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.edges.kube.store import Change, ObjectEvent
from heartbeats.pause import pause

TURN_SECONDS: Final = 1.0


class Goal(StrEnum):
    """What may be waited for."""

    UP = "up"
    DOWN = "down"
    LATE = "late"
    UNKNOWN = "unknown"
    PAUSED = "paused"
    NEW = "new"
    CHECK_IN = "check-in"
    SUCCESS = "success"
    FAILURE = "failure"
    DELETED = "deleted"


class TooLateError(Exception):
    """The time is up; the monitor as it was seen last."""

    def __init__(self, last: Monitor) -> None:
        super().__init__(str(last.key))
        self.last = last


class _Whole(KubeObject, frozen=True, kw_only=True):
    """A HeartbeatMonitor as a watch tells it."""

    spec: dict[str, Any] = msgspec.field(default_factory=dict)
    status: dict[str, Any] = msgspec.field(default_factory=dict)


async def wait_for(
    cluster: Cluster, key: MonitorKey, goal: Goal, *, within: timedelta
) -> Monitor:
    """Return the monitor that has come so far; TooLateError, SaidError, KubeError.

    With no time at all it is looked at once.
    """
    first = await read_one(cluster, key)
    waiting = _Waiting(cluster, goal, first)
    if waiting.is_reached() or within <= timedelta():
        return waiting.result()
    try:
        async with asyncio.timeout(within.total_seconds()):
            await waiting.watch()
    except TimeoutError:
        pass
    return waiting.result()


class _Waiting:
    """What was there at first, what is there now, and what is waited for."""

    def __init__(self, cluster: Cluster, goal: Goal, first: Monitor) -> None:
        self._cluster, self._goal, self._first = cluster, goal, first
        self._last, self._is_gone = first, False
        self._reached: Monitor | None = None
        self._turn = asyncio.Event()

    async def watch(self) -> None:
        """Return when it has come so far, or has gone."""
        key = self._first.key
        selection = Selection(MONITORS, _Whole, key.namespace, name=key.name)
        await _may_watch(self._cluster.client, selection)
        stream = Reflector(self._cluster.client, selection, on_event=self._take)
        running = asyncio.create_task(stream.run())
        try:
            while not (self.is_reached() or self._is_gone):
                self._turn.clear()
                await pause(TURN_SECONDS, self._turn)
        finally:
            running.cancel()
            await asyncio.wait([running])

    def _take(self, event: ObjectEvent[_Whole]) -> None:
        if event.object.metadata.uid == self._first.seen.uid:
            self._last = Monitor.read(msgspec.json.encode(event.object))
            self._is_gone = event.kind is Change.DELETED
            self.is_reached()
            self._turn.set()

    def is_reached(self) -> bool:
        """Tell whether it has come so far, now or at any time before."""
        now = self._cluster.clock.now()
        if self._reached is None and self._is_met(now):
            self._reached = self._last
        return self._reached is not None

    def _is_met(self, now: datetime) -> bool:
        if self._goal is Goal.DELETED:
            return self._is_gone
        if self._goal in _REPORTS:
            report = _REPORTS[self._goal]
            before, after = self._first.seen.state, self._last.seen.state
            return report(after) != report(before)
        word = Health(self._goal.value.capitalize())
        return self._last.is_judged and self._last.says(now=now).health is word

    def result(self) -> Monitor:
        """Return the monitor that reached it, or raise why none did."""
        if self._reached is not None:
            return self._reached
        if self._is_gone:
            raise SaidError(
                f"{self._first.key} was deleted before it came to {self._goal}."
            )
        raise TooLateError(self._last)


def _newest(state: State) -> object:
    last = state.last_check_in
    return last and (last.id, last.at)


_REPORTS: Final[dict[Goal, Callable[[State], object]]] = {
    Goal.CHECK_IN: _newest,
    Goal.SUCCESS: lambda state: state.last_success_at,
    Goal.FAILURE: lambda state: state.last_failure_at,
}
"""What changes with a report that is waited for."""


async def _may_watch(client: Client, selection: Selection[_Whole]) -> None:
    """Raise at once when a right is missing: the reflector would go on trying."""
    page = await selection.page(client, token="", limit=1)
    version = number(page.metadata.version)
    async with selection.watch(client, version=version, seconds=1):
        return
