"""Whether the API server serves a resource yet: kopf asks once, and believes it.

An API server that has just started, or that was just told of a definition, answers
before its custom resources are there. What kopf does not find then it never watches.
This may only ask, and does not say why a resource is not served.
"""

import asyncio
import logging
from typing import Any, Final, Protocol

from heartbeats.edges.kube.decode import decode
from heartbeats.edges.kube.errors import KubeError
from heartbeats.edges.kube.resources import Resource
from heartbeats.pause import pause

logger = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 0.5


class Asks(Protocol):
    """Sends requests: a `Client`."""

    async def request(self, method: str, path: str) -> bytes:
        """Return the body of an answer; raises KubeError."""
        ...


async def until_served(
    client: Asks, resource: Resource, stopping: asyncio.Event
) -> None:
    """Return when a resource is found where kopf looks for it, or at the end."""
    is_awaited = False
    while not stopping.is_set() and not await is_served(client, resource):
        if not is_awaited:
            logger.info("Waiting until %s are served", resource.plural)
            is_awaited = True
        await pause(AGAIN_SECONDS, stopping)


async def is_served(client: Asks, resource: Resource) -> bool:
    """Tell whether both the list of groups and the group itself know a resource."""
    try:
        groups = await client.request("GET", "/apis")
        group = await client.request("GET", f"/apis/{resource.api_version}")
        return resource.group in _names(groups, "groups") and (
            resource.plural in _names(group, "resources")
        )
    except KubeError as error:
        logger.debug("%s are not served: %s", resource.plural, error)
        return False


def _names(answer: bytes, what: str) -> set[str]:
    found: list[dict[str, Any]] = decode(answer, dict[str, Any]).get(what) or []
    return {str(each.get("name")) for each in found}
