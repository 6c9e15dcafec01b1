"""The segments that this release cannot read, and the times whose pings are in them.

A newer release wrote them, or somebody's hand. They are kept for whoever can read
them; until then those pings count as unheard: no monitor is Down for want of one. It
reads no segment and deletes none.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from heartbeats.core.model import Blindness
from heartbeats.edges.kube.objects import ConfigMap
from heartbeats.edges.kube.segment_store import CHECKPOINT

logger = logging.getLogger(__name__)

WAITED_FOR: Final = timedelta(seconds=5)
"""A ping is received at most 4 s before its segment is created."""
MERGED_FOR: Final = timedelta(days=1)
"""What is in a checkpoint may have waited for its status for long; hardly a day."""
ROUNDED: Final = timedelta(seconds=1)
"""Creation times have whole seconds."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a creation time that is missing, which no API server leaves out."""


class Unread:
    """Tells once of each, and remembers them while they are there."""

    def __init__(self, on_blind: Callable[[Blindness], None]) -> None:
        self._on_blind = on_blind
        self._found: dict[str, Blindness] = {}
        self._began = False

    def __len__(self) -> int:
        """Count the segments that wait for a release that can read them."""
        return len(self._found)

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def keep(self, segment: ConfigMap, why: Exception) -> None:
        """Take one that cannot be read."""
        name = segment.metadata.name
        logger.error("Journal segment %s is kept, but not applied: %s", name, why)
        found = self._found[name] = _unheard(segment)
        if self._began:
            self._on_blind(found)

    def begin(self) -> list[Blindness]:
        """Return the times of all there are, and tell of others from now on."""
        self._began = True
        return list(self._found.values())

    def drop(self, name: str) -> None:
        """Forget one that was deleted: what was in it stays unheard."""
        self._found.pop(name, None)


def _unheard(segment: ConfigMap) -> Blindness:
    """Return when the pings in it were received, or may have been."""
    created_at = segment.metadata.creation_timestamp or EPOCH
    before = MERGED_FOR if segment.metadata.name.startswith(CHECKPOINT) else WAITED_FOR
    return Blindness(began_at=created_at - before, ended_at=created_at + ROUNDED)
