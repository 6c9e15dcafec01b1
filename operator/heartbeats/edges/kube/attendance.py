"""A ping replica proves by a Lease that it is there, and tells when it refused pings.

When it could not renew its Lease for a while it starts a new one: a Lease never covers
a break.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from heartbeats.core.codec import write_instant
from heartbeats.core.model import Blindness
from heartbeats.core.presence import ALIVE_FOR, RENEWED_EVERY
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.leases import (
    FIELD_MANAGER,
    LABEL,
    MOST_REFUSALS,
    REFUSED,
    write_refusals,
)
from heartbeats.edges.kube.resources import LEASES
from heartbeats.pause import pause

logger = logging.getLogger(__name__)

SAME_REFUSAL_WITHIN: Final = timedelta(seconds=10)
TOLD_AGAIN_AFTER: Final = 1.0
"""In seconds: refusals come by the thousand."""
LEFT_WITHIN: Final = timedelta(seconds=1)
"""The last proof must not hold up the end: two seconds are promised for all of it."""


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
        self._refusals: list[Blindness] = []
        self._has_news = asyncio.Event()
        self._failure: type[Exception] | None = None

    async def run(self) -> None:
        """Prove the presence again and again, and once more at the end.

        Else the last seconds of a replica that is replaced would count as unheard.
        """
        try:
            await self._renew_always()
        finally:
            await self.renew(within=LEFT_WITHIN)

    async def _renew_always(self) -> None:
        while True:
            await self.renew()
            await asyncio.sleep(TOLD_AGAIN_AFTER)
            await pause(RENEWED_EVERY.total_seconds() - 1, self._has_news)
            self._has_news.clear()

    def refused(self) -> None:
        """Note that a ping was refused just now, through no fault of its own.

        Whoever judges must hear of it at once: silence is no proof any more.
        """
        now = self._client.clock.now()
        last = self._refusals[-1] if self._refusals else None
        if last is not None and now - last.ended_at < SAME_REFUSAL_WITHIN:
            self._refusals[-1] = Blindness(began_at=last.began_at, ended_at=now)
        else:
            self._refusals.append(Blindness(began_at=now, ended_at=now))
            del self._refusals[:-MOST_REFUSALS]
        self._has_news.set()

    async def renew(self, *, within: timedelta = RENEWED_EVERY) -> None:
        """Prove that this replica is there now; a failure is made up for later."""
        now = self._client.clock.now()
        broken = self._renewed_at is None or now - self._renewed_at > ALIVE_FOR
        if broken or self._began_at is None or now < self._began_at:
            self._name, self._began_at = f"heartbeats-ping-{self._new_name()}", now
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._client.apply(
                    LEASES,
                    self._name,
                    self._lease(self._began_at, now),
                    manager=FIELD_MANAGER,
                    force=True,
                    namespace=self._namespace,
                )
        except (errors.KubeError, TimeoutError) as error:
            self._complain(error)
        else:
            self._renewed_at = now
            self._is_well()

    def _complain(self, error: Exception) -> None:
        """Say once what is wrong: it is tried every second while pings are refused."""
        if type(error) is not self._failure:
            why = errors.text_of(error)
            logger.warning("The presence of this replica is not proven: %s", why)
        self._failure = type(error)

    def _is_well(self) -> None:
        if self._failure is not None:
            logger.info("The presence of this replica is proven again")
        self._failure = None

    def _lease(self, began_at: datetime, now: datetime) -> dict[str, Any]:
        return {
            "apiVersion": LEASES.api_version,
            "kind": "Lease",
            "metadata": {
                "name": self._name,
                "labels": {LABEL: "ping"},
                "annotations": {REFUSED: write_refusals(self._refusals)},
            },
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
