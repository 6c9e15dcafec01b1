"""What kopf gets of an answer: all that anybody reads, and the library's own errors."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.lean_answer import LeanAnswer

MANAGED: dict[str, Any] = {
    "metadata": {"name": "a", "managedFields": [{"manager": "kubectl"}]},
    "status": {"state": "Up", "history": [{"exitCode": 0}]},
}
LEAN = {"metadata": {"name": "a"}, "status": MANAGED["status"]}


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


async def test_a_list_comes_without_who_set_which_field(
    session: aiohttp.ClientSession,
) -> None:
    found = await asked(session, json.dumps({"items": [MANAGED, MANAGED]}))
    assert found == {"items": [LEAN, LEAN]}


@pytest.mark.parametrize(
    "other", [{"kind": "Status", "code": 410}, [1], "a", None, {"items": None}]
)
async def test_all_else_is_what_the_library_makes_of_it(
    session: aiohttp.ClientSession, other: object
) -> None:
    assert await asked(session, json.dumps(other)) == other


@pytest.mark.parametrize("odd", [[7], [None], [{"metadata": 7}], [{}], "text"])
async def test_odd_items_stay_as_they_are(
    session: aiohttp.ClientSession, odd: object
) -> None:
    assert await asked(session, json.dumps({"items": odd})) == {"items": odd}


async def test_no_json_is_the_librarys_error(session: aiohttp.ClientSession) -> None:
    with pytest.raises(json.JSONDecodeError):
        await asked(session, "<html>")
    with pytest.raises(aiohttp.ContentTypeError):
        await asked(session, "<html>", "text/html")
