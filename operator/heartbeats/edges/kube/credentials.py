"""How to reach the API server: the one module that knows.

In a cluster: the ServiceAccount's files, read without any library. Outside: a
kubeconfig, read by the `kubernetes` package (extra `cli`, imported only then), which
knows client certificates, tokens, exec plugins and the rest. Either way the result
is a frozen `Credentials`, good for sessions in any number of event loops. Secrets
stay in here: nothing of them is logged, and a `repr` does not show them.
"""

import logging
import ssl
import threading
from asyncio import to_thread
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol

import aiohttp

from heartbeats import __version__
from heartbeats.clock import Clock
from heartbeats.edges.kube.errors import CredentialsError
from heartbeats.edges.kube.transport import CONNECT_SECONDS

logger = logging.getLogger(__name__)

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where every pod finds its token, CA and namespace."""

TOKEN_SECONDS: Final = 60.0
"""A token is at most this old: kubelet renews it long before it expires."""

CONNECTIONS: Final = 64
"""Watches hold one connection each, writers 16: this leaves room for both."""


class AuthorizationSource(Protocol):
    """Where the Authorization header comes from, freshly for each request."""

    async def authorization(self) -> str:
        """Return the header's value, e.g. "Bearer …"; "" for none."""
        ...

    def expire(self) -> None:
        """Take note of a refusal: the value is read anew before the next request."""
        ...


class CachedAuthorization:
    """Reads a header value anew when it is old, in a thread, and keeps the last one.

    Exec plugins take seconds, so reading must not hold an event loop; two loops
    share one source, so the lock is one of threads.
    """

    def __init__(self, read: Callable[[], str], *, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._value = read()
        self._read_at: float | None = clock.monotonic()

    async def authorization(self) -> str:
        """Return the value, at most a minute old if it can still be read."""
        if not self._is_fresh():
            await to_thread(self._refresh)
        return self._value

    def expire(self) -> None:
        """Read anew before the next request."""
        self._read_at = None

    def _is_fresh(self) -> bool:
        read_at = self._read_at
        return read_at is not None and self._clock.monotonic() - read_at < TOKEN_SECONDS

    def _refresh(self) -> None:
        with self._lock:
            if self._is_fresh():
                return
            try:
                self._value = self._read()
            except CredentialsError as error:
                # The old one may still be good; if not, the server will say so.
                logger.warning("Going on with the previous token: %s", error)
            self._read_at = self._clock.monotonic()


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the API server is, whom to trust, who we are; namespace is our own."""

    server: str
    namespace: str = "default"
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    source: AuthorizationSource | None = field(default=None, repr=False)


async def open_session(
    credentials: Credentials,
    *,
    answers: type[aiohttp.ClientResponse] = aiohttp.ClientResponse,
    hides_refusals: bool = False,
) -> aiohttp.ClientSession:
    """Open a session for this event loop; the caller closes it.

    It has no total timeout, because watches last: requests bring their own. One that
    hides refusals tells of what passes (401, 404) as of a lost connection, for who
    would not ask again.
    """
    source = credentials.source
    middlewares: list[aiohttp.ClientMiddlewareType] = []
    if hides_refusals:
        middlewares.append(_hide_refusal)
    if source is not None:
        middlewares.append(_Authorize(source))
    return aiohttp.ClientSession(
        base_url=credentials.server.rstrip("/") + "/",
        response_class=answers,
        connector=aiohttp.TCPConnector(
            limit=CONNECTIONS, ssl=credentials.ssl_context or True
        ),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        headers={
            "User-Agent": f"heartbeats/{__version__}",
            # Compressed lists cost both sides more CPU than the network saves.
            "Accept-Encoding": "identity",
        },
        middlewares=middlewares,
    )


def in_cluster(
    *,
    environ: Mapping[str, str],
    clock: Clock,
    directory: Path = SERVICE_ACCOUNT,
) -> Credentials:
    """Return the ServiceAccount's credentials of the pod this runs in."""
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    port = environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise CredentialsError(
            "KUBERNETES_SERVICE_HOST is not set: this is no pod. "
            "Pass --kubeconfig, or set KUBECONFIG."
        )
    token = directory / "token"
    return Credentials(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=read_text(directory / "namespace"),
        ssl_context=trust(directory / "ca.crt"),
        source=CachedAuthorization(lambda: f"Bearer {read_text(token)}", clock=clock),
    )


def read_text(path: Path) -> str:
    """Return a file's text; CredentialsError when there is none."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsError(
            f"Cannot read {path}: {error}. In a pod, set automountServiceAccountToken "
            "to true; outside, pass --kubeconfig."
        ) from error
    if not text:
        raise CredentialsError(f"{path} is empty; it should hold the pod's identity.")
    return text


def trust(authority: Path | None) -> ssl.SSLContext:
    """Return a TLS context that trusts this CA file only; without one, the system's."""
    try:
        context = ssl.create_default_context(cafile=authority)
    except (OSError, ssl.SSLError) as error:
        raise CredentialsError(
            f"Cannot use {authority} as the API server's CA: {error}. "
            "It must be a readable PEM file."
        ) from error
    # Python 3.13 made this a default; many clusters' own CAs, which lack a key
    # identifier, do not pass it, though every other client accepts them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class _Authorize:
    """A client middleware: a rotated token works without a new session."""

    def __init__(self, source: AuthorizationSource) -> None:
        self._source = source

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        value = await self._source.authorization()
        if value:
            request.headers["Authorization"] = value
        response = await handler(request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._source.expire()
        return response


async def _hide_refusal(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Turn a refusal that passes into what is tried again."""
    response = await handler(request)
    why = _PASSING.get(response.status)
    if why is None:
        return response
    response.close()
    raise aiohttp.ClientConnectionError(f"{why} ({response.status})")


_PASSING: Final[Mapping[int, str]] = {
    # The token may be a newer one by then.
    HTTPStatus.UNAUTHORIZED: "the API server refuses our token",
    # Its definition may be there again by then, or served.
    HTTPStatus.NOT_FOUND: "the API server does not serve this",
}
