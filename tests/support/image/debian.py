"""Programs of Debian packages, used without being installed: only we see them.

They are downloaded and unpacked into the cache. A command that needs them runs in a
mount namespace of its own, where they lie over /usr and /etc. That takes root.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heartbeats.cluster.locking import locked
from heartbeats.cluster.progress import Progress

PACKAGES: Final = (
    *("buildah", "debootstrap", "runc"),
    # A node's, for the end-to-end tests.
    *("containerd", "containernetworking-plugins", "iproute2"),
)
_TIMEOUT: Final = 900.0
"""Seconds for one command: downloads on a slow line."""

_OVERLAID: Final = """
set -e
for folder in usr etc; do
  mount -t overlay overlay -o "lowerdir=$1/$folder:/$folder" "/$folder"
done
shift
exec "$@"
"""


class DebianError(Exception):
    """A command failed; the message is the end of what it wrote."""


def missing() -> str | None:
    """Say why none of this works on this machine; None: it does."""
    if os.geteuid() != 0:
        return "this user is not root"
    for program in ("apt-get", "dpkg", "unshare", "chroot"):
        if shutil.which(program) is None:
            return f"this machine has no {program}"
    with tempfile.TemporaryDirectory() as empty:
        for folder in ("usr", "etc"):
            (Path(empty) / folder).mkdir()
        try:
            Debian(Path(empty)).run("true")
        except DebianError as error:
            return f"nothing can be mounted here: {error}"
    return None


@dataclass(frozen=True, slots=True)
class Debian:
    """The unpacked packages."""

    root: Path

    @classmethod
    def fetched(cls, cache: Path, progress: Progress) -> "Debian":
        """Return them; downloads them the first time. DebianError."""
        release = Path("/etc/os-release").read_bytes()
        named = hashlib.sha256(release + repr(PACKAGES).encode()).hexdigest()[:16]
        target = cache / "debian" / named
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(f".{named}.lock"), lambda: None):
            if not target.exists():
                progress.line(f"Fetching {', '.join(PACKAGES)} from Debian, once …")
                _fetch(target)
        return cls(target)

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs another with these packages in their places."""
        script = ("sh", "-c", _OVERLAID, "sh", str(self.root))
        return ["unshare", "--mount", *script, *arguments]

    def run(self, *arguments: str) -> str:
        """Run a command; returns what it wrote to standard output. DebianError."""
        return run(self.command(*arguments))


def run(command: Sequence[str]) -> str:
    """Run a command; returns what it wrote to standard output. DebianError."""
    done = subprocess.run(
        list(command),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr)[-2000:]
        raise DebianError(f"{' '.join(command)}:\n{said}")
    return done.stdout


def _fetch(target: Path) -> None:
    """Download what is not installed, as apt sees it, without changing its state."""
    work = target.with_name(f".fetching-{target.name}")
    shutil.rmtree(work, ignore_errors=True)
    for folder in ("lists/partial", "archives/partial", "root/usr", "root/etc"):
        (work / folder).mkdir(parents=True)
    options = [
        *("-qq", "-o", f"Dir::State::Lists={work}/lists"),
        *("-o", f"Dir::Cache={work}", "-o", "APT::Sandbox::User=root"),
    ]
    install = ("install", "-y", "--no-install-recommends", "--download-only")
    try:
        run(["apt-get", *options, "update"])
        run(["apt-get", *options, *install, *PACKAGES])
        for package in sorted((work / "archives").glob("*.deb")):
            run(["dpkg", "-x", str(package), str(work / "root")])
        (work / "root").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
