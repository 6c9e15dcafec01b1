"""The operator's side of ping replicas' Leases: when nobody heard pings.

Nobody may conclude anything else from a Lease than that its holder could reach the
API server, which is what a ping needs, and when it refused pings all the same.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from heartbeats.core.model import Blindness
from heartbeats.core.presence import Presence, gaps, is_uncertain
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.leases import (
    KEPT_FOR,
    REFUSED,
    SELECTOR,
    Lease,
    refusals_of,
)
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.resources import LEASES
from heartbeats.edges.kube.store import ObjectEvent

logger = logging.getLogger(__name__)

TIDY_SECONDS: Final = 60.0


class Presences:
    """The operator's side: tells of the times in which nobody heard pings."""

    def __init__(
        self, client: Client, namespace: str, on_blind: Callable[[Blindness], None]
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._on_blind = on_blind
        self._told: dict[datetime, datetime] = {}
        self._began = False
        self.leases = Reflector(
            client,
            Selection(LEASES, Lease, namespace, SELECTOR),
            on_event=self._see,
        )

    def begin(self) -> list[Blindness]:
        """Return the times up to now in which nobody was there, and tell from now on.

        Breaks that a former operator has seen are among them: they change nothing.
        """
        self._began = True
        found = self._found()
        self._told = {each.began_at: each.ended_at for each in found}
        return found

    def check(self) -> None:
        """Tell of the times in which nobody was there, up to now."""
        if not self._began:
            return
        for blindness in self._found():
            if self._told.get(blindness.began_at) != blindness.ended_at:
                self._told[blindness.began_at] = blindness.ended_at
                self._on_blind(blindness)

    @property
    def uncertain(self) -> bool:
        """Tell whether a replica may have gone a moment ago, before another came."""
        return is_uncertain(self._presences(), now=self._client.clock.now())

    async def run(self) -> None:
        """Remove the Leases of replicas long gone, until cancelled."""
        while True:
            await asyncio.sleep(TIDY_SECONDS)
            try:
                await self.tidy()
            except errors.KubeError as error:
                logger.warning("Old Leases are not removed yet: %s", error)

    async def tidy(self) -> None:
        """Remove what no restart needs any more; the newest always stays."""
        leases = sorted(self.leases.objects.values(), key=_proven_until)
        limit = self._client.clock.now() - KEPT_FOR
        for lease in leases[:-1]:
            if _proven_until(lease) < limit:
                await self._client.delete(
                    LEASES, lease.metadata.name, namespace=self._namespace
                )

    def _found(self) -> list[Blindness]:
        """Return all times in which pings may have gone unheard, oldest first."""
        missing = gaps(self._presences(), now=self._client.clock.now())
        leases = self.leases.objects.values()
        refused = (each for lease in leases for each in refusals_of(lease))
        return sorted([*missing, *refused], key=lambda each: each.began_at)

    def _presences(self) -> list[Presence]:
        return [
            Presence(lease.spec.acquire_time, lease.spec.renew_time)
            for lease in self.leases.objects.values()
            if lease.spec.acquire_time and lease.spec.renew_time
        ]

    def _see(self, event: ObjectEvent[Lease]) -> None:
        began_at, proven = event.object.spec.acquire_time, event.object.spec.renew_time
        # Only a new presence can end a break; a mere renewal is no news.
        is_news = began_at == proven or event.object.metadata.annotations.get(REFUSED)
        if not event.initial and is_news:
            self.check()


def _proven_until(lease: Lease) -> datetime:
    return lease.spec.renew_time or lease.metadata.creation_timestamp or _NEVER


_NEVER = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
