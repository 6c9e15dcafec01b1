"""The segments that were read and are not deleted yet, and little of each of them.

Of an entry its JSON is kept, its place and whose it is: a hundred thousand may wait.
Nothing here waits or talks to the API server, and nothing decides what is needed.
"""

import heapq
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from weakref import WeakValueDictionary

from msgspec import Raw

from heartbeats.core.model import MonitorKey, Uid
from heartbeats.journal import Entry, decode, decode_piece, pieces, place, with_place


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Owner:
    """A monitor that has entries; the same object for all of them."""

    key: MonitorKey
    uid: Uid


IsSpent = Callable[[Owner, int], bool]
"""Tells whether the entry of a monitor at a place is needed no more."""


@dataclass(slots=True, eq=False)
class Held:
    """A segment or a checkpoint, and what became of it."""

    name: str
    text: str
    """The same that the reflector keeps: it is there once."""
    owners: tuple[Owner, ...]
    """Whose its entries are, one by one."""
    places: "array[int]"
    is_checkpoint: bool
    look_at: float
    """When to see (again) whether it is to be merged (monotonic seconds)."""
    spent: int = 0
    """So many of its first entries are known to be needed no more."""
    is_ripe: bool = False
    """It is worth merging, and stays so."""
    is_merged: bool = False
    """A checkpoint holds all of it that is needed."""

    def __len__(self) -> int:
        """Count its entries."""
        return len(self.places)

    def __bool__(self) -> bool:
        """Be true even without entries: an empty segment has to be deleted too."""
        return True

    def entries(self) -> Iterator[Entry]:
        """Read its entries one by one, in the order of their places."""
        found = pieces(self.text)
        for index in sorted(range(len(self)), key=self.places.__getitem__):
            yield decode_piece(found[index], self.places[index])

    @property
    def size(self) -> int:
        """Measure its text in bytes."""
        return len(self.text.encode())

    def needed_bytes(self, is_spent: IsSpent) -> int:
        """Measure what it holds of use."""
        return sum(len(bytes(piece)) for piece, _ in self._needed(is_spent))

    def needed(self, is_spent: IsSpent) -> list[bytes]:
        """Return what it holds of use, each entry with its own place."""
        return [with_place(piece, at) for piece, at in self._needed(is_spent)]

    def _needed(self, is_spent: IsSpent) -> Iterator[tuple[Raw, int]]:
        found = zip(self.owners, self.places, pieces(self.text), strict=True)
        for owner, at, piece in found:
            if not is_spent(owner, at):
                yield piece, at


class Backlog:
    """All that is held, by name."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._owners: WeakValueDictionary[Uid, Owner] = WeakValueDictionary()

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def __iter__(self) -> Iterator[Held]:
        """Iterate over what is held now, whatever happens meanwhile."""
        return iter(tuple(self._held.values()))

    @property
    def entries(self) -> int:
        """Count the entries, those in a segment and its checkpoint once."""
        return sum(len(each) for each in self if not each.is_merged)

    def read(
        self, name: str, text: str, revision: int, *, look_at: float
    ) -> tuple[Held, list[Entry]]:
        """Make what is held of a text, and its entries in order.

        Raises UnreadableSegmentError.
        """
        entries = decode(text, revision=revision)
        places = array("q", map(_place_of, entries))
        held = Held(
            name,
            text,
            tuple(self._owner(entry) for entry in entries),
            places,
            # Only what it was told elsewhere stands where its revision cannot put it.
            any(at != place(revision, index) for index, at in enumerate(places)),
            look_at,
        )
        return held, sorted(entries, key=_place_of)

    def add(self, held: Held) -> None:
        """Hold it."""
        self._held[held.name] = held

    def drop(self, name: str) -> None:
        """Forget it, if it is held."""
        self._held.pop(name, None)

    def owners(self) -> set[Uid]:
        """Return the monitors that have entries here."""
        return set(self._owners)

    def _owner(self, entry: Entry) -> Owner:
        known = self._owners.get(entry.uid)
        if known is None or known.key != entry.monitor:
            known = self._owners[entry.uid] = Owner(entry.monitor, entry.uid)
        return known


def in_order(*found: Iterable[Entry]) -> Iterator[Entry]:
    """Put ordered entries into the one order of their places, each once.

    A segment and its checkpoint may both be there. Few entries are held at a time.
    """
    newest = -1
    for entry in heapq.merge(*found, key=_place_of):
        if _place_of(entry) > newest:
            newest = _place_of(entry)
            yield entry


def _place_of(entry: Entry) -> int:
    return entry.check_in.revision or 0
