"""Which monitors changed since a version: cheap to write, read while pages are open.

It may not know what a change is, nor who asks.
"""

from typing import Final

from heartbeats.core.model import MonitorKey

REMEMBERED: Final = 1_000
"""Changed monitors of the past that a page may catch up with."""


class Changes:
    """Counts changes; `start` must be later than any version of a process before."""

    def __init__(self, start: int) -> None:
        self.version = self._since = start
        self._newest: dict[MonitorKey, int] = {}

    def mark(self, key: MonitorKey) -> None:
        """Note that a monitor may look different, or is gone."""
        self.version += 1
        self._newest.pop(key, None)
        self._newest[key] = self.version
        if len(self._newest) > REMEMBERED:
            self._since = self._newest.pop(next(iter(self._newest)))

    def after(self, version: int) -> list[MonitorKey] | None:
        """Return what changed after a version; None: that is not known any more."""
        if not self._since <= version <= self.version:
            return None
        found: list[MonitorKey] = []
        for key, changed in reversed(self._newest.items()):
            if changed <= version:
                break
            found.append(key)
        return found
