"""Reads a request safely: whatever a client sends, reading it is no error of ours.

Every value comes out bounded and clean. Nothing here records or answers; what can't
be read raises a refusal.
"""

import asyncio
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import StreamReader, web

from heartbeats.edges.ping import answers, texts
from heartbeats.edges.ping.peers import Network, client_address, is_trusted_peer

SOURCE_LIMIT = 200
MESSAGE_LIMIT = 2_000
MAX_EXIT_CODE = 255
LONGEST_DURATION = timedelta(days=366)

_BOTS = re.compile(
    "twitterbot|slackbot|googlebot|discordbot|facebot|facebookexternalhit|telegrambot"
    "|whatsapp|linkedinbot",
    re.IGNORECASE,
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """How requests are read; the same for all of them."""

    trusted_proxies: Sequence[Network] = ()
    public_url: str | None = None
    body_patience: timedelta = timedelta(seconds=10)
    """A body that takes longer is refused with 408."""


@dataclass(slots=True)
class Call:
    """One request to one route, with the parts of its path."""

    http: web.BaseRequest
    token: str
    code: str
    """The exit code in the path, or empty."""
    received_at: datetime
    reading: Reading
    waited: float = 0.0
    """Seconds already spent on finding the monitor."""

    def param(self, *names: str) -> str | None:
        """Return the first of these query parameters, the last one if repeated."""
        url = self.http.rel_url
        if not url.raw_query_string:
            return None
        for name in names:
            if values := url.query.getall(name, None):
                return texts.clean_line(values[-1])
        return None

    def header(self, name: str) -> str:
        """Return a header on one clean line, or nothing."""
        value = self.http.headers.get(name)
        return texts.clean_line(value) if value else ""

    def source(self) -> str:
        """Say who pings: Origin, else the host parameter, else the User-Agent."""
        source = (
            self.header("Origin") or self.param("host") or self.header("User-Agent")
        )
        return source[:SOURCE_LIMIT]

    def message(self) -> str:
        """Return what the caller wrote into the URL."""
        return (self.param("msg", "message") or "")[:MESSAGE_LIMIT]

    def peer(self) -> str:
        """Return the address of the client, past our own proxies only."""
        forwarded_for = self.http.headers.getall("X-Forwarded-For", ())
        trusted = self.reading.trusted_proxies
        return client_address(self.http.remote, forwarded_for, trusted)

    def base_url(self) -> str:
        """Return the public address of this listener, without a slash at the end."""
        if self.reading.public_url is not None:
            return self.reading.public_url.rstrip("/")
        scheme = "http"
        if is_trusted_peer(self.http.remote, self.reading.trusted_proxies):
            claimed = self.header("X-Forwarded-Proto").lower()
            scheme = claimed if claimed in {"http", "https"} else scheme
        return f"{scheme}://{self.header('Host') or 'localhost'}"

    def run_id(self) -> str | None:
        """Return `rid` in lower case; a malformed one would pair with nothing: 400."""
        rid = self.param("rid")
        if rid is None:
            return None
        if not _UUID.fullmatch(rid):
            raise answers.bad_request("invalid uuid format")
        return rid.lower()

    def duration(self) -> timedelta | None:
        """Return `duration` in seconds; junk is ignored, it is no reason to refuse."""
        return span(self.param("duration"), timedelta(seconds=1))

    async def text(self, limit: int = answers.BODY_LIMIT) -> str:
        """Return the body, cut at `limit` bytes; the rest is never waited for."""
        if not self.http.body_exists:
            return ""
        return texts.decode(await self._body(limit), limit)

    async def _body(self, limit: int) -> bytes:
        """Return the body, up to one byte more than `limit`: so a cut shows."""
        try:
            async with asyncio.timeout(self.reading.body_patience.total_seconds()):
                await _welcome(self.http)
                return await _read(self.http.content, limit + 1)
        except TimeoutError as error:
            raise answers.too_slow() from error
        except (web.RequestPayloadError, ConnectionError) as error:
            # Malformed, or the client hung up and nobody will read the answer.
            raise answers.bad_request("the request body can't be read") from error


def is_bot(http: web.BaseRequest) -> bool:
    """Tell whether a link preview asks: nobody's job ran then."""
    return _BOTS.search(http.headers.get("User-Agent", "")) is not None


def bearer(http: web.BaseRequest) -> str:
    """Return the token of `Authorization: Bearer`; without one it is a 401."""
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise answers.no_token()
    return token.strip()


def exit_code(text: str) -> int:
    """Read 0 to 255, leading zeros allowed; anything else is a 400."""
    digits = text.lstrip("0") or text[-1:]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len("255")):
        raise answers.bad_request("invalid url format")
    if int(digits) > MAX_EXIT_CODE:
        raise answers.bad_request("invalid url format")
    return int(digits)


def span(value: object, unit: timedelta) -> timedelta | None:
    """Read a number of units as a span; None for what can't be one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number) or not 0 <= number <= LONGEST_DURATION / unit:
        return None
    return number * unit


async def _welcome(http: web.BaseRequest) -> None:
    """Answer `Expect: 100-continue`, for which curl waits before a large body."""
    if http.headers.get("Expect", "").lower() == "100-continue":
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # These bytes are no part of the answer, which is still to come.
        http.writer.output_size = 0


async def _read(content: StreamReader, limit: int) -> bytes:
    data = bytearray()
    while len(data) < limit:
        chunk = await content.read(limit - len(data))
        if not chunk:
            break
        data += chunk
    return bytes(data)
