"""The keys that verify tokens, as a ping role holds them: read again every few seconds.

What was read once is kept while the Secret is gone or unreadable, so that nobody's
URL dies because a Secret was pruned. A role that starts without it holds nothing,
and says so. Only a Secret that has a usable key takes another one away.
"""

import asyncio
import logging
from collections.abc import Callable

from heartbeats.core.tokens import Key
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.signing import KeySecret

logger = logging.getLogger(__name__)

KEY_SECONDS = 5.0
NO_KEY_SECONDS = 1.0
"""How often the keys are read, and how often while there are none."""

FRESH_SECONDS = 12.0
"""For so long after a look nobody can have been given a URL by a newer key."""

SETTLED_SECONDS = 15.0
"""Before a new key has been there for so long nobody is given a URL by it."""


class Keyring:
    """Keeps the keys, by the task that awaits `run()`."""

    def __init__(
        self,
        secret: KeySecret,
        monotonic: Callable[[], float],
        *,
        on_change: Callable[[], None],
        on_lost: Callable[[bool], None] = lambda _is_lost: None,
    ) -> None:
        self.keys: tuple[Key, ...] = ()
        self.problem = "the ping keys are not read yet"
        """Why there are no keys, for whoever waits for them; empty: there are."""
        self._secret = secret
        self._monotonic = monotonic
        self._on_change = on_change
        self._on_lost = on_lost
        self._read_at: float | None = None

    @property
    def is_fresh(self) -> bool:
        """Tell whether the keys were read so lately that no URL can be newer."""
        if self._read_at is None or not self.keys:
            return False
        return self._monotonic() - self._read_at <= FRESH_SECONDS

    async def run(self) -> None:
        """Read the keys again and again until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(KEY_SECONDS if self.keys else NO_KEY_SECONDS)

    async def look(self) -> None:
        """Read the keys once."""
        began = self._monotonic()
        try:
            keys = await self._secret.read()
        except errors.KubeError as error:
            self._miss(f"the ping keys cannot be read: {error}")
            return
        self._read_at = began
        self._on_lost(not keys)
        if keys:
            self.use(keys)
        else:
            self._miss(
                f"Secret {self._secret.name} is missing or has no usable key `current`;"
                " if URLs are in use restore it, else the operator makes it"
            )

    def use(self, keys: tuple[Key, ...]) -> None:
        """Take over what the Secret holds."""
        if self.problem and self.keys:
            logger.info("The ping keys are read again")
        self.problem = ""
        if keys != self.keys:
            self.keys = keys
            self._on_change()

    def _miss(self, problem: str) -> None:
        """Say once what is wrong; what was read before stays in use."""
        if problem != self.problem and self.keys:
            form = "Ping URLs are in danger: %s; those in memory are used on"
            logger.error(form, problem)
        elif problem != self.problem:
            # In a new cluster it is so until the operator has made the first key.
            logger.warning("Pings are answered with 503 for now: %s", problem)
        self.problem = problem
