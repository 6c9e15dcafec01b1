"""A monitor's state as a small picture, for other pages to embed.

The text is fitted to the widths given here, whatever font the reader has. Colours have
a contrast of at least 4.5 to the white text. It may not say more than one word.
"""

from http import HTTPStatus
from typing import Final

from aiohttp import web

from heartbeats.core.model import Health
from heartbeats.edges.page.render import HEADERS, fragment

MAX_AGE_SECONDS: Final = 30
"""How long a badge may be shown without asking again."""

_COLOURS: Final = {
    Health.DOWN: "#b3261e",
    Health.UNKNOWN: "#6b46a8",
    Health.LATE: "#8a5a00",
    Health.NEW: "#44546a",
    Health.PAUSED: "#5c5c5c",
    Health.UP: "#1b6e37",
}
_GREY: Final = "#5c5c5c"
_NARROW: Final = frozenset("ijlrtfI.,-:|!'() ")
_WIDE: Final = frozenset("mwMW")
_LONGEST: Final = 60


def badge(name: str, word: Health | str, status: int = HTTPStatus.OK) -> web.Response:
    """Draw a badge: a name and a word beside it."""
    label = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    left, right = _width(label), _width(word)
    context = {
        "label": label,
        "word": str(word),
        "left": left,
        "right": right,
        "colour": _COLOURS[word] if isinstance(word, Health) else _GREY,
    }
    return web.Response(
        text=fragment("badge.svg", context),
        status=status,
        content_type="image/svg+xml",
        headers={
            **HEADERS,
            "Cache-Control": f"max-age={MAX_AGE_SECONDS}"
            if status == HTTPStatus.OK
            else "no-store",
            "Content-Security-Policy": "default-src 'none'",
            "Cross-Origin-Resource-Policy": "cross-origin",
        },
    )


def _width(text: str) -> int:
    """Return about how many pixels a text of 11 px takes, with its margins."""
    widths = (
        4 if letter in _NARROW else 10 if letter in _WIDE else 7 for letter in text
    )
    return sum(widths) + 10
