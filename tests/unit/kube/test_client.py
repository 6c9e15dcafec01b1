"""What the client sends, and what it makes of the answers."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from heartbeats.clock import SystemClock
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.objects import ConfigMap, Job
from heartbeats.edges.kube.resources import CONFIG_MAPS, JOBS, MONITORS
from heartbeats.edges.kube.transport import NO_ANSWER
from support.fakeapi import Ending, FakeApi, Fault

SERVER_AT = datetime(2026, 3, 1, 2, 0, 5, tzinfo=UTC)


class StoppedClock:
    """It is always two in the morning."""

    def now(self) -> datetime:
        return SERVER_AT - timedelta(seconds=5)

    def monotonic(self) -> float:
        return 0.0


class Echo:
    """A server that answers with what it was sent, or as it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.prefix = ""
        self.writes: list[tuple[str, int]] = []
        self.dates: list[tuple[datetime, datetime, datetime]] = []
        self.measured: list[tuple[str, float]] = []

    async def answer(self, request: web.Request) -> web.Response:
        text = await request.text()
        content = {
            "method": request.method,
            "path": request.raw_path.partition("?")[0],
            "query": dict(request.query),
            "body": json.loads(text) if text else None,
            "type": request.headers.get("Content-Type"),
            "encoding": request.headers.get("Accept-Encoding"),
        }
        return web.json_response(
            content,
            status=self.status,
            headers={"Date": "Sun, 01 Mar 2026 02:00:05 GMT", "Location": "/"},
        )

    def on_write(self, resource: str, code: int) -> None:
        self.writes.append((resource, code))

    def on_answer(self, method: str, seconds: float) -> None:
        self.measured.append((method, seconds))

    def on_date(
        self, server_at: datetime, *, sent_at: datetime, received_at: datetime
    ) -> None:
        self.dates.append((server_at, sent_at, received_at))


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def to_echo(echo: Echo) -> AsyncIterator[Client]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server = f"http://127.0.0.1:{runner.addresses[0][1]}/behind/a/proxy"
    async with await open_session(Credentials(server=server)) as session:
        yield Client(
            session,
            clock=StoppedClock(),
            on_write=echo.on_write,
            on_answer=echo.on_answer,
            on_date=echo.on_date,
        )
    await runner.cleanup()


def sent(answer: bytes) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(answer)
    return content


async def test_creates(to_echo: Client, echo: Echo) -> None:
    body = {"metadata": {"name": "a"}, "at": SERVER_AT}
    request = sent(
        await to_echo.create(CONFIG_MAPS, body, namespace="n", params={"dryRun": "All"})
    )
    assert request["method"] == "POST"
    assert request["path"] == "/behind/a/proxy/api/v1/namespaces/n/configmaps"
    assert request["query"] == {"dryRun": "All"}
    assert request["body"] == {"metadata": {"name": "a"}, "at": "2026-03-01T02:00:05Z"}
    assert request["type"] == "application/json"
    assert request["encoding"] == "identity"
    assert echo.writes == [("configmaps", 200)]


async def test_applies_as_a_field_manager(to_echo: Client, echo: Echo) -> None:
    request = sent(
        await to_echo.apply(
            MONITORS,
            "m",
            b'{"status": {}}',
            manager="heartbeats-status",
            force=True,
            namespace="n",
            subresource="status",
        )
    )
    assert request["method"] == "PATCH"
    assert request["path"].endswith("/namespaces/n/heartbeatmonitors/m/status")
    assert request["query"] == {"fieldManager": "heartbeats-status", "force": "true"}
    assert request["type"] == "application/apply-patch+yaml"
    assert request["body"] == {"status": {}}
    assert echo.writes == [("heartbeatmonitors/status", 200)]


async def test_merges(to_echo: Client) -> None:
    request = sent(await to_echo.merge(JOBS, "j", {"a": None}, namespace="n"))
    assert request["type"] == "application/merge-patch+json"
    assert request["body"] == {"a": None}


