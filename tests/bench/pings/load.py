"""The load generator: a small Go program, built once and cached by its source."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heartbeats.cluster.progress import Progress
from support.gotools import Go, Tools

SOURCE = Path(__file__).parent / "load"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the load generator saw of one run."""

    per_s: float
    p50_s: float
    p99_s: float
    codes: dict[str, int]
    acked: list[dict[str, int]]
    """By URL: how many pings were answered 200, and when the last was sent (ns)."""

    @property
    def refused(self) -> int:
        """Count the pings that were not answered with 200."""
        return sum(count for code, count in self.codes.items() if code != "200")


def build(progress: Progress) -> Path:
    """Return the program, built with Go if need be."""
    return _TOOLS.built(progress) / "load"


def _make(go: Go) -> None:
    go.build(".", "load", "-trimpath")


_TOOLS = Tools("bench-load", SOURCE, _make)


def run(program: Path, urls: Sequence[str], folder: Path, *flags: str) -> Seen:
    """Ping until the program ends; returns what it saw."""
    listed, acked = folder / "urls.txt", folder / "acked.json"
    listed.write_text("\n".join(urls))
    acked.unlink(missing_ok=True)
    command = [str(program), "-urls", str(listed), "-acked", str(acked), *flags]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    if shown.returncode:
        raise RuntimeError(f"the load generator failed: {shown.stderr}")
    told: dict[str, Any] = json.loads(shown.stdout.splitlines()[-1])
    return Seen(
        per_s=told["per_s"],
        p50_s=told["p50_s"],
        p99_s=told["p99_s"],
        codes=told["codes"],
        acked=json.loads(acked.read_text()),
    )
