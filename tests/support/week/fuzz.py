"""`make fuzz-week`: plays random weeks and compares every word with the oracle's.

Prints the seed and beginning of each week that differs, so that it can be repeated
with SEED=…; ends with 1 when anything differs.
"""

import argparse
import secrets
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from heartbeats.cluster.progress import Progress, elapsed
from support.week.play import Week
from support.week.population import Population

BEGINNINGS = (date(2026, 10, 22), date(2026, 3, 26), date(2026, 4, 21))
"""The end of European summer time; its beginning; the day Cairo has no midnight."""


def play(seed: int, monitors: int, begins_on: date) -> Week:
    """Play a whole week of so many monitors, and compare throughout."""
    begins_at = datetime(begins_on.year, begins_on.month, begins_on.day, tzinfo=UTC)
    span = (begins_at, begins_at + timedelta(days=7))
    week = Week(list(Population(seed, span).monitors(monitors)), span, seed)
    week.run()
    return week


def differing(
    seeds: Iterator[int], monitors: int, progress: Progress
) -> Iterator[tuple[int, date, Week]]:
    """Play the weeks of all seeds; yield those in which anything differs."""
    began, compared = time.monotonic(), 0
    for number, seed in enumerate(seeds, start=1):
        for begins_on in BEGINNINGS:
            week = play(seed, monitors, begins_on)
            compared += week.compared
            if week.differences:
                yield seed, begins_on, week
        spent = elapsed(time.monotonic() - began)
        progress.tick(f"{number} seeds, {compared:,} comparisons, {spent}")


def main() -> int:
    """Read the command line, play, and tell."""
    parser = argparse.ArgumentParser(prog="make fuzz-week", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds")
    parser.add_argument("--monitors", type=int, default=50, help="per week")
    parser.add_argument("--seed", type=int, default=None, help="the first seed")
    told = parser.parse_args()
    first = secrets.randbits(32) if told.seed is None else told.seed
    progress = Progress(sys.stderr)
    progress.line(f"Playing weeks of {told.monitors} monitors: SEED={first}")
    seeds, found = iter(range(first, first + told.seeds)), 0
    for seed, begins_on, week in differing(seeds, told.monitors, progress):
        found += len(week.differences)
        progress.line(f"SEED={seed}, the week of {begins_on}:")
        for difference in week.differences:
            progress.line(str(difference))
    progress.line(f"{told.seeds} seeds, 3 weeks each: {found} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
