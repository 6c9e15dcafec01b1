"""Plays the job outside the cluster: one GET every few seconds, as curl would do.

It decides nothing: the story says when the job is silent.
"""

import math
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Final

INTERVAL: Final = 10.0
"""Seconds between two pings of a job that is due every 15 seconds."""

_TIMEOUT = 6.0
"""Seconds: the service answers within 4, whatever happens."""


class Pinger:
    """Pings a URL, once it is known, whenever a ping is due."""

    def __init__(
        self, find_url: Callable[[], str | None], monotonic: Callable[[], float]
    ) -> None:
        self._find_url = find_url
        self._monotonic = monotonic
        self._url: str | None = None
        self._next_at = -math.inf
        self.problem: str | None = None
        """Why the last ping was not taken; None: it was."""

    def turn(self) -> None:
        """Ping if the last one is long enough ago; a refused one is sent again."""
        self._url = self._url or self._find_url()
        if self._url is None or self._monotonic() < self._next_at:
            return
        self.problem = ping(self._url)
        if self.problem is None:
            self._next_at = self._monotonic() + INTERVAL


def ping(url: str) -> str | None:
    """Send one ping; returns why it was not taken, or None. The URL is a secret."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT):  # noqa: S310 - our own
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"The ping was answered with {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return f"The ping was not answered: {error}"
