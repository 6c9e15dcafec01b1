"""The verbs of Kubernetes, over `transport`: Structs and plain dicts, in and out.

It knows paths, parameters and content types, and nothing of what objects mean.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

import msgspec

from heartbeats.edges.kube.decode import ListMeta, Page, decode
from heartbeats.edges.kube.objects import Identified, Identity
from heartbeats.edges.kube.resources import Resource
from heartbeats.edges.kube.transport import JSON, REQUEST_SECONDS, Params, Transport

T = TypeVar("T")

MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
METADATA_LIST: Final = f"{JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

PAGE_LIMIT: Final = 500
"""Objects in a page: 2 MB of Jobs, a few milliseconds of decoding."""


class MetadataList(msgspec.Struct, frozen=True):
    """A whole list without specs and statuses."""

    version: str
    items: list[Identity]


class _MetadataItems(msgspec.Struct, frozen=True, gc=False):
    metadata: ListMeta
    items: list[Identified] | None = None


class Client(Transport):
    """Objects of one API server."""

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
        """Read who is in a collection, without specs and statuses.

        Whoever asks for what is not older than the newest version is answered from the
        API server's memory, if for all at once: pages it may read from etcd, and
        decode ten thousand objects as a whole for them.
        """
        newest = await self.list_page(
            resource, namespace=namespace, limit=1, accept=METADATA_LIST
        )
        params = {
            "resourceVersion": newest.metadata.version,
            "resourceVersionMatch": "NotOlderThan",
        }
        path = resource.path(namespace)
        answer = bytearray()  # of 20 MB, which joining chunks would double
        async with self.stream(
            path, params=params, accept=METADATA_LIST, timeout=REQUEST_SECONDS
        ) as chunks:
            async for chunk in chunks:
                answer += chunk
        listed = decode(answer, _MetadataItems)
        found = [item.metadata for item in listed.items or ()]
        return MetadataList(listed.metadata.version, found)

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

    def watch(
        self, resource: Resource, *, namespace: str | None = None, params: Params
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a watch with bookmarks; yields its chunks of lines."""
        query = {**params, "watch": "true", "allowWatchBookmarks": "true"}
        return self.stream(resource.path(namespace), params=query)
