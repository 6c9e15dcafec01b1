"""What a reflector does about failures: how long it waits, and what it says.

A failure is logged when it begins, when its kind changes and now and then while it
lasts; ten minutes of outage are ten lines, not six hundred. Nothing here waits or
talks to the API server.
"""

import logging
from collections.abc import Callable, Mapping

from heartbeats.edges.kube import errors
from heartbeats.edges.kube.pace import Pace, Uniform

logger = logging.getLogger(__name__)

OUTAGES = (
    errors.Unreachable,
    errors.ServerError,
    errors.TooManyRequests,
    errors.Unauthorized,
    errors.Forbidden,
)
"""Failures that say nothing about our version: a watch resumes where it was."""


class Backoff:
    """Growing delays with jitter, so that replicas do not come back in step."""

    def __init__(self, first: float, most: float, uniform: Uniform) -> None:
        self._first = first
        self._most = most
        self._uniform = uniform
        self._step = 0.0

    def next(self) -> float:
        """Return the next delay: between half the step and the step."""
        self._step = min(self._step * 2 or self._first, self._most)
        return self._uniform(self._step / 2, self._step)

    def reset(self) -> None:
        """Start from the first delay again: it works."""
        self._step = 0.0


class Recovery:
    """The failures of one stream: counted, logged, answered with delays (seconds)."""

    def __init__(
        self, pace: Pace, monotonic: Callable[[], float], fields: Mapping[str, object]
    ) -> None:
        self.failures = 0
        self.backoff = Backoff(pace.first_delay, pace.most_delay, pace.uniform)
        self._pace = pace
        self._monotonic = monotonic
        self._fields = fields
        self._complaint: tuple[type[Exception], float] | None = None

    def failed(self, error: errors.ApiError) -> float:
        """Take note of a failure; return the delay before the next attempt."""
        self.failures += 1
        self._complain(error)
        delay = self.backoff.next()
        if isinstance(error, errors.TooManyRequests) and error.retry_after is not None:
            asked = error.retry_after.total_seconds()
            return max(delay, min(asked, self._pace.most_retry_after))
        return delay

    def ended(self, lasted: float) -> float:
        """Take note that a stream ended by itself; return the delay, often none."""
        if lasted < self._pace.healthy:
            return self.backoff.next()
        self.backoff.reset()
        return 0.0

    def works(self) -> None:
        """Take note that the stream is open, and say so if it had failed."""
        if self._complaint is not None:
            self._complaint = None
            logger.info("Watching again", extra=self._fields)

    def _complain(self, error: errors.ApiError) -> None:
        now = self._monotonic()
        if self._complaint is not None:
            kind, said_at = self._complaint
            if kind is type(error) and now - said_at < self._pace.complain_again:
                return
        self._complaint = (type(error), now)
        logger.warning("The watch was interrupted: %s", error, extra=self._fields)
