"""Sends a ping until it is recorded, refused for good, or its time is over.

Repeated are: no answer, 408, 429 and 5xx, with growing pauses and never before the
moment that the service named. Anything else is final.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Final, Protocol

from heartbeats.client.requests import Request

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 8.0
"""Seconds: they double from the one to the other."""

ATTEMPT_SECONDS: Final = 6.0
"""The service answers within 4, whatever happens to it."""

_OK = 200
REDIRECTS = range(300, 400)
_SERVER_ERRORS = range(500, 600)
_TEMPORARY = {408, 429}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a ping ended, in a sentence to show."""

    is_recorded: bool
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered."""

    status: int
    text: str
    """The first line of the body, or where a redirect points to."""
    retry_after: float | None = None
    """Seconds until it wants to be asked again."""


class NoAnswerError(Exception):
    """Nobody answered; the text says why."""


class Budget:
    """The time a ping may take; another thread may cut its repetitions short."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._hurry = Event()

    def left(self) -> float:
        """Return the seconds left."""
        return max(0.0, self._ends_at - time.monotonic())

    def pause(self, seconds: float) -> bool:
        """Wait; False as soon as the time is, or will be, over before that."""
        if seconds >= self.left():
            return False
        return not self._hurry.wait(seconds)

    def hurry(self) -> None:
        """Allow no further pause: the attempt that is under way is the last."""
        self._hurry.set()


class Patience(Protocol):
    """A Budget, or what a test turns by hand."""

    def left(self) -> float:
        """Return the seconds left."""
        ...

    def pause(self, seconds: float) -> bool:
        """Wait; False when there is not that much time."""
        ...


Send = Callable[[Request, float], Answer]
"""Sends a request once, within so many seconds; raises NoAnswerError."""


class Pinger:
    """Sends requests; `random` is a number from 0 to 1, so that jobs do not march."""

    def __init__(self, send: Send, random: Callable[[], float]) -> None:
        self._send = send
        self._random = random

    def ping(self, request: Request, patience: Patience) -> Outcome:
        """Send a ping until its end is known."""
        attempt, said = 0, "there was no time to send it"
        while (left := patience.left()) > 0:
            wait = 0.0
            try:
                answer = self._send(request, min(left, ATTEMPT_SECONDS))
            except NoAnswerError as error:
                said = f"{request.host} can't be reached: {error}"
            else:
                if not _is_temporary(answer.status):
                    return _judge(request.host, answer)
                said, wait = _answered(request.host, answer), answer.retry_after or 0.0
            attempt += 1
            if not patience.pause(max(wait, self._pause(attempt))):
                break
        return Outcome(False, f"{said} (attempts: {attempt})")

    def _pause(self, attempt: int) -> float:
        """Return 50 to 100 % of a pause that doubles each time."""
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * math.pow(2, min(attempt, 10) - 1))
        return longest * (0.5 + self._random() / 2)


def _is_temporary(status: int) -> bool:
    return status in _TEMPORARY or status in _SERVER_ERRORS


def _judge(host: str, answer: Answer) -> Outcome:
    said = _answered(host, answer)
    if answer.status == _OK and answer.text == "OK":
        return Outcome(True, said)
    if answer.status in REDIRECTS:
        return Outcome(False, f"{said}: ping that address, redirects are not followed")
    return Outcome(False, f"{said}: {_ADVICE.get(answer.status, _OTHER)}")


def _answered(host: str, answer: Answer) -> str:
    return " ".join(filter(None, (f"{host} answered {answer.status}", answer.text)))


_OTHER = "this is not how a ping is answered, so see where the URL leads"
_ADVICE: Final = {
    200: "a recorded ping is answered with OK alone, so see where the URL leads; "
    "it ends with /ping/TOKEN",
    400: "the service can't read this ping, so sending it again won't help",
    401: "something before the ping service asks for a login; use a way without",
    403: "something before the ping service refuses; ask who runs it",
    404: "no monitor has this URL. It was mistyped, or the monitor was deleted or got "
    "a new token: `heartbeats url NAMESPACE/NAME` prints the one that is right",
    405: "the URL is no ping URL; that ends with /ping/TOKEN",
    413: "something before the ping service takes no output of this size; leave it out",
}
