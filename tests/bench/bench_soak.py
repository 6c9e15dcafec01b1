"""`make bench-soak`: many pings, and for long: nothing may grow, nobody is refused.

First so many pings as fast as they are taken, while memory is looked at; then ten
minutes of more check-ins than the write budget can store, while metrics and verdicts
must not lag though statuses do. Prints a table, then one JSON object.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.pings.load import Seen, build, run
from bench.pings.rig import NAMESPACE, Rig, Role, rig
from bench.pings.stored import Stored
from heartbeats.clock import SystemClock
from heartbeats.cluster.progress import Progress
from support.resources import Object

_CHUNK_SECONDS = 20
_CANARIES = 20
_SILENT_FOR_MINUTES = (8, 14)
"""Then a canary is Down: somewhere in the second part, as long as that takes."""


@dataclass
class Soak:
    """One run, and the figures so far."""

    rig: Rig
    program: Path
    monitors: int
    figures: dict[str, Any] = field(default_factory=dict)

    def measure(self, pings: int, rate: int, minutes: float) -> None:
        """Do everything, one after the other."""
        progress = self.rig.progress
        progress.line(f"Creating {self.monitors:,} monitors …")
        self.rig.create_monitors(self.monitors)
        for number in range(_CANARIES):
            self.rig.kube.create(_canary(number))
        operator, ping = self.rig.start("operator"), self.rig.start("ping")
        stored = Stored()
        stored.start(self.rig.kube)
        try:
            while any(not each.get("state") for each in self.rig.statuses().values()):
                time.sleep(2)
            urls = self.rig.urls(ping, self.monitors)
            self._many(urls, pings, operator, ping)
            self._long(urls, rate, minutes, operator)
            self._wait_until_empty(operator)
        finally:
            stored.stop()
            ping.stop()
            operator.stop()
        self.figures |= {
            "segments_put": stored.objects - stored.checkpoints,
            "checkpoints_put": stored.checkpoints,
            "entries_put": stored.entries,
            "bytes_put_per_byte_of_entries": round(stored.ratio, 2),
            "bytes_put_bar": 3,
        }

    def _many(self, urls: list[str], pings: int, operator: Role, ping: Role) -> None:
        """Ping as fast as possible, so often; look at the memory now and then."""
        acked = refused = 0
        held: list[tuple[int, float, float]] = []
        flags = ("-connections", "256", "-keep-alive", "-duration")
        while acked < pings:
            seen = run(
                self.program, urls, self.rig.folder, *flags, f"{_CHUNK_SECONDS}s"
            )
            acked += sum(each["count"] for each in seen.acked)
            refused += seen.refused
            held.append((acked, ping.resident_mb, operator.resident_mb))
            self.rig.progress.line(
                f"{acked:,} pings: ping role {held[-1][1]:.0f} MB, operator "
                f"{held[-1][2]:.0f} MB, {self.rig.segments():,} objects in the journal"
            )
        half = [each for each in held if each[0] >= pings / 2]
        self.figures |= {
            "pings": acked,
            "refused": refused,
            "ping_rss_mb_first_half_end": round(half[0][1]),
            "ping_rss_mb_end": round(held[-1][1]),
            "operator_rss_mb_first_half_end": round(half[0][2]),
            "operator_rss_mb_end": round(held[-1][2]),
            "journal_objects_after_pings": self.rig.segments(),
        }

    def _long(self, urls: list[str], rate: int, minutes: float, operator: Role) -> None:
        """Ping so many monitors a second for some minutes; some then fall silent."""
        self.rig.progress.line(f"{rate} monitors a second for {minutes:g} minutes …")
        order = urls * (int(rate * minutes * 60) // len(urls) + 1)
        order = order[: int(rate * minutes * 60)]
        flags = ("-each", "-within", f"{minutes * 60:g}s", "-connections", "64")
        lags: list[float] = []
        with ThreadPoolExecutor(1) as pool:
            load = pool.submit(run, self.program, order, self.rig.folder, *flags)
            while not load.done():
                time.sleep(5)
                lags.append(self._lag(operator))
                self.rig.progress.tick(
                    f"{self.rig.segments():,} objects in the journal; metrics lag "
                    f"{lags[-1]:.1f} s"
                )
            seen: Seen = load.result()
        down = sum(
            self.rig.statuses()[_canary_name(number)].get("state") == "Down"
            for number in range(_CANARIES)
        )
        self.figures |= {
            "steady_rate": rate,
            "steady_minutes": minutes,
            "steady_refused": seen.refused,
            "steady_p99_s": round(seen.p99_s, 4),
            "metrics_lag_s_median": round(sorted(lags)[len(lags) // 2], 2),
            "metrics_lag_s_max": round(max(lags), 2),
            "silent_monitors": _CANARIES,
            "silent_monitors_down": down,
            "verdict_lag_s_mean": round(
                operator.metric("heartbeat_operator_detection_lag_seconds_sum")
                / max(
                    operator.metric("heartbeat_operator_detection_lag_seconds_count"),
                    1,
                ),
                2,
            ),
            "journal_objects_in_the_end": self.rig.segments(),
        }

    def _lag(self, operator: Role) -> float:
        """Tell how old the newest check-in is that the metrics know of.

        There are some each second, so this is how far the metrics are behind.
        """
        newest = operator.newest("heartbeat_monitor_last_check_in_timestamp_seconds")
        return max(SystemClock().now().timestamp() - newest, 0.0)

    def _wait_until_empty(self, operator: Role) -> None:
        """Wait until every status is stored and the journal is empty."""
        began = time.monotonic()
        while self.rig.segments() and time.monotonic() - began < 600:
            time.sleep(2)
        self.figures["journal_empty_after_s"] = round(time.monotonic() - began, 1)
        self.figures["operator_rss_mb_idle"] = round(operator.resident_mb)


def _canary_name(number: int) -> str:
    return f"canary-{number:02}"


def _canary(number: int) -> Object:
    """Make a monitor that is Down soon after it was created, for nobody pings it."""
    return {
        "apiVersion": "heartbeats.dev/v1alpha1",
        "kind": "HeartbeatMonitor",
        "metadata": {"name": _canary_name(number), "namespace": NAMESPACE},
        "spec": {
            "ping": {},
            "interval": "1m",
            "gracePeriod": "10s",
            "firstCheckInWithin": f"{random.randint(*_SILENT_FOR_MINUTES)}m",  # noqa: S311 - no secret
        },
    }


def main() -> int:
    """Read the command line, measure, and tell."""
    parser = argparse.ArgumentParser(prog="make bench-soak", description=__doc__)
    parser.add_argument("--monitors", type=int, default=5000)
    parser.add_argument("--pings", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10.0)
    told = parser.parse_args()
    progress = Progress(sys.stderr)
    with tempfile.TemporaryDirectory() as folder, rig(Path(folder), progress) as ready:
        soak = Soak(ready, build(progress), told.monitors)
        soak.measure(told.pings, told.rate, told.minutes)
    for what, figure in soak.figures.items():
        print(f"{what:32} {figure}")  # noqa: T201 - the table
    print(json.dumps(soak.figures))  # noqa: T201 - the last line
    refused = soak.figures["refused"] + soak.figures["steady_refused"]
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
