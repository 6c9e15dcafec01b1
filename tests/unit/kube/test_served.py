"""kopf looks for a resource once: it is not started before it would find it."""

import asyncio
import json
import logging
from typing import Any

import pytest

from heartbeats.edges.kube import served
from heartbeats.edges.kube.errors import NotFound, Unreachable
from heartbeats.edges.kube.resources import GROUP, MONITORS
from heartbeats.edges.kube.served import until_served

GROUPS = {"groups": [{"name": "apps"}, {"name": GROUP}]}
RESOURCES = {
    "resources": [{"name": "heartbeatmonitors"}, {"name": "heartbeatmonitors/status"}]
}
AWAY = Unreachable("away")
ABSENT = NotFound("before all known HTTP paths have been installed")

Answer = dict[str, Any] | Exception


class Starting:
    """An API server that knows a bit more each time it is asked."""

    def __init__(self, *stages: tuple[Answer, Answer]) -> None:
        self._stages = list(stages)
        self.asked = 0

    async def request(self, method: str, path: str) -> bytes:
        assert method == "GET"
        answers = self._stages[min(self.asked, len(self._stages) - 1)]
        answer = answers[0 if path == "/apis" else 1]
        if isinstance(answer, Exception) or path != "/apis":
            self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return json.dumps(answer).encode()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "AGAIN_SECONDS", 0.001)


async def test_a_resource_is_served_when_kopf_would_find_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api = Starting(
        (AWAY, AWAY),
        (GROUPS, ABSENT),
        ({"groups": None}, RESOURCES),
        ({"groups": [{"name": "apps"}]}, RESOURCES),
        (GROUPS, {"resources": [{"name": "heartbeatmonitors/status"}]}),
        (GROUPS, RESOURCES),
    )
    caplog.set_level(logging.INFO)
    async with asyncio.timeout(10):
        await until_served(api, MONITORS, asyncio.Event())
    assert api.asked == 6
    assert caplog.messages == ["Waiting until heartbeatmonitors are served"]


async def test_what_is_served_is_asked_for_once_and_not_spoken_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api = Starting((GROUPS, RESOURCES))
    await until_served(api, MONITORS, asyncio.Event())
    assert (api.asked, caplog.messages) == (1, [])


async def test_who_is_stopped_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "AGAIN_SECONDS", 60)
    stopping = asyncio.Event()
    waiting = asyncio.create_task(
        until_served(Starting((GROUPS, ABSENT)), MONITORS, stopping)
    )
    await asyncio.sleep(0.01)
    assert not waiting.done()
    stopping.set()
    async with asyncio.timeout(10):
        await waiting
