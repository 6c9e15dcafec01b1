"""What a reflector knows, keyed by uid, and how it tells the world of changes.

Names are used again, uids are not: when an object is deleted and created anew under
its name, the two are strangers here, in whatever order their events come. Nothing
here waits or talks to the API server.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from heartbeats.edges.kube.objects import KubeObject

logger = logging.getLogger(__name__)

ObjectT = TypeVar("ObjectT", bound=KubeObject)


class Change(StrEnum):
    """What happened to an object."""

    ADDED = "Added"
    MODIFIED = "Modified"
    DELETED = "Deleted"


@dataclass(frozen=True, slots=True)
class ObjectEvent(Generic[ObjectT]):
    """A change of one object; `initial` when a list told it, not the watch."""

    kind: Change
    object: ObjectT
    initial: bool = False


class Store(Generic[ObjectT]):
    """The objects known now; every change goes to the callback, which may fail."""

    def __init__(
        self,
        on_event: Callable[[ObjectEvent[ObjectT]], None],
        on_synced: Callable[[str], None] | None,
        retain: Callable[[ObjectT], ObjectT],
    ) -> None:
        self.objects: dict[str, ObjectT] = {}
        self.callback_errors = 0
        self._on_event = on_event
        self._on_synced = on_synced
        self._retain = retain
        self._failed: set[str] = set()

    def put(self, new: ObjectT, *, initial: bool = False) -> None:
        """Take in an object; a list's unchanged one is passed over in silence."""
        uid = new.metadata.uid
        old = self.objects.get(uid)
        if initial and old is not None and self._is_told(old, new):
            return
        kept = self.objects[uid] = self._retain(new)
        self._tell(Change.ADDED if old is None else Change.MODIFIED, kept, initial)

    def remove(
        self, uid: str, last: ObjectT | None = None, *, initial: bool = False
    ) -> None:
        """Forget an object, if it is known; `last` is its last form."""
        known = self.objects.pop(uid, None)
        if known is not None:
            self._tell(Change.DELETED, last or known, initial)
            # There is nothing left to tell again.
            self._failed.discard(uid)

    def absent_from(self, uids: Collection[str]) -> list[str]:
        """Which known uids are not among these: they went while nobody watched."""
        return [uid for uid in self.objects if uid not in uids]

    def tell_synced(self, version: str) -> None:
        """Tell that a whole list of this version has been taken in."""
        if self._on_synced is None:
            return
        try:
            self._on_synced(version)
        except Exception:
            self.callback_errors += 1
            logger.exception("The end of a list could not be taken in")

    def _is_told(self, old: ObjectT, new: ObjectT) -> bool:
        return (
            old.metadata.resource_version == new.metadata.resource_version
            and new.metadata.uid not in self._failed
        )

    def _tell(self, kind: Change, item: ObjectT, initial: bool) -> None:
        uid = item.metadata.uid
        self._failed.discard(uid)
        try:
            self._on_event(ObjectEvent(kind, item, initial))
        except Exception:
            # The next list tries again; until then the stream must go on.
            self._failed.add(uid)
            self.callback_errors += 1
            logger.exception(
                "An event could not be taken in",
                extra={
                    "change": kind.value,
                    "namespace": item.metadata.namespace,
                    "object_name": item.metadata.name,
                    "uid": uid,
                },
            )
