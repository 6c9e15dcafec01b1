"""A lean client of the API server: one aiohttp session, bytes or Structs out.

Every failure leaves here as one of `errors`, once; nothing is retried here, because
only the caller knows whether a repetition is still wanted. It holds no state but the
session, which belongs to the caller.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol, TypeVar

import aiohttp
import msgspec

from heartbeats.clock import Clock
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.decode import Page, decode
from heartbeats.edges.kube.objects import KubeObject, ObjectMeta
from heartbeats.edges.kube.resources import Resource, resource_in

T = TypeVar("T")
Params = Mapping[str, str]

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
METADATA_LIST: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

REQUEST_SECONDS: Final = 30.0
"""A request takes milliseconds; a page of 500 Jobs under load a few seconds."""

CONNECT_SECONDS: Final = 5.0
"""Covers a lost SYN and a slow TLS handshake, and still ends within a back-off."""

PAGE_LIMIT: Final = 500
"""Objects in a page: 2 MB of Jobs, a few milliseconds of decoding."""

NO_ANSWER: Final = 0
"""The code `on_write` gets when there was no answer."""


class WriteObserver(Protocol):
    """Counts writes."""

    def __call__(self, resource: str, code: int) -> None:
        """Take note of a write to a resource (as `resource_in` says) and its code."""


class DateObserver(Protocol):
    """Learns what time it is for the API server."""

    def __call__(
        self, server_at: datetime, *, sent_at: datetime, received_at: datetime
    ) -> None:
        """Take note of an answer's Date (whole seconds, cut off) and our own times."""


class MetadataList(msgspec.Struct, frozen=True):
    """A whole list without specs and statuses."""

    version: str
    items: list[ObjectMeta]


class Client:
    """Requests to one API server."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        clock: Clock,
        on_write: WriteObserver | None = None,
        on_date: DateObserver | None = None,
    ) -> None:
        self.clock = clock
        self._session = session
        self._on_write = on_write
        self._on_date = on_date

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: bytes | Mapping[str, Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = REQUEST_SECONDS,  # noqa: ASYNC109 - aiohttp applies it
    ) -> bytes:
        """Send a request, return the body of its answer; `timeout` in seconds."""
        try:
            async with self._open(
                method,
                path,
                params=params or {},
                data=body if body is None or isinstance(body, bytes) else _json(body),
                headers={"Accept": accept, "Content-Type": content_type},
                timeout=_timeout(total=timeout),
            ) as response:
                answer = await response.read()
        except errors.ApiError as error:
            self._count(method, path, error.code)
            raise
        self._count(method, path, response.status)
        return answer

    async def get(
        self,
        resource: Resource,
        name: str,
        type_: type[T],
        *,
        namespace: str | None = None,
    ) -> T:
        """Read one object."""
        return decode(await self.request("GET", resource.path(namespace, name)), type_)

    async def list_page(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        token: str = "",
        limit: int = PAGE_LIMIT,
        params: Params | None = None,
        accept: str = JSON,
    ) -> Page:
        """Read one page, as new as can be; `token` is that of the page before."""
        query = {**(params or {}), "limit": str(limit)}
        if token:
            query["continue"] = token
        path = resource.path(namespace)
        return decode(
            await self.request("GET", path, params=query, accept=accept), Page
        )

    async def list_metadata(
        self, resource: Resource, *, namespace: str | None = None
    ) -> MetadataList:
        """Read who is in a collection, page by page, without specs and statuses."""
        found: list[ObjectMeta] = []
        token = ""
        while True:
            page = await self.list_page(
                resource, namespace=namespace, token=token, accept=METADATA_LIST
            )
            found += [decode(raw, KubeObject).metadata for raw in page.items or ()]
            token = page.metadata.token
            if not token:
                return MetadataList(page.metadata.version, found)

    async def create(
        self,
        resource: Resource,
        body: bytes | Mapping[str, Any],
        *,
        namespace: str | None = None,
        params: Params | None = None,
    ) -> bytes:
        """Create an object; AlreadyExists when its name is taken."""
        path = resource.path(namespace)
        return await self.request("POST", path, body=body, params=params)

    async def apply(
        self,
        resource: Resource,
        name: str,
        body: bytes | Mapping[str, Any],
        *,
        manager: str,
        force: bool = False,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> bytes:
        """Apply as that field manager; Conflict over owners and versions."""
        return await self.request(
            "PATCH",
            resource.path(namespace, name, subresource),
            params={"fieldManager": manager, "force": "true" if force else "false"},
            body=body,
            content_type=APPLY_PATCH,
        )

    async def merge(
        self,
        resource: Resource,
        name: str,
        body: bytes | Mapping[str, Any],
        *,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> bytes:
        """Patch by JSON merge: null removes a field, a list replaces a list."""
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, body=body, content_type=MERGE_PATCH)

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = None,
        uid: str | None = None,
        version: str | None = None,
    ) -> bytes:
        """Delete an object; Conflict when it is not of that uid or version."""
        wanted = {"uid": uid, "resourceVersion": version}
        body = {"preconditions": {key: value for key, value in wanted.items() if value}}
        path = resource.path(namespace, name)
        return await self.request("DELETE", path, body=body)

    async def delete_collection(
        self, resource: Resource, *, namespace: str, params: Params
    ) -> bytes:
        """Delete what the selectors in `params` match: they must not be empty."""
        if not any(params.get(key) for key in ("labelSelector", "fieldSelector")):
            raise ValueError(f"Deleting all {resource.plural} needs a selector.")
        return await self.request("DELETE", resource.path(namespace), params=params)

    @asynccontextmanager
    async def watch(
        self, resource: Resource, *, namespace: str | None = None, params: Params
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a watch; yields its chunks. The caller bounds the time between them."""
        async with self._open(
            "GET",
            resource.path(namespace),
            params={**params, "watch": "true", "allowWatchBookmarks": "true"},
            data=None,
            headers={"Accept": JSON},
            timeout=_timeout(total=None),
        ) as response:
            yield response.content.iter_any()

    @asynccontextmanager
    async def _open(
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and hand out its answer; the one place that maps errors."""
        sent_at = self.clock.now()
        try:
            async with self._session.request(
                # Relative, so that a server behind a path prefix keeps the prefix.
                method,
                path.lstrip("/"),
                allow_redirects=False,
                **options,
            ) as response:
                self._note_date(response, sent_at)
                if response.status >= _NO_SUCCESS:
                    raise errors.from_response(
                        response.status, response.headers, await response.read()
                    )
                yield response
        except (aiohttp.ClientError, OSError) as error:
            raise errors.Unreachable(
                f"no answer from the API server to {method} {path}: "
                f"{str(error) or type(error).__name__}"
            ) from error

    def _count(self, method: str, path: str, code: int) -> None:
        if self._on_write is not None and method != "GET":
            self._on_write(resource_in(path), code)

    def _note_date(self, response: aiohttp.ClientResponse, sent_at: datetime) -> None:
        if self._on_date is None:
            return
        try:
            server_at = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        self._on_date(server_at, sent_at=sent_at, received_at=self.clock.now())


_NO_SUCCESS = 300


def _json(body: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(body)


def _timeout(*, total: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, sock_connect=CONNECT_SECONDS)
