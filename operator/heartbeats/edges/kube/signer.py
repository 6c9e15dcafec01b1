"""Which key signs ping URLs, and whether one is missing: the operator's side.

A new key signs only when every ping service must have read it, else its first URLs
would be answered with 404. A lost key is never replaced here. Whatever it finds
wrong it says: in the log, in metrics, and by the ledger in the monitors' Ready.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from heartbeats.clock import Clock
from heartbeats.core.tokens import Key
from heartbeats.edges.kube import errors, keyring
from heartbeats.edges.kube.signing import KeyLostError, KeySecret
from heartbeats.ledger import Ledger

logger = logging.getLogger(__name__)

Keys = tuple[Key, ...]
FOUND = ("current", "previous")


class News(Protocol):
    """Counts what is found out about the keys."""

    def lost(self, is_lost: bool) -> None:
        """Note whether the key Secret is missing or unusable."""

    def urls(self, counts: Mapping[str, int]) -> None:
        """Note how many URLs each key signed: current, previous, missing."""

    def refused(self, count: int) -> None:
        """Count URLs whose key was taken away while they were in use."""


class Signer:
    """Reads the key Secret again and again, and hands on the key that signs."""

    def __init__(
        self,
        secret: KeySecret,
        ledger: Ledger,
        clock: Clock,
        news: News,
        use: Callable[[Keys], None],
    ) -> None:
        self._secret = secret
        self._ledger = ledger
        self._clock = clock
        self._news = news
        self._use = use
        self._newest = ""
        self._settles_at = 0.0
        self._used: Keys = ()
        self._missing: frozenset[str] = frozenset()
        self._said = ""

    async def run(self) -> None:
        """Look again and again until cancelled; the ledger is open."""
        self._used = ()  # what was handed on before it was open reached no monitor
        while True:
            await self.look()
            await asyncio.sleep(keyring.KEY_SECONDS)

    async def look(self) -> None:
        """Read the Secret once; makes the first key if no URL is in use."""
        try:
            keys = await self._secret.read_or_create(
                in_use=bool(self._in_use()), random_bytes=os.urandom
            )
        except KeyLostError as error:
            self._lose(str(error))
        except errors.KubeError as error:
            self._say(f"the ping keys cannot be read: {error}")
        else:
            self._take(keys)

    def _lose(self, why: str) -> None:
        self._say(f"KeyLost: {why}")
        self._news.lost(True)
        self._ledger.lose_key(why, now=self._clock.now())
        self._news.urls(_counts(self._in_use(), ()))

    def _take(self, keys: Keys) -> None:
        if self._said:
            logger.info("The ping keys are there again")
            self._said = ""
        self._news.lost(False)
        self._ledger.lose_key(None, now=self._clock.now())
        if self._is_settled(keys[0].id) and keys != self._used:
            self._used = keys
            self._use(keys)
        used = self._in_use()
        self._news.urls(_counts(used, keys))
        self._tell_missing(used, keys)

    def _is_settled(self, newest: str) -> bool:
        """Tell whether every ping service that judges tokens knows the newest key."""
        now = self._clock.monotonic()
        if newest != self._newest:
            others = bool(self._newest) or self._in_use().keys() - {newest}
            self._settles_at = now + (keyring.SETTLED_SECONDS if others else 0)
            self._newest = newest
        return now >= self._settles_at

    def _tell_missing(self, used: Mapping[str, int], keys: Keys) -> None:
        missing = frozenset(used.keys() - {key.id for key in keys})
        for key_id in missing - self._missing:
            self._news.refused(used[key_id])
            logger.error(
                "%d ping URLs in use are refused: their key %s is no longer in Secret "
                "%s. Jobs that read the Secret of their monitor get a new URL; for "
                "the others put the key back, as `previous`",
                used[key_id],
                key_id,
                self._secret.name,
            )
        self._missing = missing

    def _in_use(self) -> Counter[str]:
        """Count the monitors by the key that their status names."""
        states = (entry.state for entry in self._ledger)
        return Counter(state.key_id for state in states if state.key_id)

    def _say(self, problem: str) -> None:
        if problem != self._said:
            logger.error("%s", problem)
        self._said = problem


def _counts(used: Mapping[str, int], keys: Keys) -> dict[str, int]:
    counts = dict.fromkeys((*FOUND, "missing"), 0)
    names = {key.id: name for name, key in reversed([*zip(FOUND, keys, strict=False)])}
    for key_id, count in used.items():
        counts[names.get(key_id, "missing")] += count
    return counts
