"""Builds the image with buildah, as root, without a registry and without a daemon."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heartbeats.cluster.locking import locked
from heartbeats.cluster.progress import Progress
from support.image.base import root_file_system
from support.image.build import command
from support.image.debian import Debian

_CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_PATH: Final = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"


@dataclass(frozen=True, slots=True)
class Buildah:
    """The program with a store of its own."""

    debian: Debian
    store: Path

    def __call__(self, *arguments: str) -> str:
        """Run a command of buildah; returns what it wrote. DebianError."""
        policy = self.store / "policy.json"
        policy.parent.mkdir(parents=True, exist_ok=True)
        anything = {"default": [{"type": "insecureAcceptAnything"}]}
        policy.write_text(json.dumps(anything))
        where = ("--root", f"{self.store}/images", "--runroot", f"{self.store}/run")
        first, *rest = arguments
        signed = ["--signature-policy", str(policy)] if first in _SIGNED else []
        return self.debian.run("buildah", *where, first, *signed, *rest)

    def build(
        self, context: Path, tag: str, base: str, cache: Path, progress: Progress
    ) -> None:
        """Build a folder's Dockerfile on a base of our own. DebianError."""
        with locked(self.store.with_name(f".{self.store.name}.lock"), lambda: None):
            self._ensure_base(base, cache, progress)
            progress.line(f"Building {tag} with buildah …")
            # The machine's own authorities: its index may be behind one of them.
            secrets = {"certificates": _CERTIFICATES}
            asked = command("buildah", tag, secrets=secrets, context=context)
            self("build", "--pull-never", *asked[2:])

    def wrap(self, program: Path, tag: str) -> None:
        """Make an image of one program that needs nothing else."""
        container = self("from", "scratch").split()[-1]
        try:
            self("copy", "--quiet", container, str(program), "/")
            self("config", "--entrypoint", f'["/{program.name}"]', container)
            self("commit", "--quiet", container, tag)
        finally:
            self("rm", container)

    def save(self, tag: str, archive: Path) -> None:
        """Write an image into a file, as `docker save` does."""
        archive.unlink(missing_ok=True)
        self("push", tag, f"docker-archive:{archive}:{tag}")

    def _ensure_base(self, base: str, cache: Path, progress: Progress) -> None:
        files = root_file_system(self.debian, cache, progress)
        name = f"docker.io/library/{base}"
        listed = self("images", "--format", "{{.Name}}:{{.Tag}} {{.ID}}")
        if name in listed:
            return
        container = self("from", "scratch").split()[-1]
        try:
            self("copy", "--quiet", container, str(files), "/")
            self("config", "--env", f"PATH={_PATH}", container)
            self("commit", "--quiet", container, name)
        finally:
            self("rm", container)


_SIGNED: Final = frozenset({"build", "commit", "push"})
