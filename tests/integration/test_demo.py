"""The README's first command, without a terminal: it shows all and ends by itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from heartbeats.cluster.paths import cluster_dir

pytestmark = pytest.mark.integration

NAME = "test-demo"
SIX_MINUTES_AND_A_START = 480


def test_the_demo_shows_every_state_and_leaves_nothing_behind() -> None:
    """Late, Down and the recovery were really seen: it exits with 0 only then."""
    ended = subprocess.run(
        [sys.executable, "-m", "heartbeats", "demo", "--name", NAME],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SIX_MINUTES_AND_A_START,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    for words in ("RunFailed", "RunMissed", "Paused", 'state="Down"'):
        assert words in ended.stdout
    assert not cluster_dir(NAME).root.exists()
