"""A pause that an event may end: news need not wait for the next look.

It may do nothing else, and does not clear the event: whoever waits knows when its news
is read.
"""

import asyncio
from contextlib import suppress


async def pause(seconds: float, unless: asyncio.Event) -> None:
    """Return after so many seconds, or as soon as the event is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await unless.wait()
