"""The command's stdout and stderr on their way through: unchanged, and the tail kept.

Each stream has a pipe and a thread. It ends with the stream, or with what is in the
pipe when the command has ended: a process left behind may hold it open for ever.
"""

import errno
import fcntl
import os
import select
import struct
import termios
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from threading import Lock, Thread
from typing import Final

from heartbeats.client.requests import BODY_LIMIT

_CHUNK: Final = 65_536
_ASK_SECONDS: Final = 0.2


class Tail:
    """The last bytes of stdout and stderr together, in the order in which they came.

    When both are long, each has half: what a job complains of must not be pushed out
    by what it prints.
    """

    def __init__(self, limit: int = BODY_LIMIT) -> None:
        self._limit = limit
        self._lock = Lock()
        self._came = count()
        self._pieces: dict[int, deque[tuple[int, bytes]]] = {1: deque(), 2: deque()}
        self._sizes = {1: 0, 2: 0}

    def add(self, stream: int, data: bytes) -> None:
        """Keep a piece, and drop what is too far behind the end of its stream."""
        with self._lock:
            pieces = self._pieces[stream]
            pieces.append((next(self._came), data[-self._limit :]))
            self._sizes[stream] += len(pieces[-1][1])
            while self._sizes[stream] - len(pieces[0][1]) >= self._limit:
                self._sizes[stream] -= len(pieces.popleft()[1])

    def bytes(self) -> bytes:
        """Return the end of both."""
        with self._lock:
            half = self._limit // 2
            of_stderr = min(self._sizes[2], max(half, self._limit - self._sizes[1]))
            ends = [
                *_end(self._pieces[1], self._limit - of_stderr),
                *_end(self._pieces[2], of_stderr),
            ]
        return b"".join(data for _, data in sorted(ends))


def _end(pieces: "deque[tuple[int, bytes]]", left: int) -> list[tuple[int, bytes]]:
    """Return the last pieces, so many bytes of them."""
    found = []
    for order, data in reversed(pieces):
        if left <= 0:
            break
        found.append((order, data[-left:]))
        left -= len(data)
    return found


class Stream:
    """One pipe that ends in a descriptor of ours."""

    def __init__(self, target: int, tail: Tail) -> None:
        self._target = target
        self._tail = tail
        self._reads, self.writes = os.pipe()
        self._ended, self._end = os.pipe()
        self._is_broken = False
        self._thread = Thread(target=self._pump, name=f"fd {target}", daemon=True)

    def start(self) -> None:
        """Begin to pass on; RuntimeError when there can't be a thread."""
        self._thread.start()

    def started(self) -> None:
        """Close our copy of the command's end, once the command has its own."""
        os.close(self.writes)

    def finish(self, is_hopeless: Callable[[], bool]) -> None:
        """Pass on what the command has written; returns when that is done.

        However long our reader takes; but somebody may say that it is hopeless.
        """
        os.close(self._end)
        while self._thread.is_alive():
            self._thread.join(_ASK_SECONDS)
            if self._thread.is_alive() and is_hopeless():
                break

    def close(self) -> None:
        """Release what was never started."""
        for descriptor in (self._reads, self.writes, self._ended, self._end):
            os.close(descriptor)

    def _pump(self) -> None:
        with suppress(_ReaderGoneError):
            while self._has_more():
                data = os.read(self._reads, _CHUNK)
                if not data:
                    break
                self._pass_on(data)
        os.close(self._reads)  # the command learns of it as it would without us

    def _has_more(self) -> bool:
        """Wait for data; False when the command has ended and all was passed on."""
        poll = select.poll()
        poll.register(self._reads, select.POLLIN)
        poll.register(self._ended, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll()}
        if self._ended in ready:
            self._drain()
            return False
        return True

    def _drain(self) -> None:
        """Pass on as much as is there now; who writes on is not waited for."""
        left = waiting_bytes(self._reads)
        while left > 0 and (data := os.read(self._reads, min(left, _CHUNK))):
            self._pass_on(data)
            left -= len(data)

    def _pass_on(self, data: bytes) -> None:
        self._tail.add(self._target, data)
        while data and not self._is_broken:
            try:
                data = data[os.write(self._target, data) :]
            except BlockingIOError:  # somebody made it non-blocking
                select.select([], [self._target], [])
            except OSError as error:
                if error.errno == errno.EPIPE:
                    raise _ReaderGoneError from error
                # A full disk must not stop the job: it goes on unheard.
                self._is_broken = True


class _ReaderGoneError(Exception):
    """Nobody reads our output any more."""


def waiting_bytes(descriptor: int) -> int:
    """Return how much a pipe holds."""
    packed = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    found: int = struct.unpack("i", packed)[0]
    return found


class Streams:
    """Both streams of a command, or neither: then it has our own descriptors."""

    def __init__(self, *, are_captured: bool) -> None:
        self.tail = Tail()
        self._streams: dict[int, Stream] = {}
        if are_captured and _are_open():
            self._streams = {target: Stream(target, self.tail) for target in (1, 2)}

    def start(self) -> None:
        """Begin to pass on; without threads, the streams are left alone."""
        for target, stream in list(self._streams.items()):
            try:
                stream.start()
            except RuntimeError:
                self._streams.pop(target).close()

    @property
    def descriptors(self) -> dict[int, int]:
        """Return what the command gets as 1 and 2 instead of ours."""
        return {target: stream.writes for target, stream in self._streams.items()}

    def started(self) -> None:
        """Leave the command's ends to the command."""
        for stream in self._streams.values():
            stream.started()

    def finish(self, is_hopeless: Callable[[], bool]) -> bytes:
        """Pass on the rest; return the tail."""
        for stream in self._streams.values():
            stream.finish(is_hopeless)
        return self.tail.bytes()


def _are_open() -> bool:
    """Tell whether 0, 1 and 2 are open: if not, a pipe could be taken for them."""
    try:
        for descriptor in (0, 1, 2):
            os.fstat(descriptor)
    except OSError:
        return False
    return True
