"""The whole route table of the ping listener, and how a path finds its route.

`{t}` is a token, `{code}` is digits, `{key}` is any segment: other systems' project
keys, which we do not need. A path that differs in anything, a slash at its end or an
upper-case letter, is another path: nothing is redirected.

Ours are UUIDs. A word in the place of one may be a token from elsewhere, if nothing
else fits. A word behind a key is one only together with it, `key/word`: there the
key is the secret, and the word is the name of a job that anybody could guess.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from heartbeats.edges.ping import (
    checkly,
    firstheartbeat,
    honeybadger,
    native,
    overwatch,
)
from heartbeats.edges.ping.acceptance import Acceptance
from heartbeats.edges.ping.requests import Call

Handler = Callable[[Call, Acceptance], Awaitable[web.Response]]


class Dialect(StrEnum):
    """Whose protocol a route speaks; the words of `--dialects` and of metrics."""

    NATIVE = "native"
    OVERWATCH = "overwatch"
    FIRST_HEARTBEAT = "firstheartbeat"
    CHECKLY = "checkly"
    HONEYBADGER = "honeybadger"

    @property
    def speaks_json(self) -> bool:
        """True when its clients expect JSON, in refusals too."""
        return self in {Dialect.OVERWATCH, Dialect.FIRST_HEARTBEAT}


@dataclass(frozen=True, slots=True)
class Route:
    """One path of one dialect. The token is in the path or, without {t}, a Bearer."""

    path: str
    methods: tuple[str, ...]
    """HEAD is served only where it is listed."""
    dialect: Dialect | None
    """None for what is about no monitor and needs no token."""
    handler: Handler

    @property
    def takes_bearer(self) -> bool:
        """True when the token comes in a header."""
        return self.dialect is not None and "{t}" not in self.path

    @property
    def takes_words(self) -> bool:
        """True when a token may be a word; at the root any stray path would be one."""
        return self.path != "/{t}"


def answers_json(dialect: Dialect | None) -> bool:
    """Tell how to answer where there may be no dialect to answer in."""
    return dialect is None or dialect.speaks_json


_PING = ("GET", "HEAD", "POST")
_BOTH = ("GET", "POST")
_GET = ("GET",)

# fmt: off
ROUTES = (
    Route("/ping/{t}",              _PING, Dialect.NATIVE, native.ping),
    Route("/ping/{t}/",             _PING, Dialect.NATIVE, native.ping),
    Route("/ping/{t}/start",        _PING, Dialect.NATIVE, native.start),
    Route("/ping/{t}/fail",         _PING, Dialect.NATIVE, native.fail),
    Route("/ping/{t}/log",          _PING, Dialect.NATIVE, native.log),
    Route("/ping/{t}/{code}",       _PING, Dialect.NATIVE, native.ended),
    Route("/ping/{key}/{t}",        _PING, Dialect.NATIVE, native.ping),
    Route("/ping/{key}/{t}/",       _PING, Dialect.NATIVE, native.ping),
    Route("/ping/{key}/{t}/start",  _PING, Dialect.NATIVE, native.start),
    Route("/ping/{key}/{t}/fail",   _PING, Dialect.NATIVE, native.fail),
    Route("/ping/{key}/{t}/log",    _PING, Dialect.NATIVE, native.log),
    Route("/ping/{key}/{t}/{code}", _PING, Dialect.NATIVE, native.ended),
    Route("/ping",                  _PING, Dialect.NATIVE, native.ping),
    Route("/ping/start",            _PING, Dialect.NATIVE, native.start),
    Route("/ping/fail",             _PING, Dialect.NATIVE, native.fail),
    Route("/ping/log",              _PING, Dialect.NATIVE, native.log),
    Route("/ping/{code}",           _PING, Dialect.NATIVE, native.ended),
    Route("/api/v1/monitors/{t}/checkin", _BOTH, Dialect.OVERWATCH, overwatch.check_in),
    Route("/api/v1/monitors/{t}",   _GET,  Dialect.OVERWATCH, overwatch.look_up),
    Route("/api/v1/hb/{t}",         _BOTH, Dialect.FIRST_HEARTBEAT,
          firstheartbeat.heartbeat),
    Route("/{t}",                   _BOTH, Dialect.CHECKLY, checkly.heartbeat),
    Route("/v1/check_in/{t}",       _BOTH, Dialect.HONEYBADGER, honeybadger.check_in),
    Route("/v1/check_in/{key}/{t}", _BOTH, Dialect.HONEYBADGER, honeybadger.check_in),
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Match:
    """A route with the parts of the path that it names."""

    route: Route
    token: str
    """Empty when the route has no token in its path."""
    code: str


_TOKEN = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TOKEN_LENGTH = 36
_WORD = re.compile(r"[A-Za-z0-9_-]{1,128}")
_WORDED = (("{t}",), ("{key}", "{t}"))

Shape = tuple[str, ...]


class Router:
    """Finds the route of a path, whatever the method, by the shape of the path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = {tuple(route.path.split("/")): route for route in routes}
        self._longest = max(map(len, self._routes), default=0)

    def find(self, raw_path: str) -> Match | None:
        """Return the route of a path as it came over the wire, or None."""
        segments = raw_path.split("/")
        if len(segments) > self._longest:
            return None
        shape = tuple(map(_kind_of, segments))
        found = shape if shape in self._routes else self._with_key(shape)
        route = self._routes.get(found)
        if route is None:
            return self._with_words(segments, shape)
        return Match(route, _at(segments, found, "{t}"), _at(segments, found, "{code}"))

    def _with_key(self, shape: Shape) -> Shape:
        """Take the first segment as the key that makes a route of the shape."""
        for index, kind in enumerate(shape):
            if kind:
                keyed = (*shape[:index], "{key}", *shape[index + 1 :])
                if keyed in self._routes:
                    return keyed
        return ()

    def _with_words(self, segments: list[str], shape: Shape) -> Match | None:
        """Take one or two words as the token that makes a route of the path."""
        for places in _WORDED:
            for start in range(1, len(shape) - len(places) + 1):
                end = start + len(places)
                worded = (*shape[:start], *places, *shape[end:])
                route = self._routes.get(worded)
                if route is None or not route.takes_words:
                    continue
                words = segments[start:end]
                if all(map(_WORD.fullmatch, words)):
                    code = _at(segments, worded, "{code}")
                    return Match(route, "/".join(words), code)
        return None


def _kind_of(segment: str) -> str:
    if len(segment) == TOKEN_LENGTH and _TOKEN.fullmatch(segment):
        return "{t}"
    if segment.isdecimal() and segment.isascii():
        return "{code}"
    # Braces in a real path are no placeholders.
    return segment if "{" not in segment else "{"


def _at(segments: list[str], shape: Shape, kind: str) -> str:
    return segments[shape.index(kind)] if kind in shape else ""