async def test_deletes_only_what_was_meant(to_echo: Client) -> None:
    request = sent(await to_echo.delete(JOBS, "j", namespace="n", uid="u", version="7"))
    assert request["method"] == "DELETE"
    assert request["body"] == {"preconditions": {"uid": "u", "resourceVersion": "7"}}


async def test_refused_writes_are_counted_and_reads_are_not(
    to_echo: Client, echo: Echo
) -> None:
    echo.status = 409
    with pytest.raises(errors.Conflict):
        await to_echo.merge(JOBS, "j", {}, namespace="n")
    with pytest.raises(errors.Conflict):
        await to_echo.get(JOBS, "j", Job, namespace="n")
    assert echo.writes == [("jobs", 409)]


async def test_each_request_is_measured_and_no_watch_is(
    to_echo: Client, echo: Echo
) -> None:
    await to_echo.request("GET", "/version")
    echo.status = 500
    with pytest.raises(errors.ServerError):
        await to_echo.merge(JOBS, "j", {}, namespace="n")
    with pytest.raises(errors.ServerError):
        async with to_echo.watch(JOBS, params={}):
            pass
    assert echo.measured == [("GET", 0.0), ("PATCH", 0.0)]


async def test_tells_the_servers_date_with_our_own_times(
    to_echo: Client, echo: Echo
) -> None:
    await to_echo.request("GET", "/version")
    echo.status = 500
    with pytest.raises(errors.ServerError):
        await to_echo.request("GET", "/version")
    ours = StoppedClock().now()
    assert echo.dates == [(SERVER_AT, ours, ours)] * 2


async def test_a_redirect_is_not_followed(to_echo: Client, echo: Echo) -> None:
    echo.status = 302
    with pytest.raises(errors.ApiError) as caught:
        await to_echo.request("GET", "/version")
    assert caught.value.code == 302


async def test_what_is_not_kubernetes_is_malformed(to_echo: Client) -> None:
    with pytest.raises(errors.Malformed, match="proxy"):
        await to_echo.get(CONFIG_MAPS, "c", ConfigMap, namespace="n")
    with pytest.raises(errors.Malformed):
        await to_echo.list_page(CONFIG_MAPS)


async def test_no_answer_is_unreachable_and_counted(api: FakeApi, echo: Echo) -> None:
    async with await open_session(Credentials(server=api.url)) as session:
        client = Client(session, clock=SystemClock(), on_write=echo.on_write)
        await api.stop()
        with pytest.raises(errors.Unreachable, match="no answer"):
            await client.create(CONFIG_MAPS, {}, namespace="n")
    assert echo.writes == [("configmaps", NO_ANSWER)]


async def test_a_request_has_its_own_time_limit(api: FakeApi, client: Client) -> None:
    api.fail(Fault("list", ending=Ending.STALL))
    with pytest.raises(errors.Unreachable, match="no answer"):
        await client.request("GET", JOBS.path(), timeout=0.05)


async def test_an_answer_cut_in_the_middle_is_unreachable(
    api: FakeApi, client: Client
) -> None:
    api.fail(Fault("list", ending=Ending.CUT))
    with pytest.raises(errors.Unreachable):
        await client.list_page(JOBS)


async def test_lists_the_metadata_of_all_at_once_as_new_as_can_be(
    api: FakeApi, client: Client
) -> None:
    for number in range(1_200):
        api.put(JOBS, f"job-{number:04}", spec={"backoffLimit": number})
    found = await client.list_metadata(JOBS)
    assert [meta.name for meta in found.items] == [f"job-{n:04}" for n in range(1_200)]
    assert found.version == str(api.version)
    newest, whole = (dict(seen.query) for seen in api.seen)
    assert newest == {"limit": "1"}
    assert whole == {
        "resourceVersion": str(api.version),
        "resourceVersionMatch": "NotOlderThan",
    }
    accept = {seen.headers["Accept"] for seen in api.seen}
    assert accept == {
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    }
