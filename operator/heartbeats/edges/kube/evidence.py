"""Shows that nothing is missing before a deadline is judged.

A half-open stream hides changes for up to 70 s, so freshness is not assumed: each
stream that the due monitors depend on is confirmed by one small read a batch.
"""

from collections.abc import Sequence
from datetime import timedelta

from heartbeats.core.model import Source
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.jobbook import JobBook
from heartbeats.edges.kube.presence import Presences
from heartbeats.edges.kube.streams import Stream, confirm_all
from heartbeats.ledger import Entry, Ledger
from heartbeats.watchdog import EvidenceError

WITHIN = timedelta(seconds=10)


class StreamEvidence:
    """Confirms streams, and reads the pods of what is stuck."""

    def __init__(
        self,
        streams: dict[Source, Sequence[Stream]],
        jobs: JobBook,
        ledger: Ledger,
        presences: Presences,
    ) -> None:
        self._streams = streams
        self._jobs = jobs
        self._ledger = ledger
        self._presences = presences

    def prepare(self, entries: Sequence[Entry]) -> None:
        """Have the streams ready that these monitors depend on."""
        for stream in self._needed(_sources(entries)):
            stream.prepare()

    async def complete(self, entries: Sequence[Entry]) -> None:
        """Return when the ledger knows all that these monitors wait for."""
        sources = _sources(entries)
        try:
            await confirm_all(self._needed(sources), within=WITHIN)
        except errors.KubeError as error:
            raise EvidenceError(str(error)) from error
        await self._jobs.settled()
        if Source.PING in sources:
            if self._presences.uncertain:
                raise EvidenceError("a ping replica may have ended a moment ago")
            self._presences.check()

    def _needed(self, sources: set[Source]) -> list[Stream]:
        return [each for source in sources for each in self._streams[source]]

    async def explain(self, entries: Sequence[Entry]) -> None:
        """Read what may say why runs do not appear; no verdict depends on it."""
        found = [self._ledger.cron_job_of(entry) for entry in entries]
        await self._jobs.inspect({each.uid: each for each in found if each}.values())


def _sources(entries: Sequence[Entry]) -> set[Source]:
    return {entry.spec.source for entry in entries}
