"""A ping on its way in a thread of its own, which nobody has to wait for.

Whatever happens there, it ends as an Outcome: a job that pings must not be hurt by
it. The thread is a daemon, because looking up a name can't be interrupted.
"""

from collections.abc import Callable
from threading import Thread

from heartbeats.client.pinger import (
    Answer,
    Budget,
    NoAnswerError,
    Outcome,
    Pinger,
)
from heartbeats.client.requests import Request


class Courier:
    """Carries one request for at most so many seconds."""

    def __init__(self, request: Request, seconds: float) -> None:
        self._request = request
        self._seconds = seconds
        self._budget = Budget(seconds)
        self._outcome: Outcome | None = None
        self._abort: Callable[[], None] = _nothing
        self._is_given_up = False
        self._thread = Thread(target=self._work, name="ping", daemon=True)

    def start(self) -> None:
        """Send it off; returns at once."""
        try:
            self._thread.start()
        except RuntimeError as error:  # the limit of threads or of memory
            self._outcome = Outcome(False, f"the ping can't be sent: {error}")

    def result(self, within: float) -> Outcome:
        """Wait for its end; after so many seconds it is given up."""
        if self._thread.ident is not None:
            self._thread.join(within)
        if self._outcome is None:
            self._give_up()
            host = self._request.host
            return Outcome(False, f"{host} has not answered within {within:.0f} s")
        return self._outcome

    def last_call(self, within: float) -> Outcome:
        """Repeat it no more; wait only for the answer that is outstanding."""
        self._budget.hurry()
        return self.result(within)

    def _give_up(self) -> None:
        self._is_given_up = True
        self._budget.hurry()
        self._abort()

    def _work(self) -> None:
        try:
            self._outcome = self._ping()
        except Exception as error:  # noqa: BLE001 - a ping must not hurt its job
            self._outcome = Outcome(False, f"the ping failed: {error!r}")

    def _ping(self) -> Outcome:
        # Imported here, in the thread: the job does not wait for it.
        import random

        # Pauses need no good dice.
        return Pinger(self._send, random.random).ping(self._request, self._budget)

    def _send(self, request: Request, timeout: float) -> Answer:
        from heartbeats.client.transport import Attempt
        from heartbeats.clock import SystemClock

        attempt = Attempt(SystemClock())
        self._abort = attempt.abort
        # Looked at after that: either it is seen here, or the attempt is aborted.
        if self._is_given_up:
            raise NoAnswerError("given up")
        return attempt.send(request, timeout)


def _nothing() -> None:
    """Stand for an attempt that has not begun."""


def carry(request: Request, seconds: float) -> Outcome:
    """Send a ping and wait for its end, for at most so many seconds."""
    # A moment less to itself, so that it can still tell why it failed.
    courier = Courier(request, seconds * 0.95)
    courier.start()
    return courier.result(seconds)
