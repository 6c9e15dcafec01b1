"""`make bench-ping`: durable pings a second, against one status patch per ping.

Both roles, API server, etcd with fsync and the load generator share this machine.
Prints a table, then one JSON object. `lost` counts monitors whose stored state lacks
an acknowledged ping. Exit code 1 when anything was lost.
"""

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.pings.load import Seen, build, run
from bench.pings.rig import Rig, Role, name, rig
from bench.pings.statuses import patches_per_second
from heartbeats.cluster.progress import Progress

_OTHERS = ("-connections", "16")
_TENANT = ("-connections", "16", "-keep-alive")
_SETTLED_WITHIN = 900.0
_BURST_SETTLED_WITHIN = 150.0


@dataclass
class Bench:
    """One run: what is measured, and the figures so far."""

    rig: Rig
    program: Path
    monitors: int
    seconds: float
    progress: Progress
    figures: dict[str, Any] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)
    """By monitor: when its last acknowledged ping was sent, in ns."""

    def measure(self) -> None:
        """Do everything, one after the other."""
        self.progress.line(f"Creating {self.monitors:,} monitors …")
        self.rig.create_monitors(self.monitors)
        operator = self.rig.start("operator")
        ping = self.rig.start("ping")
        try:
            self._wait_for_statuses()
            urls = self.rig.urls(ping, self.monitors)
            self._load("c64", urls, operator, ping, "-connections", "64")
            self._load(
                "c256_keepalive",
                urls,
                operator,
                ping,
                *("-connections", "256", "-keep-alive"),
            )
            self._settle(_SETTLED_WITHIN)
            self._burst(urls)
            self._tenant(urls)
            self.figures["lost"] = self._lost()
        finally:
            ping.stop()
            operator.stop()
        rate = patches_per_second(self.rig.admin, self.monitors, 64, self.seconds / 3)
        self.figures["per_s_status_patch"] = round(rate, 1)

    def _wait_for_statuses(self) -> None:
        def missing() -> int:
            return sum(
                not status.get("state") for status in self.rig.statuses().values()
            )

        while left := missing():
            self.progress.tick(f"{left:,} monitors without a first status")
            time.sleep(3)

    def _load(
        self, what: str, urls: list[str], operator: Role, ping: Role, *flags: str
    ) -> None:
        self.progress.line(f"Pinging for {self.seconds:g} s: {what} …")
        before = operator.cpu_seconds, ping.cpu_seconds, time.monotonic()
        seen = run(
            self.program, urls, self.rig.folder, *flags, "-duration", f"{self.seconds}s"
        )
        took = time.monotonic() - before[2]
        self._note(seen)
        self.figures |= {
            f"per_s_{what}": round(seen.per_s, 1),
            f"p50_s_{what}": round(seen.p50_s, 4),
            f"p99_s_{what}": round(seen.p99_s, 4),
            f"refused_{what}": seen.refused,
            f"operator_cpu_{what}": round((operator.cpu_seconds - before[0]) / took, 2),
            f"ping_cpu_{what}": round((ping.cpu_seconds - before[1]) / took, 2),
            f"segments_{what}": self.rig.segments(),
            f"ping_rss_mb_{what}": round(ping.resident_mb),
            f"operator_rss_mb_{what}": round(operator.resident_mb),
        }

    def _burst(self, urls: list[str]) -> None:
        """Ping every monitor within one second."""
        self.progress.line("Every monitor within one second …")
        flags = ("-each", "-within", "1s", "-connections", "1000")
        seen = run(self.program, urls, self.rig.folder, *flags)
        self._note(seen)
        self.figures |= {
            "burst_p99_s": round(seen.p99_s, 3),
            "burst_refused": seen.refused,
            "burst_settled_s": round(self._settle(_SETTLED_WITHIN), 1),
            "burst_settled_bar_s": _BURST_SETTLED_WITHIN,
        }

    def _tenant(self, urls: list[str]) -> None:
        """Ping one monitor in a tight loop, and see what the others feel."""
        self.progress.line("One monitor in a tight loop …")
        length = ("-duration", f"{self.seconds / 3}s")
        alone = run(self.program, urls[1:], self.rig.folder, *length, *_OTHERS)
        aside = self.rig.folder / "tenant"
        aside.mkdir()
        with ThreadPoolExecutor(1) as pool:
            looping = pool.submit(run, self.program, urls[:1], aside, *length, *_TENANT)
            beside = run(self.program, urls[1:], self.rig.folder, *length, *_OTHERS)
            tenant = looping.result()
        self.figures |= {
            "others_p99_s": round(alone.p99_s, 4),
            "others_p99_s_beside_tenant": round(beside.p99_s, 4),
            "others_refused_beside_tenant": beside.refused,
            "tenant_acked": sum(each["count"] for each in tenant.acked),
            "tenant_refused": tenant.refused,
        }

    def _note(self, seen: Seen) -> None:
        for each in seen.acked:
            if each["count"]:
                self.sent[each["url"]] = each["last"]

    def _settle(self, within: float) -> float:
        """Wait until every status holds what was acknowledged."""
        began = time.monotonic()
        while lost := self._lost():
            if time.monotonic() - began > within:
                break
            self.progress.tick(
                f"{lost:,} statuses lag; {self.rig.segments():,} segments"
            )
            time.sleep(2)
        return time.monotonic() - began

    def _lost(self) -> int:
        """Count the monitors whose stored status lacks an acknowledged ping."""
        statuses = self.rig.statuses()
        return sum(
            _instant(statuses[name(number)].get("lastSuccessTime")) < sent / 1e9 - 1
            for number, sent in self.sent.items()
        )


def _instant(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def main() -> int:
    """Read the command line, measure, and tell."""
    parser = argparse.ArgumentParser(prog="make bench-ping", description=__doc__)
    parser.add_argument("--monitors", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=60.0)
    told = parser.parse_args()
    progress = Progress(sys.stderr)
    with tempfile.TemporaryDirectory() as folder, rig(Path(folder), progress) as ready:
        bench = Bench(ready, build(progress), told.monitors, told.seconds, progress)
        bench.measure()
    for what, figure in bench.figures.items():
        print(f"{what:28} {figure}")  # noqa: T201 - the table
    print(json.dumps(bench.figures))  # noqa: T201 - the last line
    return 1 if bench.figures["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
