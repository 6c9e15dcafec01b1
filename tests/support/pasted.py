"""The commands of a page, pasted into terminals as a reader does, and what they print.

In a page, a block `bash` is pasted into one shell, in order, and has to succeed; one
that is called `bash NAME` runs in a terminal of that name until the end. A block
`console` is what the commands before it print, `console NAME` what comes up in that
terminal. A number stands for any number, "…" for anything, space for any space.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(
    r"^```(bash|console)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_END = "end-of-what-was-pasted"
_LONGEST = 600.0
"""Seconds in which a block must be through; waits in it have limits of their own."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a page."""

    kind: str
    terminal: str | None
    text: str


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page that are pasted or printed."""
    return [
        Block(kind, name or None, text) for kind, name, text in _FENCE.findall(page)
    ]


def pattern(line: str) -> re.Pattern[str]:
    """Return what a printed line has to look like."""
    literal = re.sub(r"\d+", r"\\d+", re.escape(" ".join(line.split())))
    return re.compile(literal.replace(r"\ ", r"\s+").replace("…", ".*"))


@dataclass(slots=True)
class Terminal:
    """A shell in a folder; all that is printed in it is in a file."""

    process: "subprocess.Popen[str]"
    log: Path

    @property
    def printed(self) -> str:
        """Return everything that was printed so far."""
        return self.log.read_text(errors="replace")

    def paste(self, text: str) -> str:
        """Run a block; returns what it printed. AssertionError when it fails."""
        assert self.process.stdin is not None
        seen = len(self.printed)
        self.process.stdin.write(f"{text}echo {_END}\n")
        self.process.stdin.flush()
        self.wait_for(re.compile(f"^{_END}$", re.MULTILINE), seen)
        return self.printed[seen:]

    def wait_for(self, wanted: re.Pattern[str], start: int = 0) -> None:
        """Return when something is printed after `start`; AssertionError shows all."""
        ends = time.monotonic() + _LONGEST
        while not wanted.search(self.printed[start:]):
            alive = self.process.poll() is None and time.monotonic() < ends
            assert alive, f"no {wanted.pattern!r} in:\n{self.printed[start:]}"
            time.sleep(0.2)  # a file offers nothing to watch

    def press_ctrl_c(self) -> None:
        """Interrupt all that runs in it, and see it end."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)

    def close(self) -> None:
        """Kill what is left."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait()


@dataclass(slots=True)
class Desk:
    """Some terminals in one folder."""

    folder: Path
    logs: Path
    environment: Mapping[str, str]
    open: dict[str, Terminal] = field(default_factory=dict)

    def terminal(self, name: str, *command: str) -> Terminal:
        """Open a terminal, or return the one that is open."""
        if name not in self.open:
            log = self.logs / f"{name}.log"
            with log.open("w") as output:
                process = subprocess.Popen(
                    ["bash", "-e", *command],
                    cwd=self.folder,
                    env=dict(self.environment),
                    stdin=subprocess.DEVNULL if command else subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    text=True,
                    start_new_session=True,
                )
            self.open[name] = Terminal(process, log)
        return self.open[name]

    def follow(self, page: list[Block]) -> None:
        """Do what a page says, and see all of what it promises."""
        printed = ""
        for block in page:
            if block.kind == "bash" and block.terminal:
                self.terminal(block.terminal, "-c", block.text)
            elif block.kind == "bash":
                printed = self.terminal("shell").paste(block.text)
            elif block.terminal:
                for line in block.text.splitlines():
                    self.terminal(block.terminal).wait_for(pattern(line))
            else:
                for line in block.text.splitlines():
                    assert pattern(line).search(printed), f"no {line!r} in:\n{printed}"


@contextmanager
def desk(folder: Path, logs: Path, environment: Mapping[str, str]) -> Iterator[Desk]:
    """Yield a desk; whatever still runs on it in the end is killed."""
    found = Desk(folder, logs, environment)
    try:
        yield found
    finally:
        for terminal in found.open.values():
            terminal.close()
