"""Which monitors exist: what kopf does not tell.

kopf never says that a list has ended, and never reports what was deleted while it
was not watching. A list of metadata alone answers both, at the start until the
ledger knows all that exist, and now and then for ever.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from heartbeats.core.model import Uid
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import METADATA_LIST, Client, MetadataList
from heartbeats.edges.kube.decode import decode, number
from heartbeats.edges.kube.objects import Identity
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.ledger import Ledger
from heartbeats.pause import pause

T = TypeVar("T")

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
WHOLE_EVERY = 5
"""Every so many sweeps compare one by one; the others first compare the numbers."""

START_SECONDS = 0.5
ABSENT_SECONDS = 2.0
"""How often it is looked whether the definition is there again."""

ABSENT = "the CRD is not installed: kubectl apply -k crds"


class MonitorSweep:
    """Compares the ledger with a list of what exists."""

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        namespace: str | None,
        on_lost: Callable[[Uid], None],
        on_deaf: Callable[[], None],
        on_read: Callable[[None, Mapping[str, Any]], None],
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._namespace = namespace
        self._on_lost = on_lost
        self._on_deaf = on_deaf
        self._on_read = on_read
        self._unheard: set[Uid] = set()
        self._odd: set[Uid] = set()
        self._turn = 0
        self._is_absent = False
        self._hint = asyncio.Event()
        self.problem: str | None = "monitors have not been listed yet"

    def give_up(self, body: Any) -> None:
        """Wait no longer for a monitor that cannot be read."""
        meta = body.get("metadata") if isinstance(body, dict) else None
        if isinstance(meta, dict):
            self._odd.add(Uid(str(meta.get("uid"))))

    async def first(self) -> None:
        """Return when the ledger knows as many monitors as exist."""
        while True:
            try:
                missing = await self._missing()
            except errors.NotFound:
                self.problem = ABSENT
            except errors.KubeError as error:
                self.problem = f"monitors cannot be listed: {error}"
            else:
                if not missing:
                    self.problem = None
                    return
                self.problem = f"{missing} monitors have not been read yet"
            logger.debug("Not ready: %s", self.problem)
            await asyncio.sleep(START_SECONDS)

    async def _missing(self) -> int:
        """Count what is not known yet: a list of all costs seconds, at the start."""
        exist = await self._count()
        if exist < self._known():
            await self._compare()  # some went unseen
        return max(0, exist - self._known())

    def _known(self) -> int:
        return len(self._ledger) + len(self._odd)

    async def catch_up(self) -> None:
        """Make the ledger know every monitor as it is now; raises KubeError.

        What kopf has not told yet is read one by one: when leaders change, that is
        what the former one wrote in its last moments.
        """
        for meta in (await self._compare()).items:
            if self._is_behind(meta):
                await self._read(meta)

    def _is_behind(self, meta: Identity) -> bool:
        entry = self._ledger.get(Uid(meta.uid))
        if entry is None:
            return meta.uid not in self._odd
        return number(entry.resource_version) < number(meta.resource_version)

    async def _read(self, meta: Identity) -> None:
        path = MONITORS.path(meta.namespace, meta.name)
        with suppress(errors.NotFound):
            body = await self._client.request("GET", path)
            self._on_read(None, decode(body, dict[str, Any]))

    async def run(self) -> None:
        """Forget what was deleted unseen, until cancelled."""
        while True:
            await self._pause()
            try:
                await self.sweep()
            except errors.NotFound:
                self._note_absence()
            except errors.KubeError as error:
                logger.warning("Monitors are not swept: %s", error)
            else:
                self._note_presence()

    def wake(self) -> None:
        """Look soon: somebody found no HeartbeatMonitors to write."""
        self._hint.set()

    async def _pause(self) -> None:
        if self._is_absent:
            await asyncio.sleep(ABSENT_SECONDS)
            return
        self._hint.clear()
        await pause(SWEEP_SECONDS, self._hint)

    def _note_absence(self) -> None:
        """Say that nothing can be monitored: all monitors went with the definition."""
        if self.problem is None:
            logger.error("Nothing is monitored any more: %s", ABSENT)
        self.problem = ABSENT

    def _note_presence(self) -> None:
        """Be well again, unless another problem is `first`'s to solve."""
        if self.problem == ABSENT:
            logger.info("The CRD is there again")
            self.problem = None

    async def sweep(self) -> None:
        """Forget the monitors that were known before a list that lacks them."""
        self._turn = (self._turn + 1) % WHOLE_EVERY
        is_calm = not self._unheard and not self._is_absent
        if self._turn and is_calm and await self._count() == self._known():
            return
        known = {entry.uid for entry in self._ledger}
        listed = await self._compare()
        self._listen({Uid(meta.uid) for meta in listed.items} - known - self._odd)

    async def _count(self) -> int:
        """Count what exists, by one small request; NotFound without the definition."""
        page = await self._noting_absence(
            self._client.list_page(
                MONITORS, namespace=self._namespace, limit=1, accept=METADATA_LIST
            )
        )
        return len(page.items or ()) + page.metadata.remaining

    async def _list(self) -> MetadataList:
        """List what exists; NotFound without the definition."""
        return await self._noting_absence(
            self._client.list_metadata(MONITORS, namespace=self._namespace)
        )

    async def _noting_absence(self, asked: Awaitable[T]) -> T:
        try:
            found = await asked
        except errors.NotFound:
            self._is_absent = True
            raise
        if self._is_absent:
            self._is_absent = False
            self._on_deaf()  # kopf may not notice that it came
        return found

    async def _compare(self) -> MetadataList:
        """List what exists, and forget what was known before and does not."""
        known = {entry.uid for entry in self._ledger}
        listed = await self._list()
        exist = {Uid(meta.uid) for meta in listed.items}
        self._odd &= exist
        for uid in known - exist:
            logger.info("A monitor was deleted unseen", extra={"uid": uid})
            self._on_lost(uid)
        return listed

    def _listen(self, unheard: set[Uid]) -> None:
        """Notice that monitors exist of which nothing is heard, sweep after sweep."""
        if unheard & self._unheard:
            logger.warning("%d monitors are not heard of: listening anew", len(unheard))
            self._on_deaf()
        self._unheard = unheard
