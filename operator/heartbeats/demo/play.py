"""Plays the story on a stage: looks once a second until every sample has shown itself.

Knows neither flags nor signals; what it needs to know of the time it is told.
"""

import time
from contextlib import suppress
from typing import Final

from heartbeats.clock import Clock
from heartbeats.demo.errors import DemoError
from heartbeats.demo.pinger import Pinger
from heartbeats.demo.stage import Stage
from heartbeats.demo.story import LAPTOP, Progress, Row
from heartbeats.demo.view import View

LIMIT: Final = 360.0
"""Seconds: the slowest sample takes two minutes; nodes that pull an image, more."""

_TURN: Final = 1.0


class Play:
    """One showing: it begins with nothing seen."""

    def __init__(self, stage: Stage, view: View, clock: Clock) -> None:
        self._stage = stage
        self._view = view
        self._clock = clock
        self._progress = Progress()
        self._rows: list[Row] = []
        self._pinger = Pinger(self._find_url, clock.monotonic)

    def run(self) -> None:
        """Return once all is shown; DemoError says what was not within the limit."""
        ends = self._clock.monotonic() + LIMIT
        while True:
            note = self._turn()
            if self._progress.is_complete:
                return
            if self._clock.monotonic() > ends:
                raise DemoError(self._too_late(note))
            time.sleep(_TURN)

    def go_on(self) -> None:
        """Keep pinging and watching the operator, without a table, until stopped."""
        while True:
            self._stage.operator.check()
            with suppress(DemoError):  # the API server is the user's to stop now
                self._pinger.turn()
            time.sleep(_TURN)

    def _turn(self) -> str | None:
        """Look once; returns what is wrong at the moment, which may pass."""
        self._stage.operator.check()
        note: str | None = None
        try:
            if self._progress.laptop_pings:
                self._pinger.turn()
                note = self._pinger.problem
            self._rows = self._stage.admin.monitors()
            self._progress = self._progress.after(self._rows)
        except DemoError as error:
            note = str(error)
        self._view.show(self._rows, self._progress, note, now=self._clock.now())
        return note

    def _find_url(self) -> str | None:
        return self._stage.admin.secret(LAPTOP.namespace, f"{LAPTOP.name}-ping", "url")

    def _too_late(self, note: str | None) -> str:
        lines = [
            f"After {LIMIT:g} s:",
            *self._progress.missing(),
            *filter(None, [note]),
        ]
        return "\n".join([*lines, self._stage.operator.tail()])
