"""`make fuzz-cron`: compares more schedules with the library's than a test does.

Prints its seed, so that a run can be repeated; ends with 1 when anything differs.
"""

import argparse
import secrets
import sys
import time
from typing import Final

from heartbeats.cluster.progress import Progress, elapsed
from heartbeats.core import cron
from support.cron_cases import Cases
from support.cron_compare import Report, compare
from support.cron_oracle import packaged_zones, running_oracle
from support.gotools import GoToolError

BATCH: Final = 5_000
_ENOUGH: Final = 10
"""Differences after which a run ends: more of them say nothing new."""


def run(cases: int, seed: int, progress: Progress) -> Report:
    """Compare so many random cases; stop early when many differ."""
    zones = packaged_zones()
    report = Report()
    began = time.monotonic()
    with running_oracle(progress, zones) as oracle:
        source = Cases(seed, zones)
        while report.cases < cases and len(report.differences) < _ENOUGH:
            batch = source.batch(min(BATCH, cases - report.cases))
            compare(oracle, batch, cron.parse, report)
            spent = elapsed(time.monotonic() - began)
            found = f"{len(report.differences)} differences"
            progress.tick(f"{report.cases:,} of {cases:,} cases, {found}, {spent}")
    return report


def summary(report: Report, seed: int) -> str:
    """Say in one line what was compared."""
    counts = ", ".join(f"{what} {n:,}" for what, n in sorted(report.counts.items()))
    return (
        f"seed {seed}: {report.cases:,} cases in {len(report.zones)} zones, "
        f"{len(report.differences)} differences ({counts})"
    )


def main() -> int:
    """Read the command line, run, and tell."""
    parser = argparse.ArgumentParser(prog="make fuzz-cron", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None)
    told = parser.parse_args()
    seed = secrets.randbits(32) if told.seed is None else told.seed
    progress = Progress(sys.stderr)
    progress.line(f"Comparing with robfig/cron v3.0.1: SEED={seed} N={told.cases}")
    try:
        report = run(told.cases, seed, progress)
    except GoToolError as error:
        progress.line(str(error))
        return 2
    progress.line(summary(report, seed))
    for difference in report.differences:
        progress.line(f"    {difference}")
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(main())
