"""Many monitors through one ledger, compared at every step."""

import random
from datetime import datetime, timedelta

from heartbeats.core.model import Uid
from support.ledgers import Bench
from support.week.compare import Difference, compare
from support.week.rules import SECOND
from support.week.story import Delivery, Monitor


class Week:
    """Plays many monitors through one ledger and compares at every step."""

    def __init__(
        self, monitors: list[Monitor], span: tuple[datetime, datetime], seed: int
    ) -> None:
        self.monitors = {monitor.uid: monitor for monitor in monitors}
        self.begin, self.end = span
        self.bench = Bench(self.begin)
        self.rng = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self._whim = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self.differences: list[Difference] = []
        self.compared = 0
        self._agenda: dict[datetime, list[Delivery]] = {}
        self._looks: set[datetime] = set()
        self._told: dict[Uid, list[str]] = {uid: [] for uid in self.monitors}
        self._wrong: set[Uid] = set()

    def run(self, looks: int = 100) -> None:
        """Play it all; `looks` is how often everything is compared besides."""
        for delivery in sorted(
            delivery
            for monitor in self.monitors.values()
            for delivery in monitor.deliveries
        ):
            self._agenda.setdefault(delivery.at, []).append(delivery)
        seconds = int((self.end - self.begin).total_seconds())
        for _ in range(looks):
            at = self.begin + timedelta(seconds=self.rng.randrange(seconds))
            self._looks.add(at)
            self._agenda.setdefault(at, [])
        for at in sorted(self._agenda):
            self._wake(before=at)
            self._step(at)
        self._wake(before=self.end)

    def _step(self, at: datetime) -> None:
        """Have everything happen that happens at an instant, then compare."""
        touched: set[Uid] = set()
        self._foretell(by=at + SECOND)
        if self.rng.random() < 0.5:  # both come in either order
            touched |= self._judge(at)
        self.bench.now = at
        for delivery in self._agenda[at]:
            uid = Uid(f"hbm-{delivery.monitor}")
            self._told[uid].append(f"{at} {delivery.text}")
            delivery.deliver(self.bench)
            touched.add(uid)
        touched |= self._judge(at)
        for uid in self.monitors if at in self._looks else sorted(touched):
            self._compare(uid, at)

    def _wake(self, *, before: datetime) -> None:
        """Judge at every wake-up before an instant and compare what was judged."""
        while (at := self.bench.ledger.wakes.next_at()) is not None and at < before:
            self._foretell(by=at)
            for uid in self._judge(at):
                self._compare(uid, at)

    def _foretell(self, *, by: datetime) -> None:
        """Have it worked out for half of the monitors what their silence leads to."""
        ledger = self.bench.ledger
        coming = filter(None, map(ledger.get, ledger.wakes.coming(by=by)))
        foretold = [entry for entry in coming if self._whim.random() < 0.5]
        for _ in ledger.foretell(foretold):
            pass

    def _judge(self, at: datetime) -> set[Uid]:
        judged = set(self.bench.turn(at))
        for uid in judged:
            self._told[uid].append(f"{at} judged")
        return judged

    def _compare(self, uid: Uid, at: datetime) -> None:
        entry = self.bench.ledger.get(uid)
        if entry is None or uid in self._wrong:
            return
        oracle = self.monitors[uid].oracle
        self.compared += 1
        found = compare(entry, oracle, at)
        if found is not None:
            self._wrong.add(uid)
            self.differences.append(
                Difference(self.monitors[uid].name, at, *found, self._told[uid][-25:])
            )
