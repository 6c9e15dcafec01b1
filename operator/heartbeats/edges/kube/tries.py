"""How long whoever failed waits for the next try: twice as long each time.

Counts and answers; it may not wait itself, and it writes nothing.
"""

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Tries(Generic[Key]):
    """The failures in a row, by whatever was tried."""

    def __init__(self, first: float, most: int) -> None:
        self._first = first
        self._most = most
        self._failed: Counter[Key] = Counter()

    def failed(self, key: Key) -> float:
        """Note a failure; return for how many seconds to wait."""
        tries = self._failed[key] = min(self._failed[key] + 1, self._most)
        return float(self._first * 2 ** (tries - 1))

    def succeeded(self, key: Key) -> None:
        """Begin anew with what worked."""
        self._failed.pop(key, None)
