"""`/metrics`: the operator's own series, then those of the monitors.

Only the text format 0.0.4 is spoken, whatever is asked for: every Prometheus reads
it, and nothing here has exemplars, for which OpenMetrics would be needed.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import web

from heartbeats.clock import Clock
from heartbeats.edges.metrics.monitors import Options, monitor_series
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.ledger.entries import Entry

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PATIENCE_SECONDS: Final = 30.0
"""A scraper that takes longer to read is cut off; Prometheus gives up after 10 s."""


class Scrape:
    """Answers scrapes.

    `monitors` returns the entries to tell of: none on a replica that does not lead,
    so that no monitor is told of twice.
    """

    def __init__(
        self,
        operator: OperatorMetrics,
        monitors: Callable[[], Iterable[Entry]],
        options: Options,
        clock: Clock,
    ) -> None:
        self._operator = operator
        self._monitors = monitors
        self._options = options
        self._clock = clock

    def application(self) -> web.Application:
        """Return what a listener serves."""
        app = web.Application()
        app.router.add_get("/metrics", self._answer, allow_head=False)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": CONTENT_TYPE})
        async with asyncio.timeout(PATIENCE_SECONDS):
            await response.prepare(request)
            await response.write(self._operator.render())
            series = monitor_series(
                self._monitors(), self._options, now=self._clock.now()
            )
            for piece in series:
                if piece:
                    await response.write(piece.encode())
                # Whoever waits for the loop runs now: pings, watches, deadlines.
                await asyncio.sleep(0)
            await response.write_eof()
        return response
