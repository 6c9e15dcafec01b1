"""Other people's programs, run to their end as a user runs them.

It may not know what a program is for; who calls it says what its failure means.
"""

import subprocess
from pathlib import Path


class CommandError(Exception):
    """A command failed; the message is what it wrote."""


def run(*command: str | Path, timeout: float, folder: str | Path | None = None) -> str:
    """Return all that it wrote, warnings too; `timeout` in seconds. CommandError."""
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        words = " ".join(map(str, command[1:]))
        raise CommandError(f"{Path(command[0]).name} {words}:\n{done.stdout}")
    return done.stdout
