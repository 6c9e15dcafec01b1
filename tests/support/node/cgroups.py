"""Clears the control groups that a kubelet leaves behind: they are the machine's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
_NAME: Final = "kubepods"


@contextmanager
def tidied() -> Iterator[None]:
    """Remove, at the end of the block, what was not there before it."""
    before = set(_trees())
    try:
        yield
    finally:
        for tree in set(_trees()) - before:
            for folder, _, _ in os.walk(tree, topdown=False):
                with suppress(OSError):  # somebody uses it: not ours to remove
                    Path(folder).rmdir()


def _trees() -> list[Path]:
    """Return the kubelet's group in each hierarchy, or in the only one."""
    return [*_ROOT.glob(_NAME), *_ROOT.glob(f"*/{_NAME}")]
