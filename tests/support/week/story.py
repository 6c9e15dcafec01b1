"""What happens to one monitor, in its order, and who hears of it when."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from heartbeats.core.model import Spec, Uid
from support.ledgers import Bench
from support.week.oracle import Oracle
from support.week.rules import Era, Rules

MAX_UNFINISHED = 8
"""A status holds ten open runs: the start of the eleventh is not remembered."""

Deliver = Callable[[Bench], None]


@dataclass(frozen=True, order=True)
class Delivery:
    """Something the ledger hears at an instant."""

    at: datetime
    turn: int
    monitor: str = field(compare=False)
    text: str = field(compare=False)
    deliver: Deliver = field(compare=False)


@dataclass
class Monitor:
    """A simulated monitor: what is delivered of it, and what must be said."""

    name: str
    oracle: Oracle
    deliveries: list[Delivery]

    @property
    def uid(self) -> Uid:
        """Return the uid the bench gives it."""
        return Uid(f"hbm-{self.name}")


class Story:
    """Collects what happens to one monitor, in its order."""

    def __init__(self, name: str, begin: datetime, end: datetime) -> None:
        self.name, self.begin, self.end = name, begin, end
        self.eras: list[Era] = []
        self.deliveries: list[Delivery] = []
        self._events: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._turns = count()

    def tell(self, at: datetime, text: str, deliver: Deliver) -> None:
        """Have the ledger hear something."""
        said = Delivery(at, next(self._turns), self.name, text, deliver)
        self.deliveries.append(said)

    def plan(self, at: datetime, act: Callable[[datetime], None]) -> None:
        """Have something happen later."""
        heapq.heappush(self._events, (at, next(self._turns), act))

    def happen(self) -> None:
        """Let everything happen that was planned."""
        while self._events and self._events[0][0] < self.end:
            at, _, act = heapq.heappop(self._events)
            act(at)

    def rule(self, at: datetime, rules: Rules) -> None:
        """Note what is wanted from now on."""
        self.eras.append(Era(since=at, rules=rules))


def see_monitor(bench: Bench, name: str, spec: Spec) -> None:
    bench.monitor(name, spec)


def seconds(span: timedelta) -> timedelta:
    return timedelta(seconds=max(int(span.total_seconds()), 1))
