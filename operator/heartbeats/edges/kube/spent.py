"""Tells which entries of the journal nobody needs any more.

Those that a stored status counts, and those of monitors that are proven to be gone.
It reads a monitor only to prove that; it deletes nothing.
"""

import logging

from heartbeats.core.model import Uid
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.backlog import Backlog, Held, Owner
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.objects import KubeObject
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.ledger import Ledger

logger = logging.getLogger(__name__)


class Spent:
    """Compares the places of entries with what the ledger knows to be stored."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ledger: Ledger | None = None
        self._gone: set[Uid] = set()
        """Monitors that are gone, of which entries are still there."""

    def attach(self, ledger: Ledger) -> None:
        """Name the ledger that tells what is stored."""
        self._ledger = ledger

    @property
    def can_tell(self) -> bool:
        """Tell whether anything is known by now."""
        return self._ledger is not None and self._ledger.is_open

    def knows(self, owner: Owner, place: int) -> bool:
        """Tell whether an entry is needed no more, as far as is known already."""
        if self._ledger is None or not self._ledger.is_open:
            return False
        entry = self._ledger.get(owner.uid)
        if entry is not None:
            return entry.stored.applied.journal_revision >= place
        if owner.uid not in self._gone:
            return False
        self._ledger.forget(owner.uid)  # what came after it was proven
        return True

    async def proves(self, held: Held) -> bool:
        """Tell whether a whole segment is needed no more; KubeError.

        A monitor that the ledger does not know is asked for. What is spent stays so:
        the next time goes on from there.
        """
        while held.spent < len(held):
            owner, place = held.owners[held.spent], held.places[held.spent]
            if not self.knows(owner, place) and not await self._prove_gone(owner):
                return False
            held.spent += 1
        return self.can_tell

    def remember(self, backlog: Backlog) -> None:
        """Forget whoever is gone and has no entries left."""
        self._gone &= backlog.owners()

    async def _prove_gone(self, owner: Owner) -> bool:
        ledger = self._ledger
        if ledger is None or not ledger.is_open or ledger.get(owner.uid) is not None:
            return False
        if not await self._is_gone(owner):
            return False
        ledger.forget(owner.uid)
        self._gone.add(owner.uid)
        logger.warning(
            "A ping of %s is dropped: the monitor is gone",
            owner.key,
            extra={
                "namespace": owner.key.namespace,
                "monitor": owner.key.name,
                "uid": owner.uid,
            },
        )
        return True

    async def _is_gone(self, owner: Owner) -> bool:
        try:
            found = await self._client.get(
                MONITORS, owner.key.name, KubeObject, namespace=owner.key.namespace
            )
        except errors.NotFound:
            return True
        return found.metadata.uid != owner.uid
