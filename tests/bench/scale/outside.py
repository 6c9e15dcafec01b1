"""What can be seen of a running role from outside: metrics, memory, pings answered.

It may not change anything but by pinging.
"""

import statistics
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from bench.pings.rig import Role

_SCRAPES = 5
_LAG = "heartbeat_operator_detection_lag_seconds"
_WRITES = "heartbeat_operator_api_writes_total{"


def metrics(operator: Role) -> list[str]:
    """Scrape, and return the lines."""
    with urlopen(f"{operator.urls['metrics']}/metrics", timeout=60) as answer:  # noqa: S310
        found: list[str] = answer.read().decode().splitlines()
    return found


def writes_of(operator: Role) -> float:
    """Count the writes but those of Leases."""
    lines = (each for each in metrics(operator) if each.startswith(_WRITES))
    others = (each for each in lines if 'resource="leases"' not in each)
    return sum(float(each.rpartition(" ")[2]) for each in others)


def peak_mb(operator: Role) -> float:
    """Return the most memory it ever had, in megabytes."""
    text = Path(f"/proc/{operator.process.pid}/status").read_text()
    [line] = [each for each in text.splitlines() if each.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / 1e6


def histogram(operator: Role) -> dict[str, float]:
    """Return how many verdicts came within each bucket's bound, in seconds."""
    lines = metrics(operator)
    buckets = (line for line in lines if line.startswith(f"{_LAG}_bucket"))
    return {
        line.split('le="')[1].split('"')[0]: float(line.rpartition(" ")[2])
        for line in buckets
    }


def quantile(before: dict[str, float], after: dict[str, float], q: float) -> str:
    """Return the bound of the bucket that holds a quantile."""
    total = after["+Inf"] - before["+Inf"]
    for bound, count in after.items():
        if total and count - before[bound] >= q * total:
            return bound
    return "none"


def ping_all(urls: list[str]) -> list[float]:
    """Return how long each ping took, in seconds; they last some seconds together."""
    spans: list[float] = []
    for url in urls:
        began = time.monotonic()
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
            answer.read()
        spans.append(time.monotonic() - began)
        time.sleep(0.03)
    return spans


def scrapes(operator: Role) -> dict[str, Any]:
    """Scrape some times, and tell how long that takes."""
    spans, size, lines = [], 0, 0
    for _ in range(_SCRAPES):
        began = time.monotonic()
        with urlopen(f"{operator.urls['metrics']}/metrics", timeout=60) as answer:  # noqa: S310
            text = answer.read()
        spans.append(time.monotonic() - began)
        size, lines = len(text), text.count(b"\n")
        time.sleep(1)
    return {
        "scrape_ms_median": round(1000 * statistics.median(spans)),
        "scrape_mb": round(size / 1e6, 1),
        "scrape_lines": lines,
    }
