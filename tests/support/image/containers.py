"""Runs the image as a pod is run: no capabilities, a read-only root, our user.

runc does it, on the machine's own network, so that 127.0.0.1 is the control plane's.
What Kubernetes mounts into a pod, the account's token, is mounted here as well.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from support.image.debian import Debian, run

ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_SETS: Final = ("bounding", "effective", "permitted", "inheritable", "ambient")
_OWN: Final = ("pid", "mount", "ipc", "uts")
"""Namespaces of its own; the network is the machine's."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An unpacked image, ready to be run any number of times."""

    debian: Debian
    folder: Path
    """Has the image's files in `rootfs`."""
    config: Mapping[str, Any]
    """What the image says of a container."""

    @contextmanager
    def container(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        account: Path | None = None,
        entrypoint: Sequence[str] | None = None,
    ) -> Iterator[list[str]]:
        """Yield the command that runs a container; it is gone after the block."""
        args = [*(entrypoint or self.config["Entrypoint"]), *arguments]
        set_ = [f"{name}={value}" for name, value in (environment or {}).items()]
        name = f"heartbeats-{uuid4().hex[:12]}"
        home = self.folder / name
        home.mkdir()
        spec = _spec(self.config, args, set_, self.folder / "rootfs", account)
        (home / "config.json").write_text(json.dumps(spec))
        runc = ("runc", "--root", str(self.folder / "state"))
        try:
            yield self.debian.command(*runc, "run", "--bundle", str(home), name)
        finally:
            # runc hands on the signal that ends it, but not one that kills it.
            self.debian.run(*runc, "delete", "--force", name)

    def output(self, *arguments: str, entrypoint: Sequence[str] | None = None) -> str:
        """Run a container to its end; returns what it wrote. DebianError."""
        with self.container(*arguments, entrypoint=entrypoint) as command:
            return run(command)


def _spec(
    config: Mapping[str, Any],
    args: list[str],
    environment: list[str],
    root: Path,
    account: Path | None,
) -> Any:
    user, _, group = config["User"].partition(":")
    mounts = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
    ]
    if account is not None:
        bound = {"destination": ACCOUNT, "type": "bind", "source": str(account)}
        mounts.append({**bound, "options": ["rbind", "ro"]})
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": int(user), "gid": int(group)},
            "args": args,
            "env": [*config["Env"], *environment],
            "cwd": config["WorkingDir"],
            "noNewPrivileges": True,
            "capabilities": {each: [] for each in _SETS},
        },
        "root": {"path": str(root), "readonly": True},
        "hostname": "heartbeats",
        "mounts": mounts,
        "linux": {
            "namespaces": [{"type": each} for each in _OWN],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
        },
    }
