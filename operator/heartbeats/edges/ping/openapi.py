"""The ping listener's own OpenAPI document, made from its route table.

Two paths of the table may be one template to OpenAPI (`/ping/{t}`, `/ping/{code}`):
then they are one path here, whose placeholder takes either (`/ping/{t_or_code}`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web

from heartbeats import __version__
from heartbeats.edges.ping import answers
from heartbeats.edges.ping.acceptance import Acceptance
from heartbeats.edges.ping.operations import (
    ERROR,
    OPERATIONS,
    PLACES,
    QUERY,
    Operation,
    Schema,
)
from heartbeats.edges.ping.requests import Call
from heartbeats.edges.ping.routes import Handler, Route, answers_json

PATH = "/openapi.json"
TEXT, JSON, BYTES = "text/plain", "application/json", "application/octet-stream"

_PLACE = re.compile(r"\{(\w+)\}")
_UNREADABLE = 400
_BEFORE_THE_ROUTE = {403, 404}

_ABOUT = """\
Where jobs report to. A success is answered after it is stored.

A method that a path does not have is answered with 405 and Allow, an unknown path
with 404, a request head that can't be read with 400 and one that does not come in
time with 408; then the connection is closed. A body is cut, never refused: there is
no 413. Junk in any header is ignored."""

_REFUSALS = {
    400: "Not recorded; a parameter or the body can't be read.",
    401: "Not recorded; the token is missing.",
    403: "Not recorded; link previews are no heartbeats.",
    404: "There is no such monitor; final.",
    408: "Not recorded; the body did not arrive in time.",
    429: "Not recorded; this monitor's pings exceed its share. Try again later.",
    503: "Not recorded as far as is known; send it again.",
}
_HEADERS = {
    "Ping-Body-Limit": "How many bytes of a body are kept.",
    "Cache-Control": "no-store: no ping is like another.",
    "Access-Control-Allow-Origin": "*: pages may ping.",
    "WWW-Authenticate": "How to send a token.",
    "Retry-After": "Seconds.",
}
_COMMON_HEADERS = ("Ping-Body-Limit", "Cache-Control", "Access-Control-Allow-Origin")
_MORE_HEADERS = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_ITSELF = Operation(
    summary="This document.",
    query=(),
    body="",
    success={"type": "object"},
    refusals=(400, 403),
)


def with_document(routes: Sequence[Route]) -> tuple[Route, ...]:
    """Return the routes and one more, which serves the document of them all."""

    async def serve(call: Call, acceptance: Acceptance) -> web.Response:  # noqa: ARG001
        return answers.reply(content)

    table = (*routes, Route(PATH, ("GET", "HEAD"), None, serve))
    content = document(table, {**OPERATIONS, serve: _ITSELF})
    return table


def document(
    routes: Iterable[Route], operations: Mapping[Handler, Operation] = OPERATIONS
) -> Schema:
    """Describe routes by what their handlers do."""
    groups: dict[str, list[Route]] = {}
    for route in routes:
        groups.setdefault(_PLACE.sub("{}", route.path), []).append(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heartbeats: pings",
            "version": __version__,
            "description": _ABOUT,
        },
        "paths": {template(same): _item(same, operations) for same in groups.values()},
        "components": _components(),
    }


def _components() -> Schema:
    """Return the parts that many operations share."""
    return {
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        "parameters": {
            name: {"name": name, "in": "query", "schema": schema}
            for name, schema in QUERY.items()
        },
        "headers": {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in _HEADERS.items()
        },
        "responses": {
            _name(code, as_json=as_json): _refusal(code, as_json=as_json)
            for code in _REFUSALS
            for as_json in (False, True)
        },
    }


def template(routes: Sequence[Route]) -> str:
    """Return the one path of routes that differ in the names of placeholders only."""
    columns = zip(*(route.path.split("/") for route in routes), strict=True)
    return "/".join(map(_segment, columns))


def _segment(column: Sequence[str]) -> str:
    names = list(dict.fromkeys(_PLACE.findall(" ".join(column))))
    return f"{{{'_or_'.join(names)}}}" if names else column[0]


def _item(
    routes: Sequence[Route], operations: Mapping[Handler, Operation]
) -> dict[str, Any]:
    item: dict[str, Any] = {
        method.lower(): _operation(routes, operations, method)
        for method in routes[0].methods
    }
    if places := _PLACE.findall(template(routes)):
        item["parameters"] = [_place(name) for name in places]
    return item


def _place(name: str) -> Schema:
    schemas = [PLACES[each] for each in name.split("_or_")]
    schema = {"anyOf": schemas} if len(schemas) > 1 else schemas[0]
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _operation(
    routes: Sequence[Route], operations: Mapping[Handler, Operation], method: str
) -> dict[str, Any]:
    done = [operations[route.handler] for route in routes]
    query = dict.fromkeys(name for each in done for name in each.query)
    described: dict[str, Any] = {
        "summary": " Or: ".join(dict.fromkeys(each.summary for each in done)),
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in query],
        "responses": _responses(routes, done, method),
    }
    if dialect := routes[0].dialect:
        described["tags"] = [dialect.value]
    if method == "POST" and done[0].body:
        described["requestBody"] = {
            "description": done[0].body,
            "content": {media: {} for media in (TEXT, JSON, BYTES)},
        }
    return described | _security(routes)


def _security(routes: Sequence[Route]) -> dict[str, Any]:
    """Ask for a Bearer where a path has no token, and leave it where it may have."""
    bearers = [each.takes_bearer for each in routes]
    if not any(bearers):
        return {}
    return {"security": [{"token": []}] if all(bearers) else [{}, {"token": []}]}


def _responses(
    routes: Sequence[Route], done: Sequence[Operation], method: str
) -> Schema:
    as_json = answers_json(routes[0].dialect)
    codes = {code for each in done for code in each.refusals}
    if any(route.takes_bearer for route in routes):
        codes.add(401)
    success = {"description": "Done.", "headers": _headers(200)}
    if method != "HEAD":
        media = JSON if as_json else TEXT
        success["content"] = {media: {"schema": done[0].success}}
    return {"200": success} | {
        str(code): {"$ref": f"#/components/responses/{_name(code, as_json=as_json)}"}
        for code in sorted(codes)
    }


def _refusal(code: int, *, as_json: bool) -> Schema:
    """Describe a refusal; some come before the dialect is known."""
    content: dict[str, Any] = {}
    if not as_json or code == _UNREADABLE:
        content[TEXT] = {"schema": {"type": "string"}}
    if as_json or code in _BEFORE_THE_ROUTE:
        content[JSON] = {"schema": ERROR}
    description = _REFUSALS[code]
    return {"description": description, "headers": _headers(code), "content": content}


def _name(code: int, *, as_json: bool) -> str:
    return f"{code}.{'json' if as_json else 'text'}"


def _headers(code: int) -> dict[str, Any]:
    names = [*_COMMON_HEADERS, *_MORE_HEADERS.get(code, ())]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
