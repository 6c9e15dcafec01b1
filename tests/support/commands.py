"""The project's commands as processes, also through the cluster's own kubectl."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heartbeats.cluster.build import kubectl_path

_LONGEST = 120.0
"""Seconds; a command takes one."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return stdout as what it means."""
        return json.loads(self.out)


def heartbeats(kubeconfig: Path, *arguments: str) -> Said:
    """Run `heartbeats` against a cluster."""
    return _run([sys.executable, "-m", "heartbeats", *arguments], kubeconfig)


def kubectl(kubeconfig: Path, *arguments: str) -> Said:
    """Run the control plane's kubectl, which finds our plugin beside Python."""
    program = kubectl_path()
    assert program is not None, "the control plane was built before"
    return _run([str(program), *arguments], kubeconfig)


def _run(command: list[str], kubeconfig: Path) -> Said:
    beside = Path(sys.executable).parent
    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        text=True,
        timeout=_LONGEST,
        env={
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "PATH": f"{beside}{os.pathsep}{os.environ['PATH']}",
            "PYTHONSAFEPATH": "1",
        },
    )
    return Said(done.returncode, done.stdout, done.stderr)
