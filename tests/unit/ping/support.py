"""A ping service on a free port of this machine, with ports held in memory."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

import aiohttp

from heartbeats.core.model import CheckIn, Health, MonitorKey, Uid
from heartbeats.core.tokens import Key, is_ours, mint
from heartbeats.edges.ping.ports import MonitorView, NotSureError
from heartbeats.edges.ping.service import PingService
from heartbeats.journal import JournalUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEY = Key.of(b"a secret of thirty-two bytes ...")
NIGHTLY = MonitorKey("production", "nightly")
TOKEN = mint(KEY, NIGHTLY, 1)
UNKNOWN = mint(KEY, MonitorKey("production", "unheard-of"), 1)
FOREIGN = "3f2c6b1e-5d0a-4c1b-9a57-0a6a8f5d7e21"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock:
    """Stands at noon; its monotonic side runs, for measuring real waits."""

    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class FakeDirectory:
    """Monitors by token; `fresh` is what a newer list would show."""

    def __init__(self) -> None:
        self.synced = True
        self.can_settle = True
        self.views = {TOKEN: MonitorView(key=NIGHTLY, uid=Uid("uid-1"))}
        self.fresh: dict[str, MonitorView] = {}

    def lookup(self, token: str) -> MonitorView | None:
        return self.views.get(token)

    def is_ours(self, token: str) -> bool:
        return is_ours([KEY], token)

    async def settle(self, token: str) -> MonitorView | None:
        if not self.can_settle:
            raise NotSureError
        return self.fresh.get(token)

    def put(self, health: Health, **more: object) -> None:
        """Replace the one monitor's view."""
        self.views[TOKEN] = MonitorView(
            key=NIGHTLY, uid=Uid("uid-1"), health=health, **more
        )


class FakeRecorder:
    """Keeps check-ins, unless it is told to fail first or to wait."""

    def __init__(self) -> None:
        self.check_ins: list[CheckIn] = []
        self.views: list[MonitorView] = []
        self.before: Callable[[], Awaitable[object]] | None = None

    async def record(
        self, view: MonitorView, check_in: CheckIn, *, within: float
    ) -> None:
        if self.before is not None:
            try:
                async with asyncio.timeout(within):
                    await self.before()
            except TimeoutError as error:
                raise JournalUnavailable("not in time") from error
        self.views.append(view)
        self.check_ins.append(check_in)


@dataclass(frozen=True)
class Answer:
    """What came back over the wire."""

    status: int
    text: str
    headers: "aiohttp.typedefs.LooseHeaders"


@dataclass
class PingBench:
    """A running service and a client that follows nothing and keeps no cookies."""

    service: PingService
    directory: FakeDirectory
    recorder: FakeRecorder
    client: aiohttp.ClientSession
    observed: list[tuple[str, int, float]] = field(default_factory=list)

    @property
    def last(self) -> CheckIn:
        """The one check-in that was recorded."""
        (check_in,) = self.recorder.check_ins
        return check_in

    async def ask(self, method: str, path: str, **more: object) -> Answer:
        """Send one request."""
        url = aiohttp.client.URL(self.service.url + path, encoded=True)
        async with self.client.request(
            method, url, allow_redirects=False, **more
        ) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def get(self, path: str, **more: object) -> Answer:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, data: object = None, **more: object) -> Answer:
        if isinstance(data, str | bytes):
            data = BytesIO(data.encode() if isinstance(data, str) else data)
        return await self.ask("POST", path, data=data, **more)

    async def send_raw(self, data: bytes) -> bytes:
        """Write bytes as they are and return all that comes until the end."""
        reader, writer = await asyncio.open_connection(*self.service.address)
        try:
            writer.write(data)
            await writer.drain()
            async with asyncio.timeout(5):
                return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()


def detail(check_in: CheckIn) -> dict[str, object]:
    """Return what goes to the event log, without the address of this machine."""
    return {key: item for key, item in check_in.detail if key != "remote_addr"}


def milliseconds(count: float) -> timedelta:
    """Say a span the short way."""
    return timedelta(milliseconds=count)
