"""An HTTP listener of its own: started, stopped, and asked where it really listens.

Metrics, health and the page each have one, so that each can be opened to its own
audience. It knows nothing of what is served; it is the one module that other edges
may share.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from aiohttp import web

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than scrapers and proxies keep an idle connection (60 s)."""

DRAIN_SECONDS: Final = 2.0
"""How long answers under way may take after `stop`; scrapes are repeated anyway."""

MAX_PORT: Final = 65_535


class AddressError(ValueError):
    """A text is no HOST:PORT; the message says what to write instead."""


class ListenError(OSError):
    """An address can't be listened on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. No host means all addresses; port 0 any free port."""

    host: str | None
    port: int

    def __str__(self) -> str:
        """Write it as HOST:PORT, with brackets around an IPv6 address."""
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read HOST:PORT, [IPv6]:PORT or :PORT (all addresses); AddressError if wrong."""
    host, colon, port = text.strip().rpartition(":")
    if not colon:
        raise AddressError(_instead(text, "lacks a port"))
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise AddressError(_instead(text, "has an IPv6 address without brackets"))
    if not (port.isascii() and port.isdigit() and int(port[:6]) <= MAX_PORT):
        raise AddressError(_instead(text, "has no port from 0 to 65535"))
    if any(not letter.isprintable() or letter in " /[]@" for letter in host):
        raise AddressError(_instead(text, "has no valid host"))
    return Address(host or None, int(port))


def _instead(text: str, problem: str) -> str:
    return (
        f"{text!r} {problem}: write HOST:PORT like 127.0.0.1:8080 or [::1]:8080, "
        "or :8080 for all addresses"
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
            raise ListenError(
                error.errno, f"can't listen on {self._wanted}; choose another: {error}"
            ) from error

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
