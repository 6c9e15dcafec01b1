"""Journal segments as immutable ConfigMaps in the operator's own namespace.

The ping role creates them, the operator role applies and then deletes them
(`segments`) or merges them (`checkpoints`); they meet nowhere else.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.decode import decode
from heartbeats.edges.kube.objects import KubeObject
from heartbeats.edges.kube.resources import CONFIG_MAPS
from heartbeats.journal import JournalUnavailable

LABEL: Final = "heartbeats.dev/journal"
SELECTOR: Final = f"{LABEL}=v1"
DATA: Final = "entries"
PREFIX: Final = "heartbeats-journal-"
CHECKPOINT: Final = f"{PREFIX}checkpoint-"
APPEND_SECONDS = 1.5
"""A try without an answer gets company after so long: its request, or its answer, may
be lost, or the API server is slow. The journal as a whole waits for 4 s."""

PAUSE_SECONDS = 0.1


class ConfigMapStore:
    """Appends segments; the name makes a repeated append the same one."""

    def __init__(
        self, client: Client, namespace: str, new_name: Callable[[], str]
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._new_name = new_name

    async def append(self, text: str) -> int:
        """Store a segment durably and return its revision.

        The first answer counts, whichever try it is to: the journal's patience ends
        them all.
        """
        body = segment_object(f"{PREFIX}{self._new_name()}", text)
        tries: set[asyncio.Task[int | None]] = set()
        done: set[asyncio.Task[int | None]] = set()
        try:
            while True:
                tries.add(asyncio.create_task(self._try(body)))
                done, tries = await asyncio.wait(
                    tries,
                    timeout=APPEND_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for each in done:
                    if (revision := each.result()) is not None:
                        return revision
        finally:
            for each in tries:
                each.cancel()
            await asyncio.gather(*tries, *done, return_exceptions=True)

    async def _try(self, body: dict[str, object]) -> int | None:
        """Create the segment; None: nobody knows whether it is stored."""
        try:
            answer = await self._client.create(
                CONFIG_MAPS, body, namespace=self._namespace
            )
        except errors.AlreadyExists:
            # An earlier try was stored and its answer lost. Its revision is not
            # needed: whoever applies the segment reads it there.
            return 0
        except errors.Unreachable:
            await asyncio.sleep(PAUSE_SECONDS)
            return None
        except errors.ApiError as error:
            raise JournalUnavailable(error.message) from error
        return int(decode(answer, KubeObject).metadata.resource_version)


def segment_object(name: str, text: str) -> dict[str, object]:
    """Return the ConfigMap of a segment, or of a checkpoint."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {LABEL: "v1"}},
        "immutable": True,
        "data": {DATA: text},
    }
