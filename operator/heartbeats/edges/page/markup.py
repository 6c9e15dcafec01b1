"""Pieces of HTML. Whoever calls them passes text that is escaped already.

The page has no scripts and sends no cookies; its one style sheet is inline, and the
policy in `HEADERS` allows that one alone.
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import datetime
from html import escape
from types import MappingProxyType
from typing import Final

from aiohttp import web

from heartbeats.core import durations
from heartbeats.core.model import Health
from heartbeats.core.verdict import instant

_STYLE: Final = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}
a{color:inherit}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid #8884;padding:.4rem .8rem .4rem 0;text-align:left;
vertical-align:top}th,.s,time,code{white-space:nowrap}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.5rem}
dt{font-weight:600}dd{margin:0}td,dd,h1{overflow-wrap:anywhere}
.s{border-radius:.3rem;padding:.05rem .5rem;font-weight:600;background:#8882}
.Down{background:#b3261e;color:#fff}.Unknown{background:#7a4fb5;color:#fff}
.Late{background:#f2b21b;color:#000}.Up{background:#1b7a3d;color:#fff}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = MappingProxyType(
    {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)


def page(title: str, body: str, status: int = 200) -> web.Response:
    """Answer with a whole page; the title is escaped here."""
    title = escape(title)
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{title}</h1>{body}</body></html>"
    )
    return web.Response(
        text=text, status=status, content_type="text/html", headers=HEADERS
    )


def table(columns: str, rows: Iterable[str]) -> str:
    """Write a table; the columns' names are separated by commas."""
    heads = "".join(f'<th scope="col">{column}</th>' for column in columns.split(","))
    return (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def row(*cells: str) -> str:
    """Write a row of a table."""
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def badge(health: Health) -> str:
    """Write a state so that it can be seen from afar."""
    return f'<span class="s {health}">{health}</span>'


def ago(at: datetime | None, now: datetime) -> str:
    """Tell an instant from now, exactly when pointed at; nothing for None."""
    if at is None:
        return ""
    span = durations.humanise(abs(at - now))
    words = f"in {span}" if at > now else f"{span} ago"
    return f'<time datetime="{instant(at)}" title="{instant(at)}">{words}</time>'
