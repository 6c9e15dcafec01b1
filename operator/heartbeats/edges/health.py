"""`/healthz` and `/readyz`, which can fail: each is a list of checks with a name.

Liveness asks whether a restart would help: do the loops turn, are the tasks there?
Readiness asks whether work should come here. A loop that hangs altogether answers
nobody, which the kubelet counts as a failure too. Checks read facts; they may not
wait, and they change nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Final, Protocol

from aiohttp import web

from heartbeats.core import durations

PULSE_SECONDS: Final = 1.0

logger = logging.getLogger(__name__)


class Check(Protocol):
    """One reason to be well or not."""

    @property
    def name(self) -> str:
        """Name the check in a word or two."""
        ...

    def problem(self) -> str | None:
        """Say what is wrong in a sentence; None while all is well."""
        ...


class Fresh:
    """Something must have happened within `limit`, or since this check was made.

    `last` tells when it last did, in seconds of the `monotonic` clock.
    """

    def __init__(
        self,
        name: str,
        last: Callable[[], float | None],
        limit: timedelta,
        monotonic: Callable[[], float],
    ) -> None:
        self.name = name
        self._last = last
        self._limit = limit
        self._monotonic = monotonic
        self._since = monotonic()

    def problem(self) -> str | None:
        """Say how long it has not happened."""
        last = self._last()
        silent = timedelta(
            seconds=self._monotonic() - (self._since if last is None else last)
        )
        if silent <= self._limit:
            return None
        limit = durations.humanise(self._limit)
        if last is None:
            return f"has not happened once within {limit} of the start"
        return f"last happened {durations.humanise(silent)} ago, the limit is {limit}"


@dataclass(frozen=True, slots=True)
class Done:
    """Something must be so; `sentence` says what is wrong while it is not."""

    name: str
    flag: Callable[[], bool]
    sentence: str

    def problem(self) -> str | None:
        """Return the sentence while it is not so."""
        return None if self.flag() else self.sentence


@dataclass(frozen=True, slots=True)
class Alive:
    """Tasks that must never end, because nobody starts them again."""

    name: str
    tasks: Callable[[], Iterable[asyncio.Task[object]]]

    def problem(self) -> str | None:
        """Name the tasks that ended, and why."""
        ended = [_epitaph(task) for task in self.tasks() if task.done()]
        return "; ".join(ended) or None


def _epitaph(task: asyncio.Task[object]) -> str:
    if task.cancelled():
        return f"{task.get_name()} was cancelled"
    error = task.exception()
    return f"{task.get_name()} ended" + (f" with {error!r}" if error else "")


class Pulse:
    """Shows that a loop turns: `last` grows while it does. Run it as a task there."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.last: float | None = None
        """When the loop last turned, in seconds of the monotonic clock."""

    async def run(self) -> None:
        """Note the time again and again, until cancelled."""
        while True:
            self.last = self._monotonic()
            await asyncio.sleep(PULSE_SECONDS)


class HealthPages:
    """Answers probes: 200 while every check is well, else 503 and the problems."""

    def __init__(self, live: Sequence[Check], ready: Sequence[Check]) -> None:
        self._checks = {"/healthz": live, "/readyz": ready}
        self._problems: dict[str, dict[str, str]] = {}

    def application(self) -> web.Application:
        """Return what a listener serves."""
        app = web.Application()
        for path in self._checks:
            app.router.add_get(path, self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        checks = self._checks[request.path]
        problems = {
            check.name: problem for check in checks if (problem := check.problem())
        }
        self._log_change(request.path, problems)
        answer = [
            {"name": check.name, "ok": check.name not in problems}
            | ({"problem": problems[check.name]} if check.name in problems else {})
            for check in checks
        ]
        return web.json_response(
            {"status": "failing" if problems else "ok", "checks": answer},
            status=HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK,
            headers={"Cache-Control": "no-store"},
        )

    def _log_change(self, path: str, problems: dict[str, str]) -> None:
        """Log what went wrong or well since the last probe; probes are many."""
        before = self._problems.get(path, {})
        for name in problems.keys() - before.keys():
            logger.warning("%s fails: %s: %s", path, name, problems[name])
        for name in before.keys() - problems.keys():
            logger.info("%s: %s is well again", path, name)
        self._problems[path] = problems
