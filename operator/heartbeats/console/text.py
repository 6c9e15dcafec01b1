"""Lines of text for a terminal: columns, ages, colours. Pure: no stream, no clock."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TextIO

from heartbeats.core import durations
from heartbeats.core.model import Health
from heartbeats.core.verdict import instant

GAP: Final = "  "
_RESET: Final = "\x1b[0m"
_COLOURS: Final = MappingProxyType(
    {
        Health.UP.value: "\x1b[32m",
        Health.LATE.value: "\x1b[33m",
        Health.DOWN.value: "\x1b[31m",
        Health.PAUSED.value: "\x1b[34m",
        Health.UNKNOWN.value: "\x1b[35m",
    }
)
_SHORT: Final = timedelta(minutes=2)


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether colours help: on a terminal, unless somebody declined them."""
    return stream.isatty() and not declines_colour(environ)


def declines_colour(environ: Mapping[str, str]) -> bool:
    """Tell whether colours are not wanted, or can't be shown."""
    # https://no-color.org: set and not empty.
    return bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"


def painted(text: str) -> str:
    """Colour a cell that holds a state; any other stays as it is."""
    colour = _COLOURS.get(text.strip())
    return f"{colour}{text}{_RESET}" if colour else text


def aligned(cells: Sequence[str]) -> list[str]:
    """Bring a column's cells to one width."""
    width = max(map(len, cells))
    return [cell.ljust(width) for cell in cells]


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, colour: bool = False
) -> list[str]:
    """Return a header and rows as lines whose columns stand below one another."""
    cells = [header, *([plain(cell) for cell in row] for row in rows)]
    lines = zip(*(aligned(each) for each in zip(*cells, strict=True)), strict=True)
    paint = painted if colour else str
    return [GAP.join(paint(cell) for cell in line).rstrip() for line in lines]


def plain(text: str) -> str:
    """Keep what a job or a user wrote from moving the cursor or breaking lines."""
    return "".join(each if each.isprintable() else " " for each in text)


def age(at: datetime | None, *, now: datetime) -> str:
    """Write how long ago an instant was, as kubectl does: 45s, 3m, 5h, 2d."""
    if at is None:
        return ""
    span = max(now - at, timedelta())
    seconds = int(span.total_seconds())
    if span < _SHORT:
        return f"{seconds}s"
    for unit, size in (("d", 86_400), ("h", 3600)):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds // 60}m"


def distance(at: datetime | None, *, now: datetime) -> str:
    """Tell an instant from now: "in 4h 51m", "3m ago"; nothing for None."""
    if at is None:
        return ""
    span = durations.humanise(abs(at - now))
    return f"in {span}" if at > now else f"{span} ago"


def moment(at: datetime, *, now: datetime) -> str:
    """Write an instant, and how far away it is."""
    return f"{instant(at)} ({distance(at, now=now)})"


def fields(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return names and texts as two columns; what has no text is left out."""
    known = [(f"{name}:", plain(text)) for name, text in pairs if text]
    if not known:
        return []
    names = aligned([name for name, _ in known])
    texts = (text for _, text in known)
    return [f"{name}  {text}" for name, text in zip(names, texts, strict=True)]
