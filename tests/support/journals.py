"""A journal in memory: pings as they are stored, and readers over them.

The API is a dictionary that others read and write too, and what a reader hears of it,
and when, a test decides. It holds no expectations.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from heartbeats.core.model import (
    Blindness,
    CheckIn,
    Kind,
    MonitorKey,
    Source,
    Spec,
    State,
    Uid,
)
from heartbeats.edges.kube.objects import ConfigMap
from heartbeats.edges.kube.resources import CONFIG_MAPS, MONITORS
from heartbeats.edges.kube.segments import JournalReader
from heartbeats.edges.kube.store import Change, ObjectEvent
from heartbeats.journal import Entry, decode, encode
from heartbeats.ledger import Entry as LedgerEntry
from support.builders import (
    HOUR,
    NOW,
    SECOND,
    MemoryApi,
    Object,
    SetClock,
    metadata,
    monitor_object,
)
from support.ledgers import Bench

SYSTEM = "heartbeats-system"


def entry(number: int = 1, name: str = "backup", **said: Any) -> Entry:
    """Make a ping of a monitor as it is journalled."""
    default = {"id": f"ping-{number}", "kind": Kind.SUCCESS, "at": NOW}
    check_in = CheckIn(**{**default, "source": f"h{number}", **said})
    return Entry(MonitorKey("shop", name), Uid(f"hbm-{name}"), check_in)


def segment(name: str, revision: int, *entries: Entry, text: str = "") -> ConfigMap:
    """Make a segment as the reflector decodes it."""
    meta = metadata(name, namespace=SYSTEM, resourceVersion=str(revision))
    body = {"metadata": meta, "data": {"entries": text or encode(entries)}}
    return msgspec.convert(body, ConfigMap)


def added(item: ConfigMap, *, initial: bool = False) -> ObjectEvent[ConfigMap]:
    """Tell of a segment as the watch does, or a list."""
    return ObjectEvent(Change.ADDED, item, initial)


class JournalApi(MemoryApi):
    """Remembers what became of the ConfigMaps, as a watch would tell it."""

    def __init__(self) -> None:
        super().__init__()
        self.turning = SetClock()
        self.clock = self.turning
        self.events: list[ObjectEvent[ConfigMap]] = []
        self.put_bytes = 0
        """Of the texts of all segments and checkpoints so far."""

    def append(self, *entries: Entry, text: str = "") -> str:
        """Store a segment as the ping role does; return its name."""
        name = f"heartbeats-journal-{self._version}"
        meta = {"name": name, "namespace": SYSTEM}
        data = {"entries": text or encode(entries)}
        self.put(CONFIG_MAPS, {"metadata": meta, "data": data})
        return name

    @property
    def config_maps(self) -> list[ConfigMap]:
        """Return the segments and checkpoints, the oldest first."""
        found = [body for path, body in self.objects.items() if "/configmaps/" in path]
        return [msgspec.convert(body, ConfigMap) for body in found]

    @property
    def names(self) -> list[str]:
        """Return what they are called."""
        return [each.metadata.name for each in self.config_maps]

    @property
    def checkpoints(self) -> list[ConfigMap]:
        """Return the checkpoints among them."""
        found = self.config_maps
        return [each for each in found if "-checkpoint-" in each.metadata.name]

    def _store(self, path: str, body: Object) -> Object:
        stored = super()._store(path, body)
        if "/configmaps/" in path:
            self.put_bytes += len(stored["data"]["entries"])
            item = msgspec.convert(stored, ConfigMap)
            self.events.append(ObjectEvent(Change.ADDED, item))
        return stored

    def _perform(self, method: str, path: str, body: Any) -> Object:
        answer = super()._perform(method, path, body)
        if method == "DELETE" and "/configmaps/" in path:
            item = msgspec.convert(answer, ConfigMap)
            self.events.append(ObjectEvent(Change.DELETED, item))
        return answer


class Desk:
    """A reader over an API, with the ledger that tells what is stored."""

    def __init__(self, api: JournalApi | None = None, *, is_open: bool = True) -> None:
        self.api = api or JournalApi()
        self.bench = Bench(NOW, is_open=is_open)
        self.applied: list[str] = []
        self.blind: list[Blindness] = []
        """The times whose pings cannot be read."""
        self.reader = JournalReader(self.api, SYSTEM, self._apply, self.blind.append)
        self.reader.attach(self.bench.ledger)
        self._told = 0

    def _apply(self, item: Entry) -> None:
        self.applied.append(item.check_in.id)
        self.bench.ledger.check_in(item.uid, item.check_in, now=NOW)

    def monitor(
        self, name: str = "backup", state: State | None = None, **spec: Any
    ) -> LedgerEntry:
        """Have a monitor that the ledger knows."""
        self.api.put(MONITORS, monitor_object(name, uid=f"hbm-{name}"))
        rules = Spec(source=Source.PING, **{"interval": HOUR, **spec})
        return self.bench.monitor(name, rules, state=state)

    def write(self, name: str, revision: int, *entries: Entry) -> None:
        """Put a segment into the API and let the watch tell of it."""
        item = segment(name, revision, *entries)
        meta = {"name": name, "namespace": SYSTEM}
        self.api.put(CONFIG_MAPS, {"metadata": meta, "data": item.data})
        self.reader.take(added(item))

    def watch(self) -> None:
        """Tell the reader what happened since it heard of anything."""
        for event in self.api.events[self._told :]:
            self.reader.take(event)
        self._told = len(self.api.events)

    def relist(self, order: Iterable[int] | None = None) -> None:
        """Tell the reader what there is, in any order, and what it knew and is gone."""
        found, known = self.api.config_maps, set(self.known)
        for event in self.api.events[: self._told]:
            if event.object.metadata.name in known - set(self.api.names):
                self.reader.take(
                    ObjectEvent(Change.DELETED, event.object, initial=True)
                )
        for index in range(len(found)) if order is None else order:
            self.reader.take(added(found[index], initial=True))
        self.reader.listed("")
        self._told = len(self.api.events)

    @property
    def known(self) -> list[str]:
        """Return the segments that the reader holds."""
        return [each.name for each in self.reader._backlog]

    def grow_old(self) -> None:
        """Let so much time pass that segments may be merged."""
        self.api.turning.turn(20 * SECOND)

    def is_stored(self, known: LedgerEntry) -> None:
        """Let the API hold a monitor's state as it is now."""
        self.bench.ledger.stored(known.uid, known.state, "", known.resource_version)

    @property
    def segments(self) -> list[str]:
        """Return the names of the segments that are there."""
        return self.api.names


def entries_of(item: ConfigMap) -> tuple[Entry, ...]:
    """Read a segment or a checkpoint."""
    revision = int(item.metadata.resource_version)
    return decode(item.data["entries"], revision=revision)
