"""Every answer the ping listener gives, and the refusals that stand for one.

No redirects, no cookies, nothing that names a token that was not in the request.
A success is exactly 200: some clients count nothing else.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web
from multidict import CIMultiDict

BODY_LIMIT = 10_000
"""Bytes of a body that are kept; the rest is read and dropped, never refused."""

RETRY_AFTER_SECONDS = 5
"""Short: a deploy or an election is over by then, and curl honours it."""

_COMMON = CIMultiDict(
    {
        "Ping-Body-Limit": str(BODY_LIMIT),
        "Cache-Control": "no-store",
        "Access-Control-Allow-Origin": "*",
        # Instead of the versions of Python and aiohttp.
        "Server": "heartbeats",
    }
)
_TEXT = _COMMON.copy()
_TEXT["Content-Type"] = "text/plain; charset=utf-8"
_JSON = _COMMON.copy()
_JSON["Content-Type"] = "application/json"

# Clients look for these words in bodies, so no success may contain them.
NOT_FOUND = "not found"
NOT_READY = "not ready yet, try again"


class RefusedError(Exception):
    """A request that is answered without being recorded."""

    def __init__(
        self,
        status: int,
        reason: str,
        headers: Mapping[str, str] | None = None,
        *,
        close: bool = False,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers or {}
        self.close = close

    def answer(self, *, as_json: bool) -> web.Response:
        """Say no in the dialect's own form."""
        if as_json:
            response = reply({"error": self.reason}, self.status)
        else:
            response = say(self.reason, self.status)
        response.headers.update(self.headers)
        if self.close:
            response.force_close()
        return response


def ok() -> web.Response:
    """Answer a recorded ping in text."""
    return web.Response(body=b"OK", headers=_TEXT.copy())


def say(text: str, status: int = 200) -> web.Response:
    """Answer with a line of text."""
    return web.Response(body=text.encode(), status=status, headers=_TEXT.copy())


def reply(value: Mapping[str, object], status: int = 200) -> web.Response:
    """Answer with JSON."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, headers=_JSON.copy())


def bad_request(reason: str) -> RefusedError:
    """400: the request can't mean anything; sending it again won't help."""
    return RefusedError(400, reason)


def unreadable(status: int) -> RefusedError:
    """400: this is no HTTP. 500 only if the listener itself should fail."""
    ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    reason = "internal error" if ours else "this is no HTTP request"
    return RefusedError(status, reason, close=True)


def no_token() -> RefusedError:
    """401: a route without a token in its path needs one in a header."""
    challenge = {"WWW-Authenticate": 'Bearer realm="heartbeats"'}
    return RefusedError(401, "send the token as Authorization: Bearer", challenge)


def no_bots() -> RefusedError:
    """403: a link preview is no heartbeat."""
    return RefusedError(403, "link previews are not recorded")


def not_found() -> RefusedError:
    """404: final, so only when it is proven."""
    return RefusedError(404, NOT_FOUND)


def method_not_allowed(methods: Sequence[str]) -> RefusedError:
    """405: the route is there, for these methods only."""
    allowed = ", ".join(methods)
    return RefusedError(405, f"use {allowed}", {"Allow": allowed})


def too_slow() -> RefusedError:
    """408: the body did not arrive in time; the connection is closed."""
    return RefusedError(408, "the request body did not arrive in time", close=True)


def too_many(why: str) -> RefusedError:
    """429: not recorded; one monitor's pings take more than its share."""
    return RefusedError(
        429, f"too many pings: {why}", {"Retry-After": str(RETRY_AFTER_SECONDS)}
    )


def not_ready() -> RefusedError:
    """503: not recorded as far as is known, send it again."""
    return RefusedError(503, NOT_READY, {"Retry-After": str(RETRY_AFTER_SECONDS)})
