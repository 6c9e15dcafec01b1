"""`heartbeats exec` as a process, with all of its streams in the test's hands."""

import os
import signal
import subprocess
import sys
from typing import Any

HEARTBEATS = (sys.executable, "-m", "heartbeats")


def start(
    url: str, *command: str, flags: tuple[str, ...] = (), **options: Any
) -> "subprocess.Popen[bytes]":
    """Start a command under `heartbeats exec`, the URL in its environment."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "HEARTBEATS_URL": url}
    return subprocess.Popen(
        [*HEARTBEATS, "exec", *flags, "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment | options.pop("env", {}),
        preexec_fn=options.pop("preexec_fn", heed_signals),  # noqa: PLW1509 - it only makes system calls
        **options,
    )


def heed_signals() -> None:
    """Ignore no signal: whoever runs the tests in the background may have had us to."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def run(url: str, *command: str, **options: Any) -> tuple[int, bytes, bytes]:
    """Return the exit code and what was written to stdout and stderr."""
    with start(url, *command, **options) as process:
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def shell(url: str, script: str, **options: Any) -> tuple[int, bytes, bytes]:
    """Run a shell's script likewise."""
    return run(url, "sh", "-c", script, **options)


def when_started(process: "subprocess.Popen[bytes]") -> None:
    """Return when the command has written `ready`."""
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
