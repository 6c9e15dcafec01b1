"""The command as a process: started unchanged, told our signals, and reaped.

It stays in our process group and session, as under a shell: what a terminal sends
reaches it by itself, and whoever kills the group kills both. What was sent to us
alone is passed on, to it alone. As PID 1 of a container we inherit the orphans, so
whatever ends is reaped.

Signals are blocked and fetched, not handled: none is lost between two instructions,
and PID 1 gets those that the kernel would drop for want of a handler.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from errno import ENOENT
from pathlib import Path
from typing import Final

NOT_FOUND: Final = 127
NOT_STARTED: Final = 126
SIGNALLED: Final = 128
"""As a shell says it; for a signal its number is added."""

PASSED_ON: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)

_BY_THE_KERNEL = 0x80
"""si_code of what a terminal sends: the whole group has got it already."""

_PYTHONS_OWN = (signal.SIGPIPE, signal.SIGXFSZ)
"""Ignored by Python for itself; a command must find them as usual."""


class StartError(Exception):
    """The command can't be started; `code` is what a shell would end with."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"{name or repr(name)}: {error.strerror or error}")
        is_missing = isinstance(error, FileNotFoundError)
        self.code = NOT_FOUND if is_missing else NOT_STARTED


class Child:
    """A command that runs; made once in a process."""

    def __init__(self) -> None:
        # What was ignored when we began (nohup) stays ignored, for the command too.
        heard = {each for each in PASSED_ON if signal.getsignal(each) != signal.SIG_IGN}
        self._awaited = {*heard, signal.SIGCHLD}
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._awaited)
        self._pid = 0

    def start(self, command: Sequence[str], descriptors: Mapping[int, int]) -> None:
        """Start a command; StartError when that is impossible."""
        moves = [
            (os.POSIX_SPAWN_DUP2, ours, target) for target, ours in descriptors.items()
        ]
        try:
            if not command[0]:
                raise FileNotFoundError(ENOENT, os.strerror(ENOENT))
            self._pid = os.posix_spawnp(
                command[0],
                tuple(command),
                environment(),
                file_actions=moves,
                setsigmask=self._mask,
                setsigdef=_PYTHONS_OWN,
            )
        except OSError as error:
            raise StartError(command[0], error) from error

    def wait(self) -> int:
        """Pass signals on until the command has ended; return its exit code."""
        while True:
            found = signal.sigwaitinfo(self._awaited)
            if found.si_signo != signal.SIGCHLD:
                if found.si_code != _BY_THE_KERNEL:
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(self._pid, found.si_signo)
            elif (status := self._reap()) is not None:
                return exit_code(status)

    def is_unwanted(self) -> bool:
        """Tell, after the end, whether a signal came that the command got no more."""
        asked = self._awaited - {signal.SIGCHLD}
        return bool(asked) and signal.sigtimedwait(asked, 0) is not None

    def _reap(self) -> int | None:
        """Take in all that has ended; return the command's status if it is among it."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == self._pid:
                return status
            if pid == 0:
                return None


def exit_code(status: int) -> int:
    """Return what a shell makes of a wait status."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else SIGNALLED - code


def environment() -> dict[bytes, bytes]:
    """Return our environment as we were given it.

    In the C locale Python sets LC_CTYPE for itself; commands would see it and change.
    """
    found = {name: value for name, value in os.environb.items() if name}
    if b"LC_CTYPE" in found:
        with suppress(OSError):
            given = Path("/proc/self/environ").read_bytes().split(b"\0")
            names = dict(each.partition(b"=")[::2] for each in given)
            found.pop(b"LC_CTYPE")
            if (before := names.get(b"LC_CTYPE")) is not None:
                found[b"LC_CTYPE"] = before
    return found
