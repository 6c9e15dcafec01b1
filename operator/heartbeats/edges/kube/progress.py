"""How far a reflector has come, how long it may hear nothing or hold the loop.

A resourceVersion is a number that only grows, the same for the whole cluster. Here
stand the small parts that let a confirmation wait for one and hurry a stream. They
know nothing of the API server.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self


class Progress:
    """The version reached (0: none), and the versions that somebody waits for."""

    def __init__(self) -> None:
        self.version = 0
        self._waiting: dict[asyncio.Future[None], int] = {}

    @property
    def wanted(self) -> int:
        """The newest version that somebody waits for; 0 when nobody does."""
        return max(self._waiting.values(), default=0)

    @property
    def is_behind(self) -> bool:
        """True while somebody waits for a version that is not reached."""
        return self.version < self.wanted

    def advance(self, version: int) -> None:
        """Take note that all changes up to this version have been delivered."""
        self.version = version
        for future, wanted in self._waiting.items():
            if wanted <= version and not future.done():
                future.set_result(None)

    def forget(self) -> None:
        """Take note that changes may have been missed."""
        self.version = 0

    async def reach(self, version: int) -> None:
        """Wait until this version is reached, however long that takes."""
        if self.version >= version:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = version
        try:
            await future
        finally:
            del self._waiting[future]


class StreamLimit:
    """Ends a silent stream with TimeoutError; others can end it sooner.

    An async context manager around the reading of the stream.
    """

    def __init__(self, opening: float, inactivity: float) -> None:
        self.was_cut_short = False
        self._inactivity = inactivity
        self._timeout = asyncio.timeout(opening)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._timeout.__aexit__(kind, error, trace)

    def heard(self) -> None:
        """Let the stream be silent anew, unless it is being cut short."""
        if not self.was_cut_short:
            self._reschedule(self._inactivity)

    def cut_short(self) -> None:
        """End the stream now, from another task."""
        if not self.was_cut_short:
            self.was_cut_short = True
            self._reschedule(0.0)

    def _reschedule(self, seconds: float) -> None:
        # RuntimeError: it has just run out by itself, which is as good.
        with suppress(RuntimeError):
            self._timeout.reschedule(asyncio.get_running_loop().time() + seconds)


class Turns:
    """Lets the event loop do other things now and then during long work."""

    def __init__(self, longest: float, monotonic: Callable[[], float]) -> None:
        self._longest = longest
        self._monotonic = monotonic
        self._began = monotonic()

    async def give_way(self) -> None:
        """Return at once, or after one turn of the loop when this one was long."""
        if self._monotonic() - self._began > self._longest:
            await asyncio.sleep(0)
            self._began = self._monotonic()
