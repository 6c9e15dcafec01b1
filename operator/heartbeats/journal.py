"""The journal of accepted pings: a ping is answered after its entry is stored.

Entries travel as text with a formatVersion, so that releases N and N-1 read each
other. Where the text is kept is the store's business (`SegmentStore`); this module
knows no cluster. It never says that something is stored when it may not be.

    JournalError(Exception)
    ├── JournalUnavailable      not stored as far as is known; the caller may try again
    └── UnreadableSegmentError  stored, but this release can't read it
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Protocol

import msgspec

from heartbeats.core.model import CheckIn, Kind, MonitorKey, Uid

FORMAT_VERSION = 1
"""Raised only when an older release could misread the text."""

COMMITS_IN_FLIGHT = 32
WAITING_LIMIT = 256
PATIENCE = timedelta(seconds=4)
"""Clients give up after five seconds; they must get our answer before."""


class JournalError(Exception):
    """Something about the journal that its caller has to handle."""


class JournalUnavailable(JournalError):  # noqa: N818 - a state, not a mistake
    """The entry is not known to be stored; answer with 503."""


class UnreadableSegmentError(JournalError):
    """A stored segment can't be read by this release."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted ping. Its check-in's id makes a replay change nothing."""

    monitor: MonitorKey
    uid: Uid
    check_in: CheckIn


class SegmentStore(Protocol):
    """Keeps immutable texts in one order for all replicas."""

    async def append(self, text: str) -> int:
        """Store a segment durably and return its revision.

        A lost answer is retried here under the segment's one name. Raises
        JournalUnavailable when it is not known to be stored.
        """
        ...


class Journal:
    """Stores entries, a bounded number at a time."""

    def __init__(
        self,
        store: SegmentStore,
        *,
        commits_in_flight: int = COMMITS_IN_FLIGHT,
        waiting_limit: int = WAITING_LIMIT,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._store = store
        self._slots = asyncio.Semaphore(commits_in_flight)
        self._limit = commits_in_flight + waiting_limit
        self._patience = patience
        self._pending = 0

    @property
    def pending(self) -> int:
        """How many entries wait for their commit."""
        return self._pending

    async def record(self, entry: Entry) -> int:
        """Return the entry's revision once it is stored.

        Raises JournalUnavailable at once when too many wait, and after `patience`.
        """
        if self._pending >= self._limit:
            raise JournalUnavailable(
                f"{self._pending} pings already wait for the journal; try again later"
            )
        self._pending += 1
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                return await self._commit(entry)
        except TimeoutError as error:
            raise JournalUnavailable(
                "the journal did not answer within "
                f"{self._patience.total_seconds():g} s; try again later"
            ) from error
        finally:
            self._pending -= 1

    async def _commit(self, entry: Entry) -> int:
        async with self._slots:
            return await self._store.append(encode((entry,)))


_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class _CheckIn(msgspec.Struct, rename="camel", omit_defaults=True):
    """A check-in on its way. New fields need a default: N-1 does not write them."""

    id: str
    kind: Kind
    at: _Instant
    run_id: str | None = None
    slot_at: _Instant | None = None
    started_at: _Instant | None = None
    duration: timedelta | None = None
    exit_code: int | None = None
    source: str = ""
    message: str = ""
    scheduled: bool = True
    ambiguous: bool = False
    detail: dict[str, object] = {}


class _Entry(msgspec.Struct, rename="camel"):
    namespace: str
    name: str
    uid: str
    check_in: _CheckIn


class _Segment(msgspec.Struct, rename="camel"):
    format_version: int
    entries: msgspec.Raw  # read only when the version is known


_encoder = msgspec.json.Encoder()
_segments = msgspec.json.Decoder(_Segment)
_entries = msgspec.json.Decoder(tuple[_Entry, ...])


def encode(entries: Iterable[Entry]) -> str:
    """Write entries as compact JSON; the revision is the store's to give."""
    written = _encoder.encode([_to_wire(entry) for entry in entries])
    return _encoder.encode(_Segment(FORMAT_VERSION, msgspec.Raw(written))).decode()


def decode(text: str, *, revision: int | None = None) -> tuple[Entry, ...]:
    """Read a segment; every check-in gets the segment's `revision`.

    Raises UnreadableSegmentError for a newer format and for what is no segment.
    """
    try:
        segment = _segments.decode(text)
        if segment.format_version > FORMAT_VERSION:
            raise UnreadableSegmentError(
                f"the segment has formatVersion {segment.format_version}, this release "
                f"reads up to {FORMAT_VERSION}: update Heartbeats to the release that "
                "wrote it"
            )
        entries = _entries.decode(segment.entries)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UnreadableSegmentError(
            f"the segment is not a journal segment: {error}"
        ) from (error)
    return tuple(_from_wire(entry, revision) for entry in entries)


def _to_wire(entry: Entry) -> _Entry:
    check_in = entry.check_in
    return _Entry(
        namespace=entry.monitor.namespace,
        name=entry.monitor.name,
        uid=entry.uid,
        check_in=_CheckIn(
            id=check_in.id,
            kind=check_in.kind,
            at=check_in.at,
            run_id=check_in.run_id,
            slot_at=check_in.slot_at,
            started_at=check_in.started_at,
            duration=check_in.duration,
            exit_code=check_in.exit_code,
            source=check_in.source,
            message=check_in.message,
            scheduled=check_in.scheduled,
            ambiguous=check_in.ambiguous,
            detail=dict(check_in.detail),
        ),
    )


def _from_wire(entry: _Entry, revision: int | None) -> Entry:
    wire = entry.check_in
    check_in = CheckIn(
        id=wire.id,
        kind=wire.kind,
        at=wire.at,
        run_id=wire.run_id,
        slot_at=wire.slot_at,
        started_at=wire.started_at,
        duration=wire.duration,
        exit_code=wire.exit_code,
        source=wire.source,
        message=wire.message,
        scheduled=wire.scheduled,
        ambiguous=wire.ambiguous,
        detail=tuple(wire.detail.items()),
        revision=revision,
    )
    return Entry(MonitorKey(entry.namespace, entry.name), Uid(entry.uid), check_in)
