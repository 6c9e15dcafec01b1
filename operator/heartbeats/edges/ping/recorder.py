"""Puts accepted check-ins into the journal: the one way out of the ping service."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from heartbeats.core.model import CheckIn
from heartbeats.edges.ping.ports import MonitorView
from heartbeats.journal import Entry, Journal, JournalUnavailable, ShareExceeded

logger = logging.getLogger(__name__)

COMPLAIN_SECONDS: Final = 60.0
"""So often it is said that pings are refused: they are refused by the thousand."""

CALM_SECONDS: Final = 10.0
"""After so long without a refusal it is over."""


def _nobody() -> None:
    """Tell nobody."""


class JournalRecorder:
    """A Recorder that is done when the journal has committed.

    `on_refused` hears of every ping that was lost through no fault of its sender.
    """

    def __init__(
        self,
        journal: Journal,
        monotonic: Callable[[], float],
        on_refused: Callable[[], None] = _nobody,
    ) -> None:
        self._journal = journal
        self._now = monotonic
        self._on_refused = on_refused
        self._said_at: float | None = None
        self._refused_at = 0.0

    async def record(
        self, view: MonitorView, check_in: CheckIn, *, within: float
    ) -> None:
        """Return when the check-in is stored; raises JournalUnavailable."""
        entry = Entry(view.key, view.uid, check_in)
        try:
            await self._journal.record(entry, within=within)
        except ShareExceeded:
            raise
        except JournalUnavailable as error:
            self._on_refused()
            self._complain(error)
            raise
        except asyncio.CancelledError:
            self._on_refused()
            raise
        self._is_well()

    def _complain(self, error: JournalUnavailable) -> None:
        now = self._refused_at = self._now()
        if self._said_at is None or now - self._said_at >= COMPLAIN_SECONDS:
            self._said_at = now
            logger.warning("Pings are refused: %s", error)

    def _is_well(self) -> None:
        if self._said_at is None or self._now() - self._refused_at < CALM_SECONDS:
            return
        self._said_at = None
        logger.info("Pings are stored again")
