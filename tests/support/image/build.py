"""`make image`: builds the image with whatever builder this machine has."""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from heartbeats import __version__

ROOT: Final = Path(__file__).parents[3]
BASE: Final = "python:3.13-slim"
"""What the Dockerfile names."""
BUILDERS: Final = ("docker", "podman", "buildah")
_NONE: Final = (
    "There is no builder: docker, podman or buildah is needed, and docker must answer "
    "(`docker info`). On Debian and Ubuntu: apt-get install buildah"
)


def find_builder() -> str | None:
    """Return the first builder that works."""
    for name in BUILDERS:
        if shutil.which(name) and _answers([name, "info"]):
            return name
    return None


def command(
    builder: str,
    tag: str,
    *,
    base: str | None = None,
    secrets: Mapping[str, Path | None] | None = None,
    revision: str = "",
    context: Path = ROOT,
) -> list[str]:
    """Return the command that builds the image; `secrets` are files, by their ids."""
    arguments = [f"--build-arg=REVISION={revision}"]
    if base is not None:
        arguments.append(f"--build-arg=BASE={base}")
    for name, file in (secrets or {}).items():
        if file is not None:
            arguments.append(f"--secret=id={name},src={file}")
    if builder != "docker":
        # The other format has no place for the health check.
        arguments.append("--format=docker")
    return [builder, "build", *arguments, f"--tag={tag}", str(context)]


def _answers(asked: Sequence[str]) -> bool:
    return not subprocess.run(list(asked), capture_output=True, check=False).returncode


def _revision() -> str:
    """Return the commit that is built; nothing outside a clone."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def main() -> None:
    """Build the image of Heartbeats from this checkout and the Dockerfile in it."""
    reader = argparse.ArgumentParser(
        prog="make image",
        description=main.__doc__,
        epilog="Through make: make image IMAGE=registry.example.org/heartbeats:0.1.0 "
        "OPTIONS='--base python:3.13-slim@sha256:…'",
    )
    reader.add_argument(
        "--tag",
        default=f"heartbeats:{__version__}",
        help="the image's name (default: %(default)s, which the manifests name)",
    )
    reader.add_argument(
        "--base",
        help="what it is built on, an image with Python 3.11 or newer; pin it by "
        "digest for builds that repeat (default: what the Dockerfile says)",
    )
    reader.add_argument(
        "--builder",
        choices=BUILDERS,
        help="what builds it (default: the first of these that works)",
    )
    reader.add_argument(
        "--pip-conf",
        type=Path,
        metavar="FILE",
        help="pip's configuration: where packages come from, if not the public index",
    )
    reader.add_argument(
        "--certificates",
        type=Path,
        metavar="FILE",
        help="whom to trust on the way there, if not the public authorities: PEM",
    )
    told = reader.parse_args()
    builder = told.builder or find_builder()
    if builder is None:
        sys.exit(_NONE)
    secrets = {"pip.conf": told.pip_conf, "certificates": told.certificates}
    built = command(
        builder, told.tag, base=told.base, secrets=secrets, revision=_revision()
    )
    print(" ".join(built), file=sys.stderr)  # noqa: T201 - for whoever waits
    sys.exit(subprocess.run(built, check=False).returncode)


if __name__ == "__main__":
    main()
