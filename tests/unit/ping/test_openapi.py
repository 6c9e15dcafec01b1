"""The OpenAPI document says what the route table says, and is valid."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from heartbeats.edges.ping.openapi import PATH, document, template, with_document
from heartbeats.edges.ping.operations import OPERATIONS, PLACES, QUERY
from heartbeats.edges.ping.routes import ROUTES, Dialect, Route
from heartbeats.edges.ping.service import Options
from unit.ping.support import PingBench

Start = Callable[[Options], Awaitable[PingBench]]
DOCUMENT = document(ROUTES)
METHODS = {"get", "head", "post", "put", "patch", "delete", "options", "trace"}


def shape(path: str) -> tuple[str, ...]:
    """Return a path whose placeholders have no names."""
    return tuple("{" if "{" in each else each for each in path.split("/"))


def methods(item: dict[str, Any]) -> set[str]:
    return {name.upper() for name in METHODS & item.keys()}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_a_route_is_described_with_its_methods(route: Route) -> None:
    (path,) = [each for each in DOCUMENT["paths"] if shape(each) == shape(route.path)]
    item = DOCUMENT["paths"][path]
    assert methods(item) == set(route.methods)
    assert [item[name]["tags"] for name in METHODS & item.keys()] == [
        [route.dialect.value]
    ] * len(route.methods)


def test_nothing_is_described_that_is_no_route() -> None:
    shapes = Counter(map(shape, DOCUMENT["paths"]))
    assert shapes.keys() == {shape(route.path) for route in ROUTES}
    # To OpenAPI, paths that differ in the names of placeholders only are the same.
    assert set(shapes.values()) == {1}


def test_every_handler_is_described_and_no_other() -> None:
    assert OPERATIONS.keys() == {route.handler for route in ROUTES}
    known = {name for each in OPERATIONS.values() for name in each.query}
    assert known == QUERY.keys()


def test_routes_of_one_path_are_of_one_dialect_with_the_same_methods() -> None:
    for route in ROUTES:
        same = [each for each in ROUTES if shape(each.path) == shape(route.path)]
        assert {each.dialect for each in same} == {route.dialect}
        assert {each.methods for each in same} == {route.methods}


def test_a_path_names_all_that_may_stand_in_a_place() -> None:
    routes = [each for each in ROUTES if each.path in {"/ping/{t}", "/ping/{code}"}]
    assert template(routes) == "/ping/{t_or_code}"
    (place,) = DOCUMENT["paths"]["/ping/{t_or_code}"]["parameters"]
    assert place["schema"] == {"anyOf": [PLACES["t"], PLACES["code"]]}


def test_only_a_path_without_a_token_asks_for_a_bearer() -> None:
    for path, item in DOCUMENT["paths"].items():
        tokens = [name for name in ("{t", "_or_t}") if name in path]
        for name in METHODS & item.keys():
            assert ("401" in item[name]["responses"]) is ("security" in item[name])
            if not tokens:
                assert item[name]["security"] == [{"token": []}]


def test_it_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT))).validate()


def test_a_mistake_would_make_it_invalid() -> None:
    broken = json.loads(json.dumps(DOCUMENT))
    del broken["paths"]["/ping"]["get"]["responses"]["200"]["description"]
    with pytest.raises(jsonschema_rs.ValidationError):
        schemathesis.openapi.from_dict(broken).validate()


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
        assert found


def references(value: Any) -> Iterator[str]:
    """Yield every `$ref` in a document."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


async def test_it_is_served_and_describes_itself(bench: PingBench) -> None:
    answer = await bench.get(PATH)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    said = json.loads(answer.text)
    assert said["paths"].keys() == {*DOCUMENT["paths"], PATH}
    assert methods(said["paths"][PATH]) == {"GET", "HEAD"}
    schemathesis.openapi.from_dict(said).validate()


async def test_reading_it_records_nothing_and_needs_no_monitor(
    bench: PingBench,
) -> None:
    bench.directory.synced = False
    assert (await bench.ask("HEAD", PATH)).status == 200
    refused = await bench.post(PATH)
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")
    assert not bench.recorder.check_ins


async def test_a_dialect_that_is_off_is_not_in_it(start: Start) -> None:
    bench = await start(Options(dialects={Dialect.CHECKLY}))
    said = json.loads((await bench.get(PATH)).text)
    assert said["paths"].keys() == {"/{t}", PATH}


def test_the_document_is_the_last_route_and_belongs_to_no_dialect() -> None:
    *others, last = with_document(ROUTES)
    assert others == list(ROUTES)
    assert (last.path, last.dialect, last.takes_bearer) == (PATH, None, False)
