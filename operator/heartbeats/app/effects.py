"""What the ledger's news leads to: one listener that fans out to the edges."""

import logging
from collections.abc import Callable

from heartbeats.clock import Clock
from heartbeats.core.model import CheckIn, Flip, Health, MonitorKey
from heartbeats.core.transitions import Missed
from heartbeats.edges.eventlog import EventLog, for_check_in, for_flip, for_missed
from heartbeats.edges.kube.autodiscovery import Autodiscovery
from heartbeats.edges.kube.ping_urls import PingUrls
from heartbeats.edges.kube.writer import StatusWriter
from heartbeats.edges.metrics.operator import OperatorMetrics
from heartbeats.ledger import Entry
from heartbeats.watchdog import Watchdog

logger = logging.getLogger(__name__)


class Told:
    """Writes the event log, for the ledger and for the status writer."""

    def __init__(self, log: EventLog, cluster: str) -> None:
        self._log = log
        self._cluster = cluster

    def checked_in(self, entry: Entry, check_in: CheckIn) -> None:
        """Log a check-in."""
        self._write(for_check_in(entry.key, check_in, self._cluster))

    def missed(self, entry: Entry, missed: Missed) -> None:
        """Log a window that expired below the threshold."""
        self._write(for_missed(entry.key, missed, self._cluster))

    def flipped(self, entry: Entry, flip: Flip) -> None:
        """Log a flip, unless its check-in was its line."""
        self._write(for_flip(entry.key, flip, self._cluster))

    def _write(self, event: dict[str, object] | None) -> None:
        if event is not None:
            self._log.write(event)


class Effects:
    """A ledger.Listener; the watchdog comes later because it needs the ledger."""

    def __init__(
        self,
        writer: StatusWriter,
        told: Told,
        urls: PingUrls,
        clock: Clock,
        metrics: OperatorMetrics,
    ) -> None:
        self._writer = writer
        self._told = told
        self._urls = urls
        self._clock = clock
        self._metrics = metrics
        self.watchdog: Watchdog | None = None
        self.autodiscovery: Autodiscovery | None = None
        self.on_change: Callable[[MonitorKey], None] = lambda _key: None
        """Hears which monitors changed or are gone: pages that are open show it."""

    def changed(self, entry: Entry, *, urgent: bool) -> None:
        """Write the status, look at the deadlines again, deliver the URL."""
        self._writer.mark(entry.uid, urgent=urgent)
        self._urls.mark(entry)
        self.on_change(entry.key)
        if urgent:
            self._measure(entry)
        if self.watchdog is not None:
            self.watchdog.wake()

    def lost(self, entry: Entry) -> None:
        """Let open pages show a monitor no more."""
        self.on_change(entry.key)

    def checked_in(self, entry: Entry, check_in: CheckIn) -> None:
        """Log a check-in."""
        self._told.checked_in(entry, check_in)

    def missed(self, entry: Entry, missed: Missed) -> None:
        """Log a window that expired without a flip."""
        self._told.missed(entry, missed)

    def failed(self, entry: Entry, error: Exception) -> None:
        """Say loudly that a monitor is not judged: it is a defect of ours."""
        logger.error(
            "%s is not judged, please report this: %r",
            entry.key,
            error,
            exc_info=error,
            extra={"namespace": entry.key.namespace, "monitor": entry.key.name},
        )
        self._metrics.odd_object("heartbeatmonitors")

    def _measure(self, entry: Entry) -> None:
        flip = entry.state.pending_flips[-1]
        if flip.after is Health.DOWN:
            lag = self._clock.now() - flip.at
            self._metrics.detected(max(lag.total_seconds(), 0.0))
