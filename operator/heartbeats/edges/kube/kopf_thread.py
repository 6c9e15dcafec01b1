"""kopf in a thread and an event loop of its own, started again when it ends.

kopf holds its loop for up to a second while it absorbs a list, cancels every
later task of its loop when it ends, and ends on errors that are ours to survive.
So it gets a loop to itself. It may touch nothing of ours but two callbacks,
which must hand over to our loop (`call_soon_threadsafe`).
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import kopf

from heartbeats.clock import Clock
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.handlers import MonitorEvent, registry, settings
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.edges.kube.served import until_served

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
STOP_SECONDS = 1.5
SHORT_SECONDS = 10.0
"""A life of kopf that was shorter was of no use."""
SHORT_LIVES = 3
"""So many in a row are no accident: this replica hears of no monitor."""

_IDENTITY: Any = "heartbeats"
"""Only peering would use it. Unless told, kopf asks for the user's name, and ends where
the user has none, as in most pods. Its type is not public."""


class KopfThread:
    """Runs kopf until stopped; whatever ends it starts it again."""

    def __init__(
        self,
        credentials: Credentials,
        on_event: MonitorEvent,
        *,
        clock: Clock,
        namespace: str | None = None,
    ) -> None:
        self._credentials = credentials
        self._on_event = on_event
        self._clock = clock
        self._namespace = namespace
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_kopf: asyncio.Event | None = None
        self._work: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)
        self.restarts = -1
        self._short_lives = 0
        self._began = clock.monotonic()
        self.last_turn: float | None = None
        """When kopf's loop last answered a `probe`, by the monotonic clock."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def stop(self) -> None:
        """Ask kopf to end and wait for it, a few seconds at most."""
        self._stopping.set()
        loop, event, work = self._loop, self._stop_kopf, self._work
        if loop is not None and event is not None:
            self._call(loop, event.set)
        await asyncio.to_thread(self._thread.join, STOP_SECONDS)
        if self._thread.is_alive() and loop is not None and work is not None:
            # It is retrying a request and does not look at its flag.
            self._call(loop, work.cancel)
            await asyncio.to_thread(self._thread.join, STOP_SECONDS)

    def restart(self) -> None:
        """End kopf, so that it starts again and reads everything anew."""
        loop, work = self._loop, self._work
        if loop is not None and work is not None:
            self._call(loop, work.cancel)

    @property
    def problem(self) -> str | None:
        """Say that kopf ends as soon as it is started; None: it runs, or soon does."""
        if self._short_lives < SHORT_LIVES or self._has_lived():
            return None
        return f"kopf ended {self._short_lives} times in a row: see the log"

    def _has_lived(self) -> bool:
        return self._clock.monotonic() - self._began >= SHORT_SECONDS

    def probe(self) -> None:
        """Ask kopf's loop for a sign of life; it comes later, in `last_turn`."""
        loop = self._loop
        if loop is not None:
            self._call(loop, self._note_turn)

    def _note_turn(self) -> None:
        self.last_turn = self._clock.monotonic()

    @staticmethod
    def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
        try:
            loop.call_soon_threadsafe(function)
        except RuntimeError:  # it is being restarted just now
            logger.debug("kopf's loop is closed")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.restarts += 1
            self._began = self._clock.monotonic()
            try:
                asyncio.run(self._operate())
            except asyncio.CancelledError:
                # By `restart`, or by `stop` when kopf did not look at its flag.
                if not self._stopping.is_set():
                    logger.warning("kopf was cancelled; it is started again")
            except Exception:
                logger.exception("kopf ended with an error; it is started again")
            else:
                if not self._stopping.is_set():
                    logger.warning("kopf ended by itself; it is started again")
            self._short_lives = 0 if self._has_lived() else self._short_lives + 1
            self._stopping.wait(PAUSE_SECONDS)

    async def _operate(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop_kopf = asyncio.Event()
        self._work = asyncio.current_task()
        if not self._stopping.is_set():
            async with await open_session(self._credentials) as session:
                client = Client(session, clock=self._clock)
                await until_served(client, MONITORS, self._stop_kopf)
        if self._stopping.is_set():
            return
        everywhere = self._namespace is None
        await kopf.operator(
            registry=registry(self._credentials, self._on_event),
            settings=settings(),
            standalone=True,
            identity=_IDENTITY,
            clusterwide=everywhere,
            namespaces=[] if self._namespace is None else [self._namespace],
            stop_flag=self._stop_kopf,
        )
