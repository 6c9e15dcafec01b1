"""The oldest Prometheus that the rules are for, from Debian 12's package.

It is downloaded and unpacked into the cache, never installed. Elsewhere there is none,
and `missing` says why.
"""

import platform
import shutil
import tempfile
from pathlib import Path
from typing import Final

from heartbeats.cluster.locking import locked
from heartbeats.cluster.paths import cache_dir
from support.alert_tools import AlertTools
from support.programs import run

VERSION: Final = "2.42.0"
_RELEASE: Final = ("debian", "12")
_PACKAGE: Final = "prometheus"
_TIMEOUT: Final = 600.0
"""Seconds for the download on a slow line."""


def missing() -> str | None:
    """Say why it can't be had on this machine; None: it can."""
    told = platform.freedesktop_os_release()
    if (told.get("ID"), told.get("VERSION_ID")) != _RELEASE:
        return "this is not Debian 12, whose packages have it"
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            return f"this machine has no {program}"
    return None


def old_prometheus(beside: AlertTools, folder: Path) -> AlertTools:
    """Return it with another's Alertmanager; downloads it the first time.

    `folder` gets links to the programs of both.
    """
    target = cache_dir() / "old-prometheus" / f"{VERSION}-{platform.machine()}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_name(f".{target.name}.lock"), lambda: None):
        if not target.exists():
            _fetch(target)
    for name in ("prometheus", "promtool"):
        (folder / name).symlink_to(target / "usr" / "bin" / name)
    for name in ("alertmanager", "amtool"):
        (folder / name).symlink_to(beside.folder / name)
    return AlertTools(folder)


def _fetch(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        run("apt-get", "-q", "download", _PACKAGE, folder=work, timeout=_TIMEOUT)
        whole = Path(work) / "whole"
        [package] = Path(work).glob("*.deb")
        run("dpkg-deb", "-x", package, whole, timeout=_TIMEOUT)
        whole.rename(target)
