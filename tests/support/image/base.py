"""A base image without a registry: Debian with its Python, under the Dockerfile's name.

It stands in for the image that the Dockerfile names, where none can be pulled. It has
the same Python, but not the same size.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Final

from heartbeats.cluster.locking import locked
from heartbeats.cluster.progress import Progress
from support.image.debian import Debian

SUITE: Final = "trixie"
"""The release of Debian whose Python is that of the Dockerfile."""

_PACKAGES: Final = "python3,python3-pip,ca-certificates"
_BULK: Final = ("var/cache/apt", "usr/share/doc", "usr/share/man", "usr/share/locale")


def root_file_system(debian: Debian, cache: Path, progress: Progress) -> Path:
    """Return a folder with the base's files; makes it the first time (minutes)."""
    key = hashlib.sha256(repr((SUITE, _PACKAGES, _BULK)).encode()).hexdigest()[:16]
    target = cache / "base" / key
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_name(f".{key}.lock"), lambda: None):
        if not target.exists():
            progress.line(f"Making a base image of Debian {SUITE}, once …")
            _make(debian, target)
    return target


def _make(debian: Debian, target: Path) -> None:
    work = target.with_name(f".making-{target.name}")
    shutil.rmtree(work, ignore_errors=True)
    try:
        wanted = ("--variant=minbase", f"--include={_PACKAGES}")
        debian.run("debootstrap", *wanted, SUITE, str(work))
        for folder in _BULK:
            shutil.rmtree(work / folder, ignore_errors=True)
        for mark in work.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
            mark.unlink()
        for name, program in (("python", "python3"), ("python3", "python3")):
            (work / "usr/local/bin" / name).symlink_to(f"/usr/bin/{program}")
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
