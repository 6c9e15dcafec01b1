"""`make bench-kill`: kill -9 under load; no acknowledged ping is lost or counts twice.

Each round pings while the operator, the ping service or both are killed at a random
moment and started again. Every ping has a run id of its own. In the end each
acknowledged one must be in the operator's event log, and each monitor must have
counted each run in the log exactly once. The last line is one JSON object; the exit
code is 1 when anything was lost or counted twice.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.pings.load import build, run
from bench.pings.rig import Rig, Role, name, rig, wait
from heartbeats.cluster.progress import Progress

_SECONDS = 4.0
"""How long a round pings."""
_SETTLED_WITHIN = 300.0
_KILLED = (("operator",), ("ping",), ("operator", "ping"))


@dataclass
class Rounds:
    """The rounds of one run, and what they have acknowledged."""

    rig: Rig
    program: Path
    monitors: int
    dice: random.Random
    roles: dict[str, Role] = field(default_factory=dict)
    acked: set[str] = field(default_factory=set)

    @property
    def log(self) -> Path:
        """The event log: one file for all lives of the operator."""
        return self.rig.folder / "events.jsonl"

    def start(self, role: str) -> None:
        """Start a role, for the first time or again."""
        self.roles[role] = self.rig.start(role, "--event-log", str(self.log))

    def play(self, number: int) -> None:
        """Ping for some seconds, and kill something meanwhile."""
        urls = self.rig.urls(self.roles["ping"], self.monitors)
        ids = self.rig.folder / "run-ids.txt"
        flags = ("-connections", "8", "-duration", f"{_SECONDS}s", "-run-ids", str(ids))
        pinging = threading.Thread(
            target=run, args=(self.program, urls, self.rig.folder, *flags)
        )
        pinging.start()
        time.sleep(self.dice.uniform(0.2, _SECONDS))
        for role in _KILLED[number % len(_KILLED)]:
            self.roles[role].stop(signal.SIGKILL)
        pinging.join()
        self.acked |= set(ids.read_text().split())
        for role in _KILLED[number % len(_KILLED)]:
            self.start(role)

    def counted(self) -> dict[str, set[str]]:
        """Return the run ids in the event log, by monitor."""
        found: dict[str, set[str]] = defaultdict(set)
        text = self.log.read_text()
        for line in text[: text.rfind("\n") + 1].splitlines():
            event: dict[str, Any] = json.loads(line)
            if run_id := event["payload"].get("run_id"):
                found[event["check_in_id"].rpartition("/")[2]].add(run_id)
        return found

    def wrong(self) -> dict[str, int]:
        """Return by monitor by how much its count differs from the log's."""
        statuses, counted = self.rig.statuses(), self.counted()
        differing: dict[str, int] = {}
        for number in range(self.monitors):
            each = name(number)
            said = statuses[each].get("consecutiveSuccesses", 0)
            if said != len(counted[each]):
                differing[each] = said - len(counted[each])
        return differing

    def lost(self) -> int:
        """Count the acknowledged pings that no line tells of."""
        return len(self.acked - set().union(*self.counted().values()))

    def is_settled(self) -> bool:
        """Tell whether all is stored and nothing waits in the journal."""
        return not self.rig.segments() and not self.wrong()


def main() -> int:
    """Read the command line, kill, and tell."""
    parser = argparse.ArgumentParser(prog="make bench-kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--monitors", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    told = parser.parse_args()
    seed = told.seed if told.seed is not None else random.SystemRandom().getrandbits(32)
    progress = Progress(sys.stderr)
    progress.line(f"seed {seed}, {told.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder, rig(Path(folder), progress) as ready:
        figures = _measure(ready, told.rounds, told.monitors, seed)
    print(json.dumps(figures))  # noqa: T201 - the last line
    return 1 if figures["lost"] or figures["counted_wrongly"] else 0


def _measure(ready: Rig, rounds: int, monitors: int, seed: int) -> dict[str, int]:
    dice = random.Random(seed)  # noqa: S311 - when to kill is no secret
    play = Rounds(ready, build(ready.progress), monitors, dice)
    ready.create_monitors(monitors)
    try:
        for role in ("operator", "ping"):
            play.start(role)
        for number in range(rounds):
            play.play(number)
            ready.progress.tick(f"{number + 1} rounds, {len(play.acked):,} pings acked")
        try:
            wait(play.is_settled, _SETTLED_WITHIN, "storing everything")
        except TimeoutError as error:
            ready.progress.line(str(error))
        wrong = play.wrong()
        return {
            "rounds": rounds,
            "acked": len(play.acked),
            "lost": play.lost(),
            "counted_wrongly": len(wrong),
            "segments_left": ready.segments(),
        }
    finally:
        for role in play.roles.values():
            role.stop()


if __name__ == "__main__":
    sys.exit(main())
