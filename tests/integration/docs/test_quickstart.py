"""docs/quickstart.md, pasted block by block: it ends in an alert, and in its end.

The clone is fresh, the cluster its own. Neither kubectl nor Docker is installed for
it, as on a bare machine; programs that were built before are not built again.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from heartbeats.cluster.ports import is_free
from support.pasted import Block, blocks, desk

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
PAGE = blocks((ROOT / "docs" / "quickstart.md").read_text())
PORTS = (8080, 8081, 8082, 9090, 9091, 9093)
NOT_INSTALLED = {"kubectl", "kubectl-heartbeats", "heartbeats", "docker", "kind"}
LAST = Block("bash", None, "make cluster-down\n")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copy what a clone of this state would hold, with the virtual environment made."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    fresh = tmp_path / "clone"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, fresh / name)
    (fresh / ".venv").symlink_to(ROOT / ".venv")
    return fresh


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Yield the environment of somebody who has installed nothing of this kind.

    A page that fails in the middle leaves a cluster behind, which goes here.
    """
    programs = tmp_path / "bin"
    programs.mkdir()
    for folder in map(Path, os.environ["PATH"].split(os.pathsep)):
        for each in sorted(folder.iterdir()) if folder.is_dir() else []:
            link = programs / each.name
            if each.name not in NOT_INSTALLED and not os.path.lexists(link):
                link.symlink_to(each)
    kept = ("HOME", "LANG", "HEARTBEATS_CACHE", "XDG_CACHE_HOME")
    own = {key: os.environ[key] for key in kept if key in os.environ}
    environment = own | {"XDG_STATE_HOME": str(tmp_path / "state")}
    environment["PATH"] = str(programs)
    yield environment
    left = [sys.executable, "-m", "heartbeats", "cluster", "down", "--name", "dev"]
    subprocess.run(left, env=environment, capture_output=True, check=True)


def test_a_newcomer_sees_an_alert_fire_and_resolve(
    clone: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    """Every block of the page runs, and prints what stands below it."""
    taken = [port for port in PORTS if not is_free(port)]
    if taken:
        pytest.skip(f"other programs listen on {taken}, which the page uses")
    assert LAST in PAGE
    before, after = PAGE[: PAGE.index(LAST)], PAGE[PAGE.index(LAST) :]
    assert "HeartbeatMonitorDown" in "".join(each.text for each in before)
    with desk(clone, tmp_path, bare) as reader:
        reader.follow(before)
        for name in ("alerts", "operator"):
            reader.open[name].press_ctrl_c()
        reader.follow(after)
        assert "Both are stopped" in reader.open["alerts"].printed
    assert not (tmp_path / "state" / "heartbeats" / "clusters" / "dev").exists()
    assert all(map(is_free, PORTS))
