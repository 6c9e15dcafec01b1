"""Several streams at once: all of them are shown to be current, or one is not.

A verdict may depend on more than one. It may not look at what a stream holds.
"""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol

from heartbeats.edges.kube.errors import KubeError


class Stream(Protocol):
    """What can show that it is current: a reflector."""

    async def confirm(self, *, within: timedelta) -> None:
        """Return once everything up to this call has been delivered; KubeError."""

    def prepare(self) -> None:
        """Be ready to be confirmed in a moment."""


async def confirm_all(streams: Iterable[Stream], *, within: timedelta) -> None:
    """Confirm several at once; raises the error of one that could not be."""
    try:
        async with asyncio.TaskGroup() as group:
            for stream in streams:
                group.create_task(stream.confirm(within=within))
    except* KubeError as failed:
        raise failed.exceptions[0] from None
