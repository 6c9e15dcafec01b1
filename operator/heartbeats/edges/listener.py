"""An HTTP listener of its own: started, stopped, and asked where it really listens.

Metrics, health and the page each have one, so that each can be opened to its own
audience. It knows nothing of what is served; it is the one module that other edges
may share.
"""

from types import TracebackType
from typing import Final, Self

from aiohttp import web

from heartbeats.config import Address

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than scrapers and proxies keep an idle connection (60 s)."""

DRAIN_SECONDS: Final = 2.0
"""How long answers under way may take after `stop`; scrapes are repeated anyway."""


class ListenError(OSError):
    """An address can't be listened on; the message says what to do."""

    @classmethod
    def at(cls, wanted: Address, error: OSError) -> "ListenError":
        """Say which address it is, and the system's reason."""
        return cls(
            f"can't listen on {wanted}; choose another address: "
            f"{error.strerror or error}"
        )


class Listener:
    """Serves an application at an address between `start` and `stop`."""

    def __init__(self, app: web.Application, wanted: Address) -> None:
        self._wanted = wanted
        self._runner = web.AppRunner(
            app,
            access_log=None,
            # Whoever hangs up is not worked for any longer.
            handler_cancellation=True,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            shutdown_timeout=DRAIN_SECONDS,
        )

    async def start(self) -> None:
        """Start to listen; ListenError when the address is taken or not ours."""
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self._wanted.host, self._wanted.port)
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError.at(self._wanted, error) from error

    async def stop(self) -> None:
        """Take no new connection, finish what is under way, close the rest."""
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        """Start to listen."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        await self.stop()

    @property
    def address(self) -> Address:
        """Return the address that is really listened on; the port is never 0."""
        addresses = self._runner.addresses
        if not addresses:
            raise RuntimeError(f"nothing listens on {self._wanted}; start it first")
        host, port = addresses[0][:2]
        return Address(host, port)

    @property
    def url(self) -> str:
        """Return the listener's own address as this machine reaches it."""
        return f"http://{self.address}"
