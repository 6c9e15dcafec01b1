"""Whoever has a page open, and how to get rid of one that does not read.

It may not know what is sent.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

WAITING: Final = 16
"""Events that may wait for a client before it is dropped."""

FAREWELL_SECONDS: Final = 0.5


class Client:
    """One stream of events: what waits for it, and its end."""

    def __init__(self, transport: asyncio.Transport | None) -> None:
        self._transport = transport
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)

    def send(self, event: bytes) -> None:
        """Let an event wait; a client with too many of them is dropped."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self.drop()

    def drop(self) -> None:
        """Hang up at once: what is sent to it is not read."""
        if self._transport is not None:
            self._transport.abort()
        self._finish()

    def end(self) -> None:
        """End in order; whoever does not take note of that is dropped."""
        self._finish()
        asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self.drop)

    def _finish(self) -> None:
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def events(self) -> AsyncIterator[bytes]:
        """Yield what is to be sent, until the end."""
        while (event := await self._waiting.get()) is not None:
            yield event
