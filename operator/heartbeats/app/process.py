"""One process: the chosen roles, their listeners, and an orderly end.

A role that fails ends the process with an error: whoever started it starts it
again, and every start is a catch-up. SIGTERM and SIGINT end it with success.
The operator role is imported only where it runs: the ping role has no kopf.
"""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

from aiohttp import web

from heartbeats import __version__
from heartbeats.app.ping import PingRole
from heartbeats.app.zones import choose_zone_files, zone_version
from heartbeats.clock import Clock, CorrectedClock, SystemClock
from heartbeats.config import Address, Config, Role
from heartbeats.edges.health import Check, Fresh, HealthPages, Pulse
from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.kubeconfig import find_credentials
from heartbeats.edges.listener import Listener
from heartbeats.edges.metrics.monitors import Level, Options
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.edges.metrics.scrape import Scrape
from heartbeats.ledger import Entry

if TYPE_CHECKING:
    from heartbeats.app.operator import OperatorRole
    from heartbeats.edges.page.site import StatusPage

logger = logging.getLogger(__name__)

LOOP_LIMIT = timedelta(seconds=20)
KOPF_LIMIT = timedelta(seconds=60)
"""kopf holds its loop while it absorbs a list; this is long past that."""

WATCHDOG_LIMIT = timedelta(seconds=60)

NEW_OBJECTS_PER_COLLECTION = 10_000
"""Python's own 700 look at every request under way again and again: a third of a
ping's cost. What this keeps for longer is some megabytes."""


class Ready:
    """A role's own word on whether it is ready."""

    def __init__(self, name: str, problem: Callable[[], str | None]) -> None:
        self.name = name
        self._problem = problem

    def problem(self) -> str | None:
        """Say why the role is not ready."""
        return self._problem()


class Process:
    """Runs the roles of one configuration until it is told to stop."""

    def __init__(
        self, config: Config, environ: Mapping[str, str], clock: Clock | None = None
    ) -> None:
        self._config = config
        self._clock = CorrectedClock(clock or SystemClock())
        self._environ = environ
        self._metrics = OperatorMetrics(__version__)
        self._stop = asyncio.Event()
        self._operator: OperatorRole | None = None
        self._ping: PingRole | None = None

    async def run(self) -> None:
        """Run until SIGTERM, SIGINT or a failure."""
        gc.set_threshold(NEW_OBJECTS_PER_COLLECTION, 20, 20)
        choose_zone_files(self._environ)
        logger.info("Time zones: %s", zone_version())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        credentials = find_credentials(
            environ=self._environ,
            clock=self._clock,
            kubeconfig=str(self._config.kubeconfig)
            if self._config.kubeconfig
            else None,
            context=self._config.context,
        )
        async with AsyncExitStack() as stack:
            roles = asyncio.create_task(self._run(credentials, stack))
            stopped = asyncio.create_task(self._stop.wait())
            await asyncio.wait({roles, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not roles.done():
                logger.info("Stopping")
                roles.cancel()
            stopped.cancel()
            await asyncio.gather(stopped, return_exceptions=True)
            await _ended(roles)

    async def _run(self, credentials: Credentials, stack: AsyncExitStack) -> None:
        pulse = Pulse(self._clock.monotonic)
        async with asyncio.TaskGroup() as group:
            group.create_task(pulse.run())
            url = self._config.public_url
            if self._config.role is not Role.OPERATOR:
                listening: asyncio.Future[str] = asyncio.Future()
                self._ping = PingRole(
                    self._config,
                    await stack.enter_async_context(await open_session(credentials)),
                    self._clock,
                    self._metrics,
                )
                group.create_task(self._ping.run(listening.set_result))
                url = url or await listening
            if self._config.role is not Role.PING:
                await self._build_operator(credentials, stack, url)
            await self._listen(stack, pulse)
            if self._operator is not None:
                group.create_task(self._operator.run())

    async def _build_operator(
        self, credentials: Credentials, stack: AsyncExitStack, url: str | None
    ) -> None:
        from heartbeats.app.operator import OperatorRole

        service = f"http://heartbeats-ping.{self._config.own_namespace}.svc:8080"
        self._operator = OperatorRole(
            self._config,
            credentials,
            await stack.enter_async_context(await open_session(credentials)),
            self._clock,
            self._metrics,
            url or service,
        )

    async def _listen(self, stack: AsyncExitStack, pulse: Pulse) -> None:
        config = self._config
        health = HealthPages(self._live_checks(pulse), self._ready_checks())
        options = Options.of(Level(config.metrics_level), config.metric_labels)
        scrape = Scrape(self._metrics, self._entries, options, self._clock)
        await self._open(stack, "health", config.health_address, health.application())
        await self._open(stack, "metrics", config.metrics_address, scrape.application())
        if self._operator is not None:
            page = self._page(self._operator)
            await self._open(stack, "page", config.page_address, page.application())

    def _page(self, operator: "OperatorRole") -> "StatusPage":
        from heartbeats.edges.page.hosts import is_loopback
        from heartbeats.edges.page.site import Place, StatusPage

        config = self._config
        host, port = config.page_address.host, config.page_address.port
        place = Place(
            operator.public_url,
            config.own_namespace,
            port,
            is_local=is_loopback(host),
            has_secrets=config.ping_secrets,
        )
        page = StatusPage(operator, self._clock, operator.follows, place)
        operator.on_change, operator.on_begin = page.mark, page.forget
        return page

    async def _open(
        self,
        stack: AsyncExitStack,
        name: str,
        wanted: Address,
        application: web.Application,
    ) -> None:
        listener = await stack.enter_async_context(Listener(application, wanted))
        logger.info("The %s listener is at %s", name, listener.url)

    def _entries(self) -> Iterable[Entry]:
        return () if self._operator is None else self._operator.entries()

    def _ready_checks(self) -> list[Check]:
        found: list[Check] = []
        if self._operator is not None:
            found.append(Ready("operator", self._operator.problem))
        if self._ping is not None:
            found.append(Ready("ping", self._ping.problem))
        return found

    def _live_checks(self, pulse: Pulse) -> list[Check]:
        tell = self._clock.monotonic
        found: list[Check] = [Fresh("loop", lambda: pulse.last, LOOP_LIMIT, tell)]
        operator = self._operator
        if operator is not None:
            found += [
                Fresh("kopf", operator.last_kopf_turn, KOPF_LIMIT, tell),
                Fresh("watchdog", operator.last_judged, WATCHDOG_LIMIT, tell),
            ]
        return found


async def _ended(roles: asyncio.Task[None]) -> None:
    """Wait for the roles; what ended them by themselves is raised."""
    try:
        await roles
    except asyncio.CancelledError:
        if not roles.cancelled():
            raise
