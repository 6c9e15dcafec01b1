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
APPEND_SECONDS = 2.0
"""One try of a commit; the journal as a whole waits for 4 s."""


class ConfigMapStore:
    """Appends segments; the name makes a repeated append the same one."""

    def __init__(
        self, client: Client, namespace: str, new_name: Callable[[], str]
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._new_name = new_name

    async def append(self, text: str) -> int:
        """Store a segment durably and return its revision."""
        name = f"{PREFIX}{self._new_name()}"
        body = segment_object(name, text)
        while True:
            try:
                async with asyncio.timeout(APPEND_SECONDS):
                    answer = await self._client.create(
                        CONFIG_MAPS, body, namespace=self._namespace
                    )
                return int(decode(answer, KubeObject).metadata.resource_version)
            except errors.AlreadyExists:
                # An earlier try was stored and its answer lost. Its revision is
                # not needed: whoever applies the segment reads it there.
                return 0
            except (TimeoutError, errors.Unreachable):
                await asyncio.sleep(0.1)  # the journal's patience ends this loop
            except errors.ApiError as error:
                raise JournalUnavailable(error.message) from error


def segment_object(name: str, text: str) -> dict[str, object]:
    """Return the ConfigMap of a segment, or of a checkpoint."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {LABEL: "v1"}},
        "immutable": True,
        "data": {DATA: text},
    }
