"""Server-sent events: one rendering for everybody, nobody is waited for."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from heartbeats.core.model import Incident, MonitorKey, Reason
from heartbeats.edges.page import clients, live
from heartbeats.edges.page.changes import REMEMBERED, Changes
from support.builders import MINUTE, NOW, entry, state
from support.pages import Known, Served, serving

DOWN = state(
    incident=Incident(opened_at=NOW, reason=Reason.RUN_MISSED, message="<b>gone</b>")
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "COALESCE_SECONDS", 0.01)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    known = Known(*(entry(f"m{number}") for number in range(300)))
    async with serving(known) as found:
        yield found


@dataclass
class Event:
    """One event of a stream."""

    id: int
    name: str
    data: dict[str, Any]


class Listening:
    """Somebody who has a page open."""

    def __init__(self, http: ClientSession, answer: ClientResponse) -> None:
        self.http, self.answer = http, answer

    @classmethod
    async def to(cls, served: Served, since: int | None = None) -> "Listening":
        http = ClientSession()
        version = served.page._changes.version if since is None else since
        answer = await http.get(f"{served.url}/events?since={version}")
        return cls(http, answer)

    async def event(self) -> Event:
        """Return the next event; waits for it."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            while line := (await self.answer.content.readline()).decode().strip():
                name, _, value = line.partition(": ")
                fields[name] = value
        assert fields, "the stream has ended"
        return Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))

    async def ends(self) -> None:
        """Return when the stream has ended."""
        async with asyncio.timeout(10):
            await self.answer.content.read()

    async def close(self) -> None:
        self.answer.close()
        await self.http.close()


@pytest.fixture
async def listening(served: Served) -> AsyncIterator[Listening]:
    found = await Listening.to(served)
    assert found.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert found.answer.headers["Cache-Control"] == "no-store"
    assert (await found.event()).name == "tick"
    yield found
    await found.close()


async def test_a_change_comes_with_its_row_its_incident_and_the_counts(
    served: Served, listening: Listening
) -> None:
    served.change("m1", DOWN)
    event = await listening.event()
    assert (event.name, event.data["gone"]) == ("change", [])
    [row] = event.data["rows"]
    assert (row["key"], row["state"]) == ("shop/m1", "Down")
    assert row["said"] == "shop/m1 is Down: RunMissed"
    assert 'id="m:shop/m1"' in row["row"]
    assert 'id="i:shop/m1"' in row["incident"]
    assert "<b>gone" not in row["row"] + row["incident"]
    assert "<b>1</b> Down" in event.data["counts"]


async def test_what_is_gone_is_named(served: Served, listening: Listening) -> None:
    del served.known.entries[0]
    served.page.mark(MonitorKey("shop", "m0"))
    event = await listening.event()
    assert (event.data["rows"], event.data["gone"]) == ([], ["shop/m0"])


