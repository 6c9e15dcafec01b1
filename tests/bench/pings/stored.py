"""What the journal costs etcd: every object it creates is seen by a watch and measured.

The size is that of the object as JSON, which is more than etcd stores of it.
"""

import json
from dataclasses import dataclass
from threading import Event, Thread

import msgspec
import requests

from support.kube import Kube
from support.operators import SYSTEM
from support.resources import CONFIG_MAPS


class _Data(msgspec.Struct):
    entries: str = ""


class _Object(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


class _Change(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Segment(msgspec.Struct):
    entries: list[msgspec.Raw] = []


@dataclass
class Stored:
    """Counts while it is running."""

    objects: int = 0
    checkpoints: int = 0
    bytes_put: int = 0
    """Of segments and checkpoints."""
    entries: int = 0
    entries_bytes: int = 0
    """Of the entries' JSON, each counted once."""

    def __post_init__(self) -> None:
        """Begin with nothing seen."""
        self._ended = Event()

    def start(self, kube: Kube) -> Thread:
        """Watch the journal in a thread of its own until `stop`."""
        thread = Thread(target=self._watch_all, args=(kube,), daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End with the next change that is seen."""
        self._ended.set()

    @property
    def ratio(self) -> float:
        """Tell how many bytes were put for each byte of entries."""
        return self.bytes_put / max(self.entries_bytes, 1)

    def _watch_all(self, kube: Kube) -> None:
        try:
            self._watch(kube)
        except requests.RequestException:
            if not self._ended.is_set():  # else the cluster is going
                raise

    def _watch(self, kube: Kube) -> None:
        held = kube.configuration
        url = f"{held.host}{CONFIG_MAPS.path(SYSTEM)}"
        query = {"watch": "1", "labelSelector": "heartbeats.dev/journal=v1"}
        with requests.get(
            url,
            params=query,
            stream=True,
            timeout=(10, None),
            cert=(held.cert_file, held.key_file),
            verify=held.ssl_ca_cert,
        ) as answer:
            for line in answer.iter_lines(chunk_size=1 << 16):
                if self._ended.is_set():
                    return
                self._see(line)

    def _see(self, line: bytes) -> None:
        change = msgspec.json.decode(line, type=_Change)
        if change.type != "ADDED":
            return
        text = msgspec.json.decode(change.object, type=_Object).data.entries
        entries = msgspec.json.decode(text, type=_Segment).entries
        self.objects += 1
        self.bytes_put += len(change.object)
        if entries and "place" in json.loads(bytes(entries[0])):
            self.checkpoints += 1
            return
        self.entries += len(entries)
        self.entries_bytes += sum(map(len, entries))
