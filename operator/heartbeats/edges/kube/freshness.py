"""Whether what is heard of the cluster is fresh: by hearing it, else by asking.

A stream that is open and brought something lately is fresh; bookmarks come about each
minute, so that a quiet one is too. One that is silent is confirmed by a small read.
It decides nothing about a monitor and changes no stream: before a deadline is judged,
`evidence` asks anew.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

from heartbeats.core import durations
from heartbeats.edges.kube import errors
from heartbeats.watchdog import Observer

logger = logging.getLogger(__name__)

QUIET_SECONDS: Final = 75.0
"""So long an open stream may say nothing: a bookmark and a little more."""

STALE_SECONDS: Final = 120.0
"""After so long without a sign of a stream, work should not be expected here."""

LOOK_SECONDS: Final = 15.0
CONFIRM_WITHIN: Final = timedelta(seconds=10)


class Stream(Protocol):
    """What can be listened to and asked: a reflector."""

    streaming: bool
    last_activity: float | None
    """When the server last sent anything (monotonic seconds)."""

    async def confirm(self, *, within: timedelta) -> None:
        """Return once everything up to this call has been delivered."""


class Freshness:
    """Keeps an eye on streams, by the task that awaits `run()`."""

    def __init__(
        self, streams: Mapping[str, Stream], monotonic: Callable[[], float]
    ) -> None:
        self._streams = streams
        self._now = monotonic
        self._confirmed: dict[str, float] = {}
        self._why: dict[str, str] = {}

    @property
    def is_fresh(self) -> bool:
        """Tell whether every stream was heard or confirmed a moment ago."""
        return not self._silent()

    def problem(self) -> str | None:
        """Say which stream has given no sign for too long; None: all is well.

        Of a stream that never gave one others tell that it is not read yet.
        """
        for name in self._streams:
            last = self._last_sign(name)
            if last is not None and self._now() - last > STALE_SECONDS:
                ago = durations.humanise(timedelta(seconds=round(self._now() - last)))
                why = self._why.get(name, "no answer")
                return f"{name} were last heard of {ago} ago: {why}"
        return None

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Confirm the streams that are silent, all at once."""
        async with asyncio.TaskGroup() as group:
            for name in self._silent():
                group.create_task(self._confirm(name))

    async def _confirm(self, name: str) -> None:
        try:
            await self._streams[name].confirm(within=CONFIRM_WITHIN)
        except errors.KubeError as error:
            logger.debug("%s are not confirmed: %s", name, error)
            self._why[name] = str(error)
        else:
            self._confirmed[name] = self._now()

    def _silent(self) -> list[str]:
        return [name for name in self._streams if not self._is_heard(name)]

    def _is_heard(self, name: str) -> bool:
        stream, now = self._streams[name], self._now()
        signs = [self._confirmed.get(name)]
        # What was heard before the stream broke off proves nothing any more.
        signs += [stream.last_activity] if stream.streaming else []
        return any(at is not None and now - at <= QUIET_SECONDS for at in signs)

    def _last_sign(self, name: str) -> float | None:
        signs = (self._streams[name].last_activity, self._confirmed.get(name))
        return max((at for at in signs if at is not None), default=None)


class Evaluations:
    """A watchdog's Observer: a round counts only while what is heard is fresh.

    When nothing is due a round asks nobody, and would go on well with a deaf ear.
    """

    def __init__(
        self, freshness: Freshness, observer: Observer, monotonic: Callable[[], float]
    ) -> None:
        self._freshness = freshness
        self._observer = observer
        self._now = monotonic
        self.last: float | None = None
        """When a round last counted, in monotonic seconds."""

    def evaluated(self, at: datetime) -> None:
        """Note a finished round, unless nobody knows what it missed."""
        if self._freshness.is_fresh:
            self.last = self._now()
            self._observer.evaluated(at)

    def blind(self, seconds: float) -> None:
        """Note time in which deadlines could not be judged."""
        self._observer.blind(seconds)
