"""Templates to answers: everything is escaped, and policies say what a browser may do.

Pages have no inline script or style; both come from routes of their own, under names
that change with their content. It may not know what the pages tell.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from heartbeats.core import durations
from heartbeats.core.verdict import instant
from heartbeats.edges.page import words

PIECES: Final = 2_000
"""Bits of a template that are written before others may run: a few milliseconds."""

HEADERS: Final = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; script-src 'self'; "
            "connect-src 'self'; img-src 'self'; base-uri 'none'; "
            "form-action 'self'; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {
    "style.css": "text/css",
    "live.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages refer to."""

    name: str
    type: str
    text: str

    @property
    def url(self) -> str:
        """Return where it is: another place for another content."""
        digest = hashlib.sha256(self.text.encode()).hexdigest()[:12]
        return f"/static/{digest}/{self.name}"

    def answer(self) -> web.Response:
        """Answer with it; it never changes under this URL."""
        headers = {**HEADERS, "Cache-Control": _FOR_EVER}
        return web.Response(text=self.text, content_type=self.type, headers=headers)


@cache
def assets() -> Mapping[str, Asset]:
    """Return the files by their URLs."""
    folder = files("heartbeats.edges.page") / "static"
    found = [
        Asset(name, kind, (folder / name).read_text("utf-8"))
        for name, kind in _TYPES.items()
    ]
    return {each.url: each for each in found}


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("heartbeats.edges.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["asset"] = {each.name: each.url for each in assets().values()}
    made.globals["told"] = words.told
    made.filters["instant"] = instant
    made.filters["humanise"] = durations.humanise
    for name in ("ago", "span", "exactly"):
        made.filters[name] = _at_now(getattr(words, name))
    return made


def prepare() -> None:
    """Compile the templates, which takes a tenth of a second: before it matters."""
    for name in _environment().list_templates():
        _environment().get_template(name)


def _at_now(
    word: Callable[[datetime | None, datetime], str],
) -> Callable[[Context, datetime | None], str]:
    """Make a filter that knows the `now` of its template."""

    @pass_context
    def filtered(context: Context, at: datetime | None) -> str:
        return word(at, context["now"])

    return filtered


def fragment(template: str, context: Mapping[str, Any]) -> str:
    """Render something small at once."""
    return _environment().get_template(template).render(context)


async def page(
    template: str, context: Mapping[str, Any], status: int = 200
) -> web.Response:
    """Render a whole page, piece by piece, so that nobody waits long for the loop."""
    stream = _environment().get_template(template).stream(context)
    stream.enable_buffering(PIECES)
    pieces: list[str] = []
    for piece in stream:
        pieces.append(piece)
        await asyncio.sleep(0)
    return web.Response(
        text="".join(pieces), status=status, content_type="text/html", headers=HEADERS
    )
