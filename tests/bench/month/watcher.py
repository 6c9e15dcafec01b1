"""Stands in for kopf's thread: its real time does not fit into a simulated month."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from bench.month.api import MonthApi
from heartbeats.clock import Clock

MonitorEvent = Callable[[str | None, Mapping[str, Any]], None]


class Watcher:
    """Tells of every monitor once, then of each change, as kopf does."""

    def __init__(self, api: MonthApi, on_event: MonitorEvent, clock: Clock) -> None:
        self._api = api
        self._on_event = on_event
        self._clock = clock
        self.restarts = 0
        self.problem: str | None = None
        self.last_turn: float | None = None

    def start(self) -> None:
        """Tell of all there are, and listen."""
        asyncio.get_running_loop().call_soon(self._tell_all)
        self._api.on_monitor = self._on_event

    async def stop(self) -> None:
        """Listen no more."""
        if self._api.on_monitor == self._on_event:
            self._api.on_monitor = lambda _kind, _body: None

    def restart(self) -> None:
        """Tell of all again."""
        self.restarts += 1
        self.start()

    def probe(self) -> None:
        """Give a sign of life."""
        self.last_turn = self._clock.monotonic()

    def _tell_all(self) -> None:
        for (plural, *_), body in list(self._api._objects.items()):
            if plural == "heartbeatmonitors":
                self._on_event(None, body)
