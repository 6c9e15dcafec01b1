"""What kopf's lists hold is handed over; kopf gets no monitors of them."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from heartbeats.edges.kube import kopf_lists
from heartbeats.edges.kube.credentials import Credentials, open_session
from support.builders import monitor_object

PAGE = {
    "kind": "HeartbeatMonitorList",
    "apiVersion": "heartbeats.dev/v1alpha1",
    "metadata": {"resourceVersion": "7", "continue": "more"},
}
MONITOR = monitor_object("backup", uid="u")


class Rig:
    """A session whose answers are under test, and what was handed over."""

    def __init__(self, session: aiohttp.ClientSession, listed: list[Any]) -> None:
        self.session = session
        self.listed = listed

    async def ask(self, text: str, kind: str = "application/json") -> Any:
        params = {"type": kind}
        async with self.session.post("", data=text, params=params) as answer:
            return await answer.json()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """Ask a server that answers with what the question says."""

    async def answer(request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        return web.Response(text=body, content_type=request.query["type"])

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listed: list[Any] = []

    def take(body: Any) -> None:
        if body == "poison":
            raise RuntimeError("cannot be taken in")
        listed.append(body)

    async with await open_session(
        Credentials(server=f"http://127.0.0.1:{runner.addresses[0][1]}"),
        answers=kopf_lists.answers(take),
    ) as session:
        yield Rig(session, listed)
    await runner.cleanup()


async def test_listed_monitors_are_handed_over_and_kopf_goes_on_from_there(
    rig: Rig,
) -> None:
    other = monitor_object("other", uid="o")
    found = await rig.ask(json.dumps({**PAGE, "items": [MONITOR, other]}))
    assert rig.listed == [MONITOR, other]
    assert found["items"] == []
    assert found["metadata"] == PAGE["metadata"]


async def test_one_that_cannot_be_taken_in_costs_no_other(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        await rig.ask(json.dumps({**PAGE, "items": ["poison", 7, MONITOR]}))
    assert rig.listed == [7, MONITOR]
    assert caplog.messages == ["A listed monitor could not be taken in"]


@pytest.mark.parametrize(
    "other",
    [
        MONITOR,
        {**PAGE, "items": None},
        {**PAGE, "metadata": 7, "items": []},
        {"kind": "Status", "code": 410},
        {"kind": "NamespaceList", "items": [{"metadata": {"managedFields": []}}]},
        *([1], "a", None, {"kind": 7}),
    ],
)
async def test_all_else_is_what_the_library_makes_of_it(
    rig: Rig, other: object
) -> None:
    assert await rig.ask(json.dumps(other)) == other
    assert rig.listed == []


async def test_no_json_is_the_librarys_error(rig: Rig) -> None:
    with pytest.raises(json.JSONDecodeError):
        await rig.ask("<html>")
    with pytest.raises(aiohttp.ContentTypeError):
        await rig.ask("<html>", "text/html")
