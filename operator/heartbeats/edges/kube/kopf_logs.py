"""What kopf logs of its requests, once a minute in place of once a try.

It repeats a request each second while the API server is away, and calls every try an
error. Nothing is kept from being said; only its repetition is.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import Final

AGAIN_SECONDS: Final = 60.0

CLIENTS: Final = ("kopf._cogs.clients.watching", "kopf._core.reactor.observation")
"""The modules of kopf's that make requests here; each has them log as itself."""

_CHANGING: Final = re.compile(r"#\d+(/\d+)?|\?\S*")
"""The number of a try, and parameters with versions."""


class Calm(logging.Filter):
    """Lets a line pass unless it was said within the last minute."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = monotonic
        self._said_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is news."""
        said, now = _CHANGING.sub("", record.getMessage()), self._now()
        is_news = now - self._said_at.get(said, -AGAIN_SECONDS) >= AGAIN_SECONDS
        if is_news:
            # What is older says nothing any more, so this does not grow.
            self._said_at = {
                text: at
                for text, at in self._said_at.items()
                if now - at < AGAIN_SECONDS
            } | {said: now}
        return is_news


def calm() -> None:
    """Keep kopf's clients from repeating themselves; doing so twice does no harm."""
    for name in CLIENTS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, Calm) for each in logger.filters):
            logger.addFilter(Calm())
