"""Starts processes that outlive us, and stops them by their recorded id.

A process is ours only if its command line names our folder: ids are used again. Knows
nothing of clusters.
"""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from heartbeats.cluster.errors import ClusterError

_POLL = 0.05
"""Seconds between two looks at a process that is ending."""

_RECORD_POLL = 0.002
"""Seconds between two looks for the record of a process that was just started."""

_EXEC_LOOKS = 50
"""How often a process is seen between two programs before it counts as none."""

_ENDED = {b"Z", b"X"}
"""The states of /proc/<pid>/stat of processes that have ended."""

_EXITING = 0x4
"""The flag there of a process whose end has begun: its ports may still be taken."""

# The process writes its id itself, then becomes the program: whenever we are killed,
# there is no process without a record.
_LAUNCHER = 'echo $$ >"$1" && cd "$2" && shift 2 && exec "$@"'


@dataclass(frozen=True, slots=True)
class Launch:
    """One program to start. `home` is its folder and must be named in `command`."""

    command: Sequence[str]
    home: Path
    pid_file: Path
    log_file: Path
    environment: Mapping[str, str]


def spawn(launch: Launch) -> int:
    """Start a process in a session of its own; returns its id once it is recorded."""
    for file in (launch.pid_file, launch.log_file):
        file.parent.mkdir(parents=True, exist_ok=True)
    launch.pid_file.unlink(missing_ok=True)
    pid = _spawn(launch)
    while read_pid(launch.pid_file) != pid:
        if _reap(pid):
            raise ClusterError(f"{launch.command[0]} did not start: {launch.log_file}")
        time.sleep(_RECORD_POLL)
    return pid


def _spawn(launch: Launch) -> int:
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = [str(launch.pid_file), str(launch.home)]
    # Not subprocess.Popen, which warns about children that are meant to stay.
    return os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", _LAUNCHER, "sh", *files, *launch.command],
        dict(launch.environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(launch.log_file), log_flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def read_pid(pid_file: Path) -> int | None:
    """Return the recorded id, or None if there is no readable record."""
    try:
        return int(pid_file.read_text())
    except (OSError, ValueError):
        return None


def is_running(pid: int | None, home: Path) -> bool:
    """Tell whether that process runs and is one of this folder's."""
    if pid is None:
        return False
    _reap(pid)
    words = _command_line(pid).split(b"\0")
    return any(_names(word, os.fsencode(home)) for word in words)


def signal_process(pid: int | None, home: Path, number: signal.Signals) -> None:
    """Send a signal to a process if it is one of this folder's."""
    if pid is not None and is_running(pid, home):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            _reap(pid)


def stop(pid: int | None, home: Path, grace: float) -> None:
    """End a process of this folder: ask, wait `grace` seconds, then kill."""
    signal_process(pid, home, signal.SIGTERM)
    if not _wait_gone(pid, home, grace):
        signal_process(pid, home, signal.SIGKILL)
        if not _wait_gone(pid, home, grace):
            raise ClusterError(
                f"Process {pid} of {home} can't be ended, not even by SIGKILL; "
                "its disk may hang. Try again, or restart the machine."
            )


def _wait_gone(pid: int | None, home: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(pid, home) or _is_ending(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _is_ending(pid: int | None) -> bool:
    """Tell whether a process is about to go: it has lost its name, but not its files.

    Its first thread may have ended while others still hold them.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    fields = stat.rpartition(b")")[2].split()
    state, flags, threads = fields[0], int(fields[6]), int(fields[17])
    return bool(flags & _EXITING) and (state not in _ENDED or threads > 1)


def _names(word: bytes, home: bytes) -> bool:
    # Not "/clusters/dev" in "/clusters/dev-2".
    return word.endswith(home) or home + b"/" in word


def _command_line(pid: int) -> bytes:
    """Return a process's command line; empty if it has ended."""
    process = Path(f"/proc/{pid}")
    for _ in range(_EXEC_LOOKS):
        try:
            if command := (process / "cmdline").read_bytes():
                return command
            state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            return b""
        if state in _ENDED:
            return b""
        # In the middle of exec: the old command line is gone, the new one to come.
        time.sleep(_RECORD_POLL)
    return b""  # a kernel thread, which has none


def _reap(pid: int) -> bool:
    """Take the exit status of a child of ours, lest it stay; tell if there was one."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False  # started by an earlier command; init takes care of it
