"""Journal entries and the text of a segment, which holds those of one commit.

A checkpoint has the same text, but its entries come from several segments, and each
carries the place that it had there. Entries travel as text with a formatVersion, so
that releases N and N-1 read each other. This module reads and writes text only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from heartbeats.core.model import CheckIn, Kind, MonitorKey, Uid
from heartbeats.journal.errors import UnreadableSegmentError

FORMAT_VERSION = 1
"""Raised only when an older release could misread the text.

One that did not know `place` would misread checkpoints: it would count their entries
again. No release was made before `place`, so it came without a new version.
"""

POSITIONS = 4096
"""More entries than any segment holds: each has a place of its own in the order."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted ping. Its check-in's id makes a replay change nothing."""

    monitor: MonitorKey
    uid: Uid
    check_in: CheckIn


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


_Place = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Entry(msgspec.Struct, rename="camel"):
    namespace: str
    name: str
    uid: str
    check_in: _CheckIn
    place: _Place | msgspec.UnsetType = msgspec.UNSET
    """Only in a checkpoint: where it stood when it was committed."""


class _Placed(msgspec.Struct):
    """As little of an entry as tells whether it carries its place."""

    place: int | msgspec.UnsetType = msgspec.UNSET


class _Segment(msgspec.Struct, rename="camel"):
    format_version: int
    entries: msgspec.Raw  # read only when the version is known


_encoder = msgspec.json.Encoder()
_segments = msgspec.json.Decoder(_Segment)
_entry = msgspec.json.Decoder(_Entry)
_placed = msgspec.json.Decoder(_Placed)
_entries = msgspec.json.Decoder(tuple[_Entry, ...])
_pieces = msgspec.json.Decoder(tuple[msgspec.Raw, ...])


def encode(entries: Iterable[Entry]) -> str:
    """Write a segment of entries."""
    return segment(encode_entry(entry) for entry in entries)


def encode_entry(entry: Entry) -> bytes:
    """Write an entry as compact JSON; the revision is the store's to give."""
    return _encoder.encode(_to_wire(entry))


def segment(written: Iterable[bytes]) -> str:
    """Join entries that are written already into the text of a segment."""
    entries = msgspec.Raw(b"[" + b",".join(written) + b"]")
    return _encoder.encode(_Segment(FORMAT_VERSION, entries)).decode()


def decode(text: str, *, revision: int | None = None) -> tuple[Entry, ...]:
    """Read a segment; every check-in gets its place after the segment's `revision`.

    One that carries a place of its own, in a checkpoint, keeps that. Raises
    UnreadableSegmentError for a newer format and for what is no segment.
    """
    try:
        found = _segments.decode(text)
        if found.format_version > FORMAT_VERSION:
            raise UnreadableSegmentError(
                f"the segment has formatVersion {found.format_version}, this release "
                f"reads up to {FORMAT_VERSION}: update Heartbeats to the release that "
                "wrote it"
            )
        entries = _entries.decode(found.entries)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UnreadableSegmentError(
            f"the segment is not a journal segment: {error}"
        ) from error
    return tuple(
        _from_wire(entry, _place(entry, revision, index))
        for index, entry in enumerate(entries)
    )


def pieces(text: str) -> tuple[msgspec.Raw, ...]:
    """Return the JSON of each entry of a text that could be decoded."""
    return _pieces.decode(_segments.decode(text).entries)


def decode_piece(piece: msgspec.Raw, place: int) -> Entry:
    """Read one entry, whose place is known: all at once may be too much to hold."""
    return _from_wire(_entry.decode(piece), place)


def with_place(piece: msgspec.Raw, place: int) -> bytes:
    """Write an entry as it stands in a checkpoint, with all that it said before.

    Keys of a later release stay: what this one does not know is not its to drop.
    """
    written = bytes(piece)
    if _placed.decode(piece).place is msgspec.UNSET:
        return b'{"place":%d,' % place + written[1:]
    return written


def place(revision: int, index: int) -> int:
    """Return where an entry stands among all entries of all segments."""
    return revision * POSITIONS + index


def _place(entry: _Entry, revision: int | None, index: int) -> int | None:
    if entry.place is not msgspec.UNSET:
        return entry.place
    return None if revision is None else place(revision, index)


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
