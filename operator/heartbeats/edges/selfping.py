"""The operator's own heartbeat, sent outwards: who watches the watcher hears it stop.

A GET a minute to a URL that somebody else watches, only while deadlines are judged by
fresh facts. The URL may hold a token, so it never reaches a log: errors are told by
their kind. Whatever happens here may not harm the operator, and nothing else is
decided or told here.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import aiohttp

from heartbeats import __version__

logger = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 1.0
"""While there is nothing good to say, it is asked for so often."""

TIMEOUT_SECONDS: Final = 10.0
MOST_HOPS: Final = 4
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

SENT, FAILED = "sent", "failed"


class SelfPing:
    """Sends the heartbeat, by the task that awaits `run()`."""

    def __init__(
        self,
        url: str,
        problem: Callable[[], str | None],
        count: Callable[[str], None],
    ) -> None:
        """`problem` says why evaluation does not work; None: it does."""
        self._url = url
        self._problem = problem
        self._count = count
        self._sends = False
        self._fails = False

    async def run(self) -> None:
        """Send until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            next_at = loop.time() + await self._turn()
            await asyncio.sleep(max(next_at - loop.time(), 0))

    async def _turn(self) -> float:
        """Send, or say why not; return in how many seconds to look again."""
        if (why := self._problem()) is not None:
            if self._sends:
                logger.warning("The heartbeat to %s is withheld: %s", self.where, why)
            self._sends = False
            return LOOK_SECONDS
        began = asyncio.get_running_loop().time()
        self._sends = True
        self._tell(await self._send())
        return PERIOD_SECONDS - (asyncio.get_running_loop().time() - began)

    @property
    def where(self) -> str:
        """Return what may be said of the URL: neither its path nor its user."""
        url = urlsplit(self._url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}/…"

    def _tell(self, trouble: str | None) -> None:
        """Count each try; log the first failure, and the end of failures."""
        self._count(SENT if trouble is None else FAILED)
        if trouble is not None and not self._fails:
            logger.warning("The heartbeat to %s failed: %s", self.where, trouble)
        elif trouble is None and self._fails:
            logger.info("The heartbeat to %s arrives again", self.where)
        self._fails = trouble is not None

    async def _send(self) -> str | None:
        """Send one; return what went wrong, in words that tell nothing of the URL."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), _session() as session:
                return await self._get(session)
        except TimeoutError:
            return f"no answer within {TIMEOUT_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001 - none may end the operator
            return _kind(error)

    async def _get(self, session: aiohttp.ClientSession) -> str | None:
        url = self._url
        for _ in range(MOST_HOPS):
            async with session.get(url, allow_redirects=False) as answer:
                if answer.status not in REDIRECTS:
                    return None if answer.ok else f"it was answered {answer.status}"
                url, before = urljoin(url, answer.headers.get("Location", "")), url
            if not _may_follow(before, url):
                return "it was redirected to another host, which is not followed"
        return "it was redirected too often"


def _session() -> aiohttp.ClientSession:
    """Open a session for one heartbeat: a connection would not last until the next."""
    return aiohttp.ClientSession(
        headers={"User-Agent": f"heartbeats/{__version__}"},
        cookie_jar=aiohttp.DummyCookieJar(),
        # Many clusters reach the world through a proxy only.
        trust_env=True,
    )


def _may_follow(before: str, after: str) -> bool:
    """Tell whether a redirect stays with the host, and in the clear no more than so."""
    old, new = urlsplit(before), urlsplit(after)
    if old.hostname != new.hostname:
        return False
    same = (old.scheme, _port(old)) == (new.scheme, _port(new))
    return same or (old.scheme, new.scheme) == ("http", "https")


def _port(url: SplitResult) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)


def _kind(error: Exception) -> str:
    """Name an error; what it says otherwise may quote the URL."""
    said = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
