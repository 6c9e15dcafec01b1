"""`make test-e2e`: gets everything ready that needs a network, then runs the tests.

They run without one (`isolated`), so nothing of them can depend on it.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heartbeats import __version__
from heartbeats.cluster.build import ensure_built
from heartbeats.cluster.paths import cache_dir
from heartbeats.cluster.programs import CONTROL_PLANE, NODE
from heartbeats.cluster.progress import Progress
from support.gotools import Go, Tools
from support.image.build import BASE, ROOT
from support.image.buildah import Buildah
from support.image.debian import Debian, missing
from support.node.cgroups import tidied
from support.node.isolated import isolated
from support.node.settings import PAUSE

CACHE: Final = cache_dir() / "image"
IMAGE: Final = f"heartbeats:{__version__}"
READY: Final = "HEARTBEATS_TEST_NODE"
"""Names, inside, the folder with what was made ready."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the tests find ready."""

    folder: Path

    @property
    def images(self) -> list[Path]:
        """Files of the images that the node gets."""
        return [self.folder / "heartbeats.tar", self.folder / "pause.tar"]

    @property
    def kubelet(self) -> Path:
        """The program."""
        return self.folder / "kubelet"


def prepare(folder: Path, progress: Progress) -> Debian:
    """Make everything ready: minutes the first time, a minute later."""
    debian = Debian.fetched(CACHE, progress)
    ensure_built(progress, CONTROL_PLANE)
    kubelet = Prepared(folder).kubelet
    kubelet.unlink(missing_ok=True)
    kubelet.symlink_to(ensure_built(progress, NODE) / "kubelet")
    buildah = Buildah(debian, CACHE / "store")
    buildah.build(ROOT, IMAGE, BASE, CACHE, progress)
    buildah.save(IMAGE, folder / "heartbeats.tar")
    program = _PAUSE.built(progress) / "pause"
    buildah.wrap(program, PAUSE)
    buildah.save(PAUSE, folder / "pause.tar")
    return debian


def _make(go: Go) -> None:
    go.build(".", "pause", "-trimpath", "-ldflags=-s -w")


_PAUSE: Final = Tools("pause", ROOT / "tests" / "pause", _make)


def main() -> None:
    """Make ready and run; exits as pytest does."""
    command = [sys.executable, "-m", "pytest", "-m", "e2e", "tests/e2e", *sys.argv[1:]]
    if missing():
        # They skip, and say why.
        sys.exit(subprocess.run(command, check=False).returncode)
    folder = CACHE / "ready"
    folder.mkdir(parents=True, exist_ok=True)
    debian = prepare(folder, Progress(sys.stderr))
    environment = {**os.environ, READY: str(folder)}
    apart = isolated(debian, *command)
    with tidied():
        code = subprocess.run(apart, env=environment, check=False).returncode
    sys.exit(code)


if __name__ == "__main__":
    main()