async def test_many_changes_of_one_are_told_once_and_rendered_once_for_all(
    served: Served, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []
    plain = live.fragment
    monkeypatch.setattr(
        live,
        "fragment",
        lambda name, about: rendered.append(name) or plain(name, about),
    )
    others = [await Listening.to(served) for _ in range(5)]
    for each in others:
        await each.event()
    for _ in range(50):
        served.change("m1", DOWN)
    told = [await each.event() for each in (listening, *others)]
    assert {each.name for each in told} == {"change"}
    assert len({each.id for each in told}) == 1
    assert sorted(rendered) == ["_counts.html", "_incident.html", "_row.html"]
    for each in others:
        await each.close()


async def test_more_than_many_are_not_told_one_by_one(
    served: Served, listening: Listening
) -> None:
    for number in range(live.MANY + 1):
        served.page.mark(MonitorKey("shop", f"m{number}"))
    event = await listening.event()
    assert (event.name, set(event.data)) == ("reload", {"time"})


async def test_nothing_is_lost_between_a_page_and_its_first_event(
    served: Served,
) -> None:
    shown = served.page._changes.version
    served.change("m2", DOWN)
    late = await Listening.to(served, since=shown)
    assert (await late.event()).name == "tick"
    assert [row["key"] for row in (await late.event()).data["rows"]] == ["shop/m2"]
    await late.close()


@pytest.mark.parametrize("since", [0, 10**17])
async def test_a_page_of_another_process_is_loaded_again(
    served: Served, since: int
) -> None:
    other = await Listening.to(served, since)
    assert (await other.event()).name == "reload"
    await other.close()


async def test_silence_is_broken_now_and_then(
    served: Served, listening: Listening
) -> None:
    served.clock.turn(MINUTE)
    event = await listening.event()
    assert (event.name, event.data) == ("tick", {"time": "2026-11-21T12:01:00Z"})


async def test_a_page_of_a_follower_hears_when_that_changes() -> None:
    leaders: list[str | None] = ["other"]
    async with serving(Known(), lambda: leaders[0]) as served:
        waiting = await Listening.to(served)
        await waiting.event()
        leaders[0] = None
        assert (await waiting.event()).name == "reload"
        leaders[0] = "other"
        assert (await waiting.event()).name == "reload"
        await waiting.close()


async def test_nobody_is_told_while_no_page_is_open(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "fragment", lambda *_: pytest.fail("it was rendered"))
    served.change("m1", DOWN)
    for _ in range(20):
        await asyncio.sleep(0.005)


async def test_a_defect_costs_the_details_and_not_the_stream(
    served: Served, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(live, "fragment", fail)
    served.change("m1", DOWN)
    assert (await listening.event()).name == "reload"
    monkeypatch.undo()
    served.change("m2", DOWN)
    assert (await listening.event()).name in {"change", "reload"}


async def test_only_so_many_pages_are_live(
    served: Served, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_CLIENTS", 1)
    refused = await Listening.to(served)
    assert (refused.answer.status, refused.answer.headers["Retry-After"]) == (503, "60")
    await refused.close()


async def test_whoever_leaves_makes_room(
    served: Served, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_CLIENTS", 1)
    await listening.close()
    async with asyncio.timeout(10):
        while True:
            fresh = await Listening.to(served)
            if fresh.answer.status == 200:
                break
            await fresh.close()
    await fresh.close()


async def test_whoever_does_not_read_is_dropped_and_the_others_are_told(
    served: Served, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for a client is bounded: sixteen events, then it is hung up on."""
    monkeypatch.setattr(clients, "WAITING", 3)
    host, port = served.listener.address.host, served.listener.address.port
    reader, writer = await asyncio.open_connection(host, port, limit=1024)
    version = served.page._changes.version
    writer.write(
        f"GET /events?since={version} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    )
    streams = served.page._live._clients
    async with asyncio.timeout(30):
        while len(streams) < 2:  # noqa: ASYNC110 - a fact, not an event
            await asyncio.sleep(0.01)
        number = 0
        while len(streams) == 2:  # until buffers of both sides are full
            for name in range(100):
                served.page.mark(MonitorKey("shop", f"m{name}"))
            number += 1
            assert (await listening.event()).name in {"change", "tick"}
    assert number > 3
    writer.close()
    assert reader is not None


async def test_an_end_is_not_held_up_by_open_streams(
    served: Served, listening: Listening
) -> None:
    """They end in order; left alone they would be torn off when patience ends."""
    others = [await Listening.to(served) for _ in range(10)]
    await served.listener.stop()
    for each in (listening, *others):
        await each.ends()
        await each.close()


def test_versions_are_remembered_for_so_many_monitors() -> None:
    changes = Changes(100)
    keys = [MonitorKey("shop", f"m{number}") for number in range(REMEMBERED + 1)]
    for key in keys[:-1]:
        changes.mark(key)
    assert changes.after(100) == keys[-2::-1]
    changes.mark(keys[-1])
    assert changes.after(100) is None
    assert changes.after(101) == keys[:0:-1]
    assert changes.after(changes.version) == []
    assert changes.after(changes.version + 1) is None
    changes.mark(keys[5])
    assert changes.after(changes.version - 1) == [keys[5]]
