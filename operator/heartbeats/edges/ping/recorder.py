"""Puts accepted check-ins into the journal: the one way out of the ping service."""

import asyncio
from collections.abc import Callable

from heartbeats.core.model import CheckIn
from heartbeats.edges.ping.ports import MonitorView
from heartbeats.journal import Entry, Journal, JournalUnavailable, ShareExceeded


def _nobody() -> None:
    """Tell nobody."""


class JournalRecorder:
    """A Recorder that is done when the journal has committed.

    `on_refused` hears of every ping that was lost through no fault of its sender.
    """

    def __init__(
        self, journal: Journal, on_refused: Callable[[], None] = _nobody
    ) -> None:
        self._journal = journal
        self._on_refused = on_refused

    async def record(
        self, view: MonitorView, check_in: CheckIn, *, within: float
    ) -> None:
        """Return when the check-in is stored; raises JournalUnavailable."""
        entry = Entry(view.key, view.uid, check_in)
        try:
            await self._journal.record(entry, within=within)
        except ShareExceeded:
            raise
        except (JournalUnavailable, asyncio.CancelledError):
            self._on_refused()
            raise
