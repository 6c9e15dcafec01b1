"""Makes text from outside harmless: valid UTF-8, no control characters, bounded.

Pure functions. What they return can be put into JSON, a status or a terminal.
"""

import codecs
import re

HIDDEN = "\N{HORIZONTAL ELLIPSIS}"
"""Stands where a secret stood."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# C0 and C1 control characters and DEL: a terminal would obey them.
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), _REPLACEMENT)
_CONTROLS_BUT_LINES = {
    code: char for code, char in _CONTROLS.items() if chr(code) not in "\n\t"
}


def clean(text: str) -> str:
    """Keep lines and tabs, replace what else is not printable."""
    if text.isascii() and text.isprintable():
        return text
    text = _without_surrogates(text).replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_CONTROLS_BUT_LINES)


def clean_line(text: str) -> str:
    """Keep one line: for header and parameter values."""
    if text.isascii() and text.isprintable():
        return text
    return _without_surrogates(text).translate(_CONTROLS)


def decode(data: bytes, limit: int) -> str:
    """Read at most `limit` bytes as UTF-8 and never return more; junk is replaced."""
    whole = len(data) <= limit
    # A character cut in half by the limit is left out, not replaced.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return cut(clean(decoder.decode(data[:limit], final=whole)), limit)


def cut(text: str, limit: int) -> str:
    """Cut to at most `limit` bytes of UTF-8, between characters."""
    if len(text) * 4 <= limit:
        return text
    data = text.encode()
    return text if len(data) <= limit else data[:limit].decode(errors="ignore")


def hide(text: str, secret: str) -> str:
    """Leave a secret out, whether it is written in small or in large letters."""
    if secret.lower() not in text.lower():
        return text
    return re.sub(re.escape(secret), HIDDEN, text, flags=re.IGNORECASE)


def hide_in(value: object, secret: str) -> object:
    """Leave a secret out of everything that a JSON value says."""
    match value:
        case str():
            return hide(value, secret)
        case dict():
            return {hide(str(k), secret): hide_in(v, secret) for k, v in value.items()}
        case list() | tuple():
            return [hide_in(each, secret) for each in value]
        case _:
            return value


def _without_surrogates(text: str) -> str:
    """Replace halves of characters, which can't be written as UTF-8."""
    return text.encode("utf-8", "replace").decode()
