"""What a ping says, as the URL and the body of one request. Sends nothing.

The form is that of the native protocol, which is also that of Healthchecks: the
monitor's URL, then `/start`, `/fail`, `/log` or an exit code.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, quote, urlencode, urlsplit

BODY_LIMIT: Final = 10_000
"""Bytes of a body that the service keeps."""

LINE_LIMIT: Final = 500
"""Characters of a message that go into the URL: any of them fit into 6 kB there."""

SUCCESS: Final = ""
START: Final = "start"
FAIL: Final = "fail"
LOG: Final = "log"

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CONTINUES_A_CHARACTER = re.compile(rb"[\x80-\xbf]{1,3}")


class UrlError(ValueError):
    """A text is no ping URL; the message says what is wrong, never the text."""


class RunIdError(ValueError):
    """A text is no run id; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Request:
    """One ping. The URL holds the token, a secret, so `repr` does not show it."""

    url: str = field(repr=False)
    body: bytes = b""

    @property
    def host(self) -> str:
        """Return whom it goes to: what may be shown."""
        parts = urlsplit(self.url)
        host = (
            f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        )
        return f"{host}:{parts.port}" if parts.port else f"{host}"


class PingUrl:
    """A monitor's ping URL, from which the URL of each signal is made."""

    def __init__(self, text: str) -> None:
        """Take a URL; UrlError when it can't be one."""
        self._parts = _checked(text.strip())

    def request(
        self,
        signal: str = SUCCESS,
        *,
        run_id: str | None = None,
        seconds: float | None = None,
        message: str = "",
        body: bytes = b"",
    ) -> Request:
        """Say what happened: a signal or an exit code, of which run, in which words."""
        given = {
            "rid": run_id,
            "duration": None if seconds is None else f"{seconds:.3f}",
            "msg": message or None,
        }
        query = urlencode({key: value for key, value in given.items() if value})
        path = "/".join(filter(None, (self._parts.path.rstrip("/"), signal)))
        both = "&".join(filter(None, (self._parts.query, query)))
        url = self._parts._replace(path=path, query=both, fragment="").geturl()
        return Request(url, tail_of(body))


def _checked(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port_is_valid = parts.port != 0
    except ValueError as error:
        raise UrlError(f"it can't be read: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UrlError("it must begin with http://HOST/ or https://HOST/")
    if not port_is_valid or parts.username is not None:
        raise UrlError("a user name or port 0 can't be used in it")
    if not parts.path.strip("/"):
        raise UrlError("it lacks its token: it ends with /ping/TOKEN")
    if quote(text, safe="%/:=&?~#+!$,;'@()*[]-._") != text:
        raise UrlError("it holds a character that no URL holds, such as a space")
    return parts


def run_id_of(text: str) -> str:
    """Return a run id in lower case; RunIdError unless it is a UUID."""
    if not _UUID.fullmatch(text.strip()):
        raise RunIdError(f"{text!r} is no UUID: make one for each run with uuidgen")
    return text.strip().lower()


def tail_of(data: bytes) -> bytes:
    """Return the end of an output, cut where a character begins."""
    if len(data) <= BODY_LIMIT:
        return data
    end = data[-BODY_LIMIT:]
    broken = _CONTINUES_A_CHARACTER.match(end)
    return end[broken.end() :] if broken else end


def is_line(text: str) -> bool:
    """Tell whether a message is short enough to stand in a URL."""
    return len(text) <= LINE_LIMIT and text.isprintable()
