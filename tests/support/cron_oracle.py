"""Asks robfig/cron, the CronJob controller's library, through a small Go program.

The program (tests/cron_oracle) is built once and cached by its source. It can't be
skipped: where no Go is to be had, a test that needs it fails and says why.
"""

import subprocess
import threading
import zoneinfo
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

import msgspec

from heartbeats.cluster.progress import Progress
from support.gotools import Go, GoToolError, Tools

SOURCE: Final = Path(__file__).parents[1] / "cron_oracle"
_MODULE: Final = "github.com/robfig/cron/v3"

# The library's search, made into the package `counted` that says more of itself.
_DAY_LOOP: Final = "\tfor !dayMatches(s, t) {\n"
_COUNTING: Final = "\t\tif days++; days > Limit {\n\t\t\tpanic(Stuck{t})\n\t\t}\n"
_CHANGES: Final = (
    ("package cron\n", "package counted\n"),
    ("\tadded := false\n", "\tadded := false\n\tdays := 0\n"),
    (_DAY_LOOP, _DAY_LOOP + _COUNTING),
)


class OracleError(GoToolError):
    """The library can't be asked; the message says why and what to do."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule, and the instant after which its next firings are wanted."""

    expression: str
    zone: str
    start: int
    """Unix seconds."""
    nanoseconds: int = 0
    count: int = 1
    local: bool = False
    """The zone is the controller's own, not the CronJob's `timeZone`."""


class Answer(msgspec.Struct, frozen=True):
    """An error, or the next firings: Unix seconds, a None at the end of them all."""

    error: str = ""
    instants: tuple[int | None, ...] | None = None
    left_out: bool = False
    """The library would search for ever; answered from beyond the day left out."""
    turned_back: bool = False
    """The library answers with the past; answered from a later minute."""


class Oracle:
    """The running program: one question a line, one answer a line."""

    def __init__(self, program: Path, zones: Path) -> None:
        self._process = subprocess.Popen(
            [str(program)],
            env={"ZONEINFO": str(zones)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Answer)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the library's answers, in order."""
        source, sink = self._process.stdin, self._process.stdout
        assert source is not None
        assert sink is not None
        lines = self._encoder.encode_lines(questions)
        # Both pipes are small: who only writes, then reads, would wait for ever.
        writer = threading.Thread(target=_write, args=(source, lines))
        writer.start()
        answers = [self._decoder.decode(_line(sink)) for _ in questions]
        writer.join()
        return answers

    def close(self) -> None:
        """Let the program end."""
        self._process.communicate()


@contextmanager
def running_oracle(progress: Progress, zones: Path) -> Iterator[Oracle]:
    """Start the program on a folder of zone files, Python's zones read from there too.

    What PYTHONTZPATH does for a new process, for this one.
    """
    program = build_oracle(progress)
    with python_reads(zones):
        oracle = Oracle(program, zones)
        try:
            yield oracle
        finally:
            oracle.close()


@contextmanager
def python_reads(zones: Path) -> Iterator[None]:
    """Make zoneinfo read one folder only, for a while."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[str(zones)])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        yield
    finally:
        zoneinfo.reset_tzpath(to=before)
        zoneinfo.ZoneInfo.clear_cache()


def packaged_zones() -> Path:
    """Return the folder of zone files in the package tzdata."""
    spec = find_spec("tzdata")
    if spec is None or spec.origin is None:
        raise OracleError("The package tzdata is missing: run `make setup`.")
    return Path(spec.origin).parent / "zoneinfo"


def build_oracle(progress: Progress, cache: Path | None = None) -> Path:
    """Return the program; build it with Go if need be (seconds, and one download)."""
    return _TOOLS.built(progress, cache) / "oracle"


def _make(go: Go) -> None:
    go.run("mod", "download")
    library = Path(go.run("list", "-m", "-f", "{{.Dir}}", _MODULE).strip())
    copy = _counting((library / "spec.go").read_text())
    (go.source / "counted" / "spec.go").write_text(copy)
    go.build(".", "oracle", "-trimpath")


def _counting(search: str) -> str:
    for place, instead in _CHANGES:
        if search.count(place) != 1:
            raise OracleError(
                f"{_MODULE}/spec.go has not one {place.strip()!r}: is it v3.0.1?"
            )
        search = search.replace(place, instead)
    return search


_TOOLS: Final = Tools("cron-oracle", SOURCE, _make, recipe=_CHANGES)


def _write(sink: IO[bytes], lines: bytes) -> None:
    try:
        sink.write(lines)
        sink.flush()
    except BrokenPipeError:
        pass  # the reader says that the program has ended


def _line(source: IO[bytes]) -> bytes:
    line = source.readline()
    if not line:
        raise OracleError("The cron oracle ended early; standard error says why.")
    return line
