"""Which objects a reflector copies, and the three requests that it takes.

Only asks; what the answers mean is the reflector's.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.decode import Page, number
from heartbeats.edges.kube.objects import KubeObject
from heartbeats.edges.kube.resources import Resource

ObjectT = TypeVar("ObjectT", bound=KubeObject)


@dataclass(frozen=True, slots=True)
class Selection(Generic[ObjectT]):
    """Which objects, and as what they are decoded; no namespace means all."""

    resource: Resource
    object_type: type[ObjectT]
    namespace: str | None = None
    label_selector: str | None = None
    name: str | None = None
    """Only the object of this name."""

    async def page(self, client: Client, *, token: str, limit: int) -> Page:
        """Read a page of them; without a token the first, as new as can be."""
        return await client.list_page(
            self.resource,
            namespace=self.namespace,
            token=token,
            limit=limit,
            params=self._params,
        )

    async def newest_version(self, client: Client) -> int:
        """Return the cluster's version now, by a consistent read of one object."""
        page = await client.list_page(self.resource, namespace=self.namespace, limit=1)
        return number(page.metadata.version)

    def watch(
        self, client: Client, *, version: int, seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a watch of what happens after this version."""
        params = {
            **self._params,
            "resourceVersion": str(version),
            "timeoutSeconds": str(round(seconds)),
        }
        return client.watch(self.resource, namespace=self.namespace, params=params)

    @property
    def _params(self) -> dict[str, str]:
        found = {"labelSelector": self.label_selector} if self.label_selector else {}
        if self.name is not None:
            found["fieldSelector"] = f"metadata.name={self.name}"
        return found
