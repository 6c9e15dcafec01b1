"""Ping replicas prove by Leases that they are there, and the operator reads it.

A replica renews a Lease of its own. When it could not for a while, it starts a new
one: a Lease never covers a break. Nobody else may conclude anything from a Lease
than that its holder could reach the API server, which is what a ping needs.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from heartbeats.core.codec import write_instant
from heartbeats.core.model import Blindness
from heartbeats.core.presence import (
    ALIVE_FOR,
    RENEWED_EVERY,
    Presence,
    gaps,
    is_uncertain,
)
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.objects import KubeObject, Record, Time
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.resources import LEASES
from heartbeats.edges.kube.store import ObjectEvent

logger = logging.getLogger(__name__)

LABEL: Final = "heartbeats.dev/role"
SELECTOR: Final = f"{LABEL}=ping"
FIELD_MANAGER: Final = "heartbeats-ping"
KEPT_FOR: Final = timedelta(hours=1)
"""How long the Lease of a replica that is gone is kept, for a later restart."""

TIDY_SECONDS = 60.0


class LeaseSpec(Record, frozen=True, kw_only=True):
    """`.spec` of a Lease."""

    acquire_time: Time | None = None
    renew_time: Time | None = None


class Lease(KubeObject, frozen=True, gc=False, kw_only=True):
    """A Lease, as far as it proves a presence."""

    spec: LeaseSpec = LeaseSpec()


class Attendance:
    """A ping replica's side: renews its Lease until cancelled."""

    def __init__(
        self, client: Client, namespace: str, new_name: Callable[[], str]
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._new_name = new_name
        self._name = ""
        self._began_at: datetime | None = None
        self._renewed_at: datetime | None = None

    async def run(self) -> None:
        """Prove the presence again and again."""
        while True:
            await self.renew()
            await asyncio.sleep(RENEWED_EVERY.total_seconds())

    async def renew(self) -> None:
        """Prove that this replica is there now; a failure is made up for later."""
        now = self._client.clock.now()
        broken = self._renewed_at is None or now - self._renewed_at > ALIVE_FOR
        if broken or self._began_at is None or now < self._began_at:
            self._name, self._began_at = f"heartbeats-ping-{self._new_name()}", now
        try:
            async with asyncio.timeout(RENEWED_EVERY.total_seconds()):
                await self._client.apply(
                    LEASES,
                    self._name,
                    self._lease(self._began_at, now),
                    manager=FIELD_MANAGER,
                    force=True,
                    namespace=self._namespace,
                )
        except (errors.KubeError, TimeoutError) as error:
            logger.warning("The presence of this replica is not proven: %s", error)
        else:
            self._renewed_at = now

    def _lease(self, began_at: datetime, now: datetime) -> dict[str, Any]:
        return {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": {"name": self._name, "labels": {LABEL: "ping"}},
            "spec": {
                "holderIdentity": self._name,
                "leaseDurationSeconds": round(ALIVE_FOR.total_seconds()),
                "acquireTime": _micro(began_at),
                "renewTime": _micro(now),
            },
        }


def _micro(at: datetime) -> str:
    text = write_instant(at)
    return text if "." in text else text.replace("Z", ".000000Z")


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
        found = gaps(self._presences(), now=self._client.clock.now())
        self._told = {each.began_at: each.ended_at for each in found}
        return found

    def check(self) -> None:
        """Tell of the times in which nobody was there, up to now."""
        if not self._began:
            return
        for blindness in gaps(self._presences(), now=self._client.clock.now()):
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

    def _presences(self) -> list[Presence]:
        return [
            Presence(lease.spec.acquire_time, lease.spec.renew_time)
            for lease in self.leases.objects.values()
            if lease.spec.acquire_time and lease.spec.renew_time
        ]

    def _see(self, event: ObjectEvent[Lease]) -> None:
        began_at, proven = event.object.spec.acquire_time, event.object.spec.renew_time
        # Only a new presence can end a break; a renewal is no news.
        if not event.initial and began_at == proven:
            self.check()


def _proven_until(lease: Lease) -> datetime:
    return lease.spec.renew_time or lease.metadata.creation_timestamp or _NEVER


_NEVER = datetime.fromisoformat("0001-01-01T00:00:00+00:00")
