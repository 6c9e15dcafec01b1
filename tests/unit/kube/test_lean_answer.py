"""What kopf gets of an answer: all that anybody reads, and the library's own errors."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.lean_answer import LeanAnswer
from heartbeats.edges.kube.monitors import sighting_of
from support.builders import monitor_object

PAGE = {"kind": "HeartbeatMonitorList", "metadata": {"resourceVersion": "7"}}
META = {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "7"}
STATUS = {"state": "Up", "history": [{"exitCode": 0, "message": "\u00fc"}]}
MONITOR: dict[str, Any] = {
    "apiVersion": "heartbeats.dev/v1alpha1",
    "kind": "HeartbeatMonitor",
    "metadata": {**META, "managedFields": [{"manager": "kubectl"}]},
    "spec": {"ping": {}, "interval": "1h"},
    "status": STATUS,
}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Ask a server that answers with what the question says."""

    async def answer(request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        return web.Response(text=body, content_type=request.query["type"])

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with await open_session(
        Credentials(server=server), answers=LeanAnswer
    ) as opened:
        yield opened
    await runner.cleanup()


async def asked(
    session: aiohttp.ClientSession, text: str, kind: str = "application/json"
) -> Any:
    async with session.post("", data=text, params={"type": kind}) as answer:
        return await answer.json()


async def test_monitors_come_without_managers_and_with_their_status_packed(
    session: aiohttp.ClientSession,
) -> None:
    found = await asked(session, json.dumps({**PAGE, "items": [MONITOR, MONITOR]}))
    assert found["metadata"] == {"resourceVersion": "7"}
    for item in found["items"]:
        assert item["metadata"] == META
        assert item["spec"] == MONITOR["spec"]
        assert item["status"].open() == STATUS


async def test_a_packed_monitor_is_read_like_any_other(
    session: aiohttp.ClientSession,
) -> None:
    body = monitor_object("backup", uid="u")
    body["status"] = {"state": "Up", "consecutiveSuccesses": 3}
    found = await asked(session, json.dumps({**PAGE, "items": [body]}))
    [packed] = found["items"]
    assert sighting_of(packed) == sighting_of(body)
    assert sighting_of(packed).state.consecutive_successes == 3


async def test_a_new_monitor_has_no_status(session: aiohttp.ClientSession) -> None:
    new = {name: value for name, value in MONITOR.items() if name != "status"}
    found = await asked(session, json.dumps({**PAGE, "items": [new]}))
    assert "status" not in found["items"][0]


@pytest.mark.parametrize("odd", [None, 7, "Up", []])
async def test_an_odd_status_is_read_as_none(
    session: aiohttp.ClientSession, odd: object
) -> None:
    body = {**monitor_object("backup", uid="u"), "status": odd}
    found = await asked(session, json.dumps({**PAGE, "items": [body]}))
    bare = {**body, "status": {}}
    assert sighting_of(found["items"][0]) == sighting_of(bare)


@pytest.mark.parametrize("odd", [7, None, {"metadata": 7}, {}])
async def test_an_odd_monitor_stays_as_it_is_and_costs_no_other(
    session: aiohttp.ClientSession, odd: object
) -> None:
    found = await asked(session, json.dumps({**PAGE, "items": [odd, MONITOR]}))
    assert found["items"][0] == odd
    assert found["items"][1]["metadata"] == META


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "Status", "code": 410},
        {"kind": "NamespaceList", "items": [{"metadata": {"managedFields": []}}]},
        *([1], "a", None, {"kind": 7}),
    ],
)
async def test_all_else_is_what_the_library_makes_of_it(
    session: aiohttp.ClientSession, other: object
) -> None:
    assert await asked(session, json.dumps(other)) == other


async def test_no_json_is_the_librarys_error(session: aiohttp.ClientSession) -> None:
    with pytest.raises(json.JSONDecodeError):
        await asked(session, "<html>")
    with pytest.raises(aiohttp.ContentTypeError):
        await asked(session, "<html>", "text/html")
