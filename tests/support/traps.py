"""Traps for single requests: which request, on which side of its answer.

`support.fault_rig` sets them; nothing here sends or forwards anything.
"""

import asyncio
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any


class When(Enum):
    """The side of the server's answer on which a request is held."""

    BEFORE = "before the server hears of it"
    AFTER = "after the server has answered"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a rule may look at."""

    method: str
    path: str
    query: str
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body of a write; everything of ours is JSON."""
        return json.loads(self.body)


Rule = Callable[[Asked], bool]


def asks(method: str, path: str, having: Callable[[Any], bool] | None = None) -> Rule:
    """Return a rule: this method, this path (a pattern for the whole), such a body."""
    form = re.compile(path)

    def holds(asked: Asked) -> bool:
        if asked.method != method or not form.fullmatch(asked.path):
            return False
        return having is None or having(asked.json)

    return holds


class Trap:
    """Waits for a request, and says what becomes of it and of its repetitions."""

    def __init__(self, rule: Rule, when: When, loop: asyncio.AbstractEventLoop) -> None:
        self.rule, self.when = rule, when
        self._loop = loop
        self._sprung = threading.Event()
        self._is_cut: asyncio.Future[bool] = loop.create_future()

    def wait(self, *, within: float = 60.0) -> None:
        """Return when the request is held; AssertionError after so many seconds."""
        assert self._sprung.wait(within), f"nothing was held {self.when.value}"

    def let_pass(self) -> None:
        """Let the request, or its answer, go where it was going."""
        self._decide(is_cut=False)

    def cut(self) -> None:
        """Close the caller's connection without an answer."""
        self._decide(is_cut=True)

    def _decide(self, *, is_cut: bool) -> None:
        def decide() -> None:
            if not self.is_decided:
                self._is_cut.set_result(is_cut)

        self._loop.call_soon_threadsafe(decide)

    @property
    def is_decided(self) -> bool:
        """Tell whether the trap is out of use."""
        return self._is_cut.done()

    async def hold(self) -> None:
        """Hold a request; ConnectionResetError when it is to be cut."""
        self._sprung.set()
        # The caller may die meanwhile: that ends the request, not the trap.
        if await asyncio.shield(self._is_cut):
            raise ConnectionResetError("cut by a test")
