"""From the API server's bytes to objects, one object at a time.

A list page and a watch line are opened without looking into the objects; each object
is then decoded on its own, so that one odd object costs itself and not its page. It
is reported once for each of its versions, counted and skipped: it still exists, and
so is returned as an `Odd`, which a sweep must not take for a deletion.
"""

import logging
from typing import Generic, TypeVar

import msgspec

from heartbeats.edges.kube.errors import UNREADABLE, Malformed
from heartbeats.edges.kube.objects import KubeObject
from heartbeats.edges.kube.resources import Resource

logger = logging.getLogger(__name__)

T = TypeVar("T")
ObjectT = TypeVar("ObjectT", bound=KubeObject)

MAX_REPORTED = 1_000
"""So many odd objects are remembered as reported; then reporting starts anew."""

MAX_LINE_BYTES = 32 * 2**20
"""A longer watch line is no object: etcd holds at most a few MB for each."""


class ListMeta(msgspec.Struct, frozen=True, gc=False):
    """The metadata of a list page."""

    version: str = msgspec.field(name="resourceVersion")
    token: str = msgspec.field(default="", name="continue")
    remaining: int = msgspec.field(default=0, name="remainingItemCount")
    """How many come after this page; absent where a selector narrows the list."""


class Page(msgspec.Struct, frozen=True, gc=False):
    """One page of a list; its items are still bytes."""

    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class WatchLine(msgspec.Struct, frozen=True, gc=False):
    """One line of a watch; its object is still bytes."""

    type: str
    object: msgspec.Raw


class Odd(msgspec.Struct, frozen=True, gc=False):
    """Who an object is that could not be decoded; empty where unknown."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    version: str = msgspec.field(default="", name="resourceVersion")


class _Skeleton(msgspec.Struct, frozen=True, gc=False):
    metadata: Odd = Odd()


def decode(body: bytes | bytearray | msgspec.Raw, type_: type[T]) -> T:
    """Decode an answer as a whole; Malformed when it is not of that type."""
    try:
        return msgspec.json.decode(body, type=type_)
    except UNREADABLE as error:
        raise Malformed(
            f"the API server's answer is no {type_.__name__}: {error}; "
            "is there a proxy in between that answers itself?"
        ) from error


def version_of(raw: msgspec.Raw | bytes) -> str:
    """Return any object's resourceVersion, decodable or not; "" when it has none."""
    return decode(raw, _Skeleton).metadata.version


def number(version: str) -> int:
    """Return a resourceVersion as the number it is; Malformed when it is none."""
    if not version.isdecimal():
        raise Malformed(f"{version!r} is no resourceVersion")
    return int(version)


class Decoder(Generic[ObjectT]):
    """Decodes objects of one resource, and tells of those that it cannot."""

    def __init__(self, resource: Resource, type_: type[ObjectT]) -> None:
        self.resource = resource
        self.skipped = 0
        self._decoder = msgspec.json.Decoder(type_)
        self._reported: dict[str, str] = {}

    def object(self, raw: msgspec.Raw) -> ObjectT | Odd:
        """Decode an object; one that cannot be is reported and named."""
        try:
            return self._decoder.decode(raw)
        except UNREADABLE as error:
            odd = self._identify(raw)
            self._report(odd, error)
            return odd

    def _identify(self, raw: msgspec.Raw) -> Odd:
        try:
            return msgspec.json.decode(raw, type=_Skeleton).metadata
        except UNREADABLE:
            return Odd()

    def _report(self, odd: Odd, error: Exception) -> None:
        self.skipped += 1
        if self._reported.get(odd.uid) == odd.version:
            return
        if len(self._reported) >= MAX_REPORTED:
            self._reported.clear()
        self._reported[odd.uid] = odd.version
        logger.warning(
            "Skipping one of the %s that cannot be read: %s",
            self.resource.plural,
            error,
            extra={
                "namespace": odd.namespace,
                "object_name": odd.name,
                "uid": odd.uid,
                "resource_version": odd.version,
            },
        )


class LineSplitter:
    """Puts chunks of a stream together again to lines, however they were cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that this chunk completes, without empty ones."""
        if b"\n" not in chunk:
            self._rest += chunk
            lines = []
        else:
            *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise Malformed(f"a watch line is longer than {MAX_LINE_BYTES} bytes")
        return [line for line in lines if line.strip()]
