"""The journal of accepted pings: a ping is answered after its entry is stored.

One write to the store carries all entries that wait. Where segments are kept is the
store's business (`SegmentStore`); this package knows no cluster. It never says that
something is stored when it may not be.
"""

from heartbeats.journal.commits import SEGMENT_BYTES, Journal, SegmentStore
from heartbeats.journal.entries import (
    Entry,
    decode,
    decode_piece,
    encode,
    pieces,
    place,
    segment,
    with_place,
)
from heartbeats.journal.errors import (
    JournalError,
    JournalUnavailable,
    ShareExceeded,
    UnreadableSegmentError,
)
from heartbeats.journal.limits import Limits

__all__ = [
    "SEGMENT_BYTES",
    "Entry",
    "Journal",
    "JournalError",
    "JournalUnavailable",
    "Limits",
    "SegmentStore",
    "ShareExceeded",
    "UnreadableSegmentError",
    "decode",
    "decode_piece",
    "encode",
    "pieces",
    "place",
    "segment",
    "with_place",
]
