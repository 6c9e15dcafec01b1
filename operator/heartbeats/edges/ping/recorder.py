"""Puts accepted check-ins into the journal: the one way out of the ping service."""

from heartbeats.core.model import CheckIn
from heartbeats.edges.ping.ports import MonitorView
from heartbeats.journal import Entry, Journal


class JournalRecorder:
    """A Recorder that is done when the journal has committed."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def record(self, view: MonitorView, check_in: CheckIn) -> None:
        """Return when the check-in is stored; raises JournalUnavailable."""
        await self._journal.record(Entry(view.key, view.uid, check_in))
