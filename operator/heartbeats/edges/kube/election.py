"""Who leads: one Lease that every operator replica wants, after client-go's protocol.

A leader renews it; whoever has seen no change of it for as long as it lasts may take
it. Spans are measured by each replica's own monotonic clock, never by comparing the
times in the Lease with a clock here. Every write names the resourceVersion that was
read: of two who try at once one fails. It decides who leads, and nothing else.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from heartbeats.edges.kube import candidacy, errors
from heartbeats.edges.kube.candidacy import LeaderLease, Sight
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.decode import decode
from heartbeats.edges.kube.mandate import Mandate
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.resources import LEASES
from heartbeats.edges.kube.store import ObjectEvent
from heartbeats.pause import pause

logger = logging.getLogger(__name__)

RENEW_SECONDS: Final = 3.0
RENEW_WITHIN: Final = 10.0
"""A leader that could not renew for so long stops: five seconds before anybody else
may take over."""

RETRY_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 1.0
"""How often a follower reads the Lease; it is also told of changes, mostly at once."""

SHORTEST_PAUSE: Final = 0.02
REQUEST_SECONDS: Final = 2.5
RELEASE_SECONDS: Final = 1.0


class Election:
    """One replica's part in it: it wins, keeps and gives back the Lease."""

    def __init__(self, client: Client, namespace: str, identity: str) -> None:
        self._client = client
        self._namespace = namespace
        self._identity = identity
        self._now = client.clock.monotonic
        self._sight = Sight()
        self._news = asyncio.Event()
        self._told = ""
        self._failure: type[Exception] | None = None
        self.problem: str | None = f"{self._lease} has not been read yet"
        """Why it is not known who leads; None: it is."""
        self.hints = Reflector(
            client,
            Selection(LEASES, LeaderLease, namespace, candidacy.SELECTOR),
            on_event=self._hear,
        )
        """Tells of changes sooner than the next look; nothing depends on it."""

    @property
    def leader(self) -> str:
        """Return who led when the Lease was last read; empty: nobody."""
        return self._sight.holder

    def wake(self) -> None:
        """Look again at once."""
        self._news.set()

    async def win(self, mandate: Mandate, *, is_ready: Callable[[], bool]) -> None:
        """Return when this replica leads, not before `is_ready()` says that it can."""
        while True:
            self._news.clear()
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    await self._look()
                if is_ready() and self._may_take():
                    async with asyncio.timeout(REQUEST_SECONDS):
                        await self._take(mandate)
            except (errors.KubeError, TimeoutError) as error:
                self._complain(error)
            else:
                self._is_well()
            if mandate.holds:
                logger.info("Leading")
                return
            await self._pause()

    async def keep(self, mandate: Mandate) -> None:
        """Renew until the mandate is over: another leads, or nobody could be asked."""
        pause = RENEW_SECONDS
        while (left := mandate.seconds) > 0:
            await asyncio.sleep(min(pause, left))
            if mandate.holds:
                pause = RENEW_SECONDS if await self._renew(mandate) else RETRY_SECONDS
        why = f"{self.leader or 'nobody'} holds {self._lease}"
        if self.leader == self._identity:
            why = self.problem or f"{self._lease} was not renewed in time"
        logger.warning("Leading no more: %s", why)

    async def release(self) -> None:
        """Give the Lease back, so that nobody has to wait. Nothing writes any more."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                try:
                    await self._give_back()
                except errors.Conflict:  # by a renewal whose answer was not awaited
                    await self._look()
                    await self._give_back()
        except (errors.KubeError, TimeoutError) as error:
            logger.warning(
                "%s is not given back: %s", self._lease, errors.text_of(error)
            )

    # How

    @property
    def _lease(self) -> str:
        return f"the Lease {self._namespace}/{candidacy.LEASE}"

    def _may_take(self) -> bool:
        return candidacy.may_take(self._sight, self._identity, at=self._now())

    async def _look(self) -> None:
        """Read the Lease."""
        lease: LeaderLease | None = None
        with suppress(errors.NotFound):
            lease = await self._client.get(
                LEASES, candidacy.LEASE, LeaderLease, namespace=self._namespace
            )
        self._see(lease)

    def _see(self, lease: LeaderLease | None) -> None:
        self._sight = candidacy.seen(self._sight, lease, at=self._now())
        if self.leader != self._told:
            self._told = self.leader
            if self.leader not in {"", self._identity}:
                logger.info("Following: %s leads", self.leader)

    async def _take(self, mandate: Mandate) -> None:
        sent = self._now()
        # A conflict means that somebody else was quicker.
        with suppress(errors.Conflict):
            await self._claim()
            mandate.extend(sent + RENEW_WITHIN)

    async def _renew(self, mandate: Mandate) -> bool:
        """Renew once; False: it did not work, but the mandate may last still."""
        sent = self._now()
        try:
            async with asyncio.timeout(min(REQUEST_SECONDS, mandate.seconds)):
                try:
                    await self._claim()
                except (errors.Conflict, errors.NotFound):
                    await self._look()
                    self._is_well()
                    if self.leader != self._identity:
                        mandate.end()
                    return False
        except (errors.KubeError, TimeoutError) as error:
            self._complain(error)
            return False
        self._is_well()
        mandate.extend(sent + RENEW_WITHIN)
        return True

    async def _claim(self) -> None:
        now = self._client.clock.now()
        lease, identity = self._sight.lease, self._identity
        await self._write(candidacy.claimed(lease, identity, now=now))

    async def _give_back(self) -> None:
        if self.leader == self._identity:
            now = self._client.clock.now()
            await self._write(candidacy.released(self._sight.lease, now=now))

    async def _write(self, spec: dict[str, Any]) -> None:
        """Store the Lease as it is to be, if nobody has written since it was read."""
        body = candidacy.body(self._sight.lease, self._namespace, spec)
        if self._sight.lease is None:
            answer = await self._client.create(LEASES, body, namespace=self._namespace)
        else:
            answer = await self._client.merge(
                LEASES, candidacy.LEASE, body, namespace=self._namespace
            )
        self._see(decode(answer, LeaderLease))

    async def _pause(self) -> None:
        """Wait for the next look: for news, or for the end of the Lease."""
        expires = candidacy.expires_in(self._sight, at=self._now())
        seconds = max(min(expires or LOOK_SECONDS, LOOK_SECONDS), SHORTEST_PAUSE)
        await pause(seconds, self._news)

    def _hear(self, event: ObjectEvent[LeaderLease]) -> None:
        """Look at once when the Lease changes hands; renewals are no news."""
        if event.object.spec.holder_identity != self._sight.holder:
            self._news.set()

    def _is_well(self) -> None:
        self.problem = self._failure = None

    def _complain(self, error: Exception) -> None:
        """Say once what is wrong, and what to do."""
        self.problem = f"{self._lease} {_sentence(error)}"
        if type(error) is not self._failure:
            logger.warning("Who leads is in doubt: %s", self.problem)
        self._failure = type(error)


def _sentence(error: Exception) -> str:
    if isinstance(error, errors.Forbidden):
        return (
            "may not be read and written: apply manifests/base, whose Role in this "
            f"namespace allows it ({error.message})"
        )
    return f"cannot be read and written, it is tried again: {errors.text_of(error)}"
