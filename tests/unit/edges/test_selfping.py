"""The outward heartbeat: while evaluation works, and never telling where it goes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from heartbeats.edges import selfping
from heartbeats.edges.selfping import SelfPing
from support.pings import ping_service

TOKEN = "6f0c1f0e-1234-8000-8000-00000000beef"
PERIOD, PATIENCE = selfping.PERIOD_SECONDS, selfping.TIMEOUT_SECONDS
SECRETS = (TOKEN, "wonderful-password", "user:")


@dataclass
class Elsewhere:
    """Whoever watches the watcher: a real HTTP server with answers laid down."""

    url: str = ""
    answers: list[Callable[[], web.Response]] = field(default_factory=list)
    came: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        self.came.append(f"{request.method} {request.path_qs}")
        self.agents.append(request.headers["User-Agent"])
        await self.hold.wait()
        return self.answers.pop(0)() if self.answers else web.Response(text="OK")

    def say(self, status: int, **headers: str) -> None:
        """Lay an answer down."""
        self.answers.append(lambda: web.Response(status=status, headers=headers))


@asynccontextmanager
async def server(elsewhere: Elsewhere) -> AsyncIterator[Elsewhere]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", elsewhere.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    elsewhere.url = f"http://127.0.0.1:{port}/ping/{TOKEN}"
    elsewhere.hold.set()
    try:
        yield elsewhere
    finally:
        elsewhere.hold.set()
        await runner.cleanup()


@pytest.fixture
async def elsewhere(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Elsewhere]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with server(Elsewhere()) as found:
        yield found


@dataclass
class Watcher:
    """The operator, as far as the heartbeat asks it."""

    trouble: str | None = None
    counted: list[str] = field(default_factory=list)

    def problem(self) -> str | None:
        return self.trouble

    def pinging(self, url: str) -> SelfPing:
        return SelfPing(url, self.problem, self.counted.append)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a fact, not an event
            await asyncio.sleep(0.001)


@asynccontextmanager
async def running(ping: SelfPing) -> AsyncIterator[None]:
    task = asyncio.create_task(ping.run())
    try:
        yield
        assert not task.done(), "it ended"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfping, "PERIOD_SECONDS", 0.02)
    monkeypatch.setattr(selfping, "LOOK_SECONDS", 0.001)


async def test_it_is_sent_again_and_again_by_get(elsewhere: Elsewhere) -> None:
    watcher = Watcher()
    async with running(watcher.pinging(elsewhere.url)):
        await until(lambda: len(watcher.counted) >= 3)
    assert set(elsewhere.came) == {f"GET /ping/{TOKEN}"}
    assert set(watcher.counted) == {"sent"}
    assert elsewhere.agents[0].startswith("heartbeats/")


def test_it_is_sent_once_a_minute_and_waited_for_ten_seconds() -> None:
    assert (PERIOD, PATIENCE) == (60, 10)


async def test_nothing_is_sent_while_evaluation_does_not_work(
    elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = Watcher(trouble="jobs are not read yet")
    async with running(watcher.pinging(elsewhere.url)):
        await asyncio.sleep(0.05)
        assert not elsewhere.came
        assert "withheld" not in caplog.text  # a start is no news
        watcher.trouble = None
        await until(lambda: elsewhere.came)
        watcher.trouble = "jobs were last heard of 3m ago"
        await until(lambda: "is withheld: jobs were last heard of" in caplog.text)
        count = len(elsewhere.came)
        await asyncio.sleep(0.05)
        assert len(elsewhere.came) == count
    assert caplog.text.count("withheld") == 1


async def test_a_failure_is_counted_each_time_and_logged_once(
    elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(3):
        elsewhere.say(500)
    watcher = Watcher()
    async with running(watcher.pinging(elsewhere.url)):
        await until(lambda: "sent" in watcher.counted)
    assert watcher.counted[:4] == ["failed", "failed", "failed", "sent"]
    [failed, again] = [each.getMessage() for each in caplog.records]
    assert failed.endswith("failed: it was answered 500")
    assert again.endswith("arrives again")


async def test_a_redirect_on_the_same_host_is_followed(elsewhere: Elsewhere) -> None:
    elsewhere.say(308, Location=f"/v2/{TOKEN}")
    watcher = Watcher()
    assert await watcher.pinging(elsewhere.url)._send() is None
    assert elsewhere.came == [f"GET /ping/{TOKEN}", f"GET /v2/{TOKEN}"]


async def test_a_redirect_to_another_host_or_port_is_not_followed(
    elsewhere: Elsewhere,
) -> None:
    with ping_service() as other:
        for location in (other.url, other.url.replace("127.0.0.1", "localhost")):
            elsewhere.say(302, Location=location)
            trouble = await Watcher().pinging(elsewhere.url)._send()
            assert trouble == "it was redirected to another host, which is not followed"
        assert not other.came


@pytest.mark.parametrize(
    ("before", "after", "follows"),
    [
        ("http://a.example/x", "https://a.example/y", True),
        ("https://a.example/x", "https://a.example:443/y", True),
        ("https://a.example/x", "http://a.example/y", False),
        ("https://a.example/x", "https://b.example/x", False),
        ("https://a.example/x", "https://a.example:8443/x", False),
        ("https://a.example/x", "https://a.example.evil/x", False),
        ("https://a.example/x", "ftp://a.example/x", False),
    ],
)
def test_only_the_host_that_was_named_is_asked_and_never_less_safely(
    before: str, after: str, follows: bool
) -> None:
    assert selfping._may_follow(before, after) is follows


async def test_redirects_have_an_end(elsewhere: Elsewhere) -> None:
    for _ in range(10):
        elsewhere.say(302, Location=elsewhere.url)
    trouble = await Watcher().pinging(elsewhere.url)._send()
    assert trouble == "it was redirected too often"
    assert len(elsewhere.came) == selfping.MOST_HOPS


async def test_an_answer_that_does_not_come_is_given_up(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selfping, "TIMEOUT_SECONDS", 0.05)
    elsewhere.hold.clear()
    trouble = await Watcher().pinging(elsewhere.url)._send()
    assert trouble == "no answer within 0.05 s"


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:wonderful-password@127.0.0.1:1/ping/{TOKEN}?key={TOKEN}",
        f"https://no-such-host.invalid/{TOKEN}",
        f"http://127.0.0.1:99999/{TOKEN}",
    ],
)
async def test_where_it_goes_is_never_told_in_full(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    watcher = Watcher()
    async with running(watcher.pinging(url)):
        await until(lambda: watcher.counted)
    assert watcher.counted[0] == "failed"
    assert "The heartbeat to" in caplog.text
    said = "\n".join(str(vars(each)) for each in caplog.records)
    assert not [secret for secret in SECRETS if secret in said]


async def test_an_answer_that_names_the_url_is_not_quoted(
    elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    elsewhere.say(302, Location=f"http://[{TOKEN}")
    elsewhere.say(302, Location=f"//other.invalid/{TOKEN}")
    watcher = Watcher()
    async with running(watcher.pinging(elsewhere.url)):
        await until(lambda: len(watcher.counted) >= 2)
    assert watcher.counted[:2] == ["failed", "failed"]
    assert TOKEN not in caplog.text


async def test_no_error_ends_it(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError(f"no session for {TOKEN}")

    monkeypatch.setattr(selfping, "_session", broken)
    watcher = Watcher()
    async with running(watcher.pinging(elsewhere.url)):
        await until(lambda: len(watcher.counted) >= 2)
    assert watcher.counted[:2] == ["failed", "failed"]
