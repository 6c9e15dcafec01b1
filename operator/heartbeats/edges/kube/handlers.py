"""kopf's part: HeartbeatMonitors come in through one event handler.

It hears of what kopf watches from kopf, and of what kopf lists from `kopf_lists`. It
writes nothing to the object, awaits nothing and returns None: kopf
stores what a handler returns, and everything but `on.event` adds finalizers or
annotations to objects. What is learned goes to another thread's loop at once.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import kopf

from heartbeats.edges.kube import kopf_lists
from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.kopf_logs import calm
from heartbeats.edges.kube.resources import GROUP, MONITORS, VERSION

MonitorEvent = Callable[[str | None, Mapping[str, Any]], None]
"""Called with kopf's event type (None: from a list) and the object."""

BACKOFFS: Final = (0.1, 0.2, 0.5, *(1.0 for _ in range(600)))
"""kopf's own grow to 21 s, so that a short outage would blind us for longer."""


class NullDiffBase(kopf.DiffBaseStorage):
    """Keeps no last-handled state: no handler here compares with one.

    kopf would deep-copy every object on every event for it, half of its CPU time.
    """

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        """Return nothing to compare."""
        _ = body, extra_fields
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """Return nothing stored."""
        _ = body
        return None

    def store(
        self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence
    ) -> None:
        """Store nothing."""


def registry(credentials: Credentials, on_event: MonitorEvent) -> kopf.OperatorRegistry:
    """Build kopf's registry: no module-level decorators, so tests have their own."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    async def login(**_: Any) -> kopf.AiohttpSession:
        # At a 401 kopf closes its session under its own watches, and ends by that; at a
        # 404 it ends, which takes it seconds.
        session = await open_session(
            credentials,
            answers=kopf_lists.answers(partial(on_event, None)),
            hides_refusals=True,
        )
        return kopf.AiohttpSession(
            server=credentials.server,
            aiohttp_session=session,
            default_namespace=credentials.namespace,
        )

    @kopf.on.event(GROUP, VERSION, MONITORS.plural, registry=handlers)
    async def monitor(event: Mapping[str, Any], **_: Any) -> None:
        on_event(event["type"], event["object"])

    return handlers


def settings() -> kopf.OperatorSettings:
    """Tune kopf: small lists, quick reconnects, no peering, no posting."""
    tuned = kopf.OperatorSettings()
    # When a definition changes kopf looks once at what is served, which may be a moment
    # too early, and then it watches nothing. It is started when there is something to
    # watch (`served`), and tries again for as long as that is gone.
    tuned.scanning.disabled = True
    tuned.peering.standalone = True
    tuned.posting.enabled = False
    # 3 MB of monitors with histories.
    tuned.watching.chunk_size = 500
    # A cut initial stream would lose objects for good.
    tuned.watching.initial_streaming = False
    tuned.networking.error_backoffs = BACKOFFS
    tuned.networking.connect_timeout = 5
    tuned.networking.request_timeout = 30
    # A worker keeps its object's whole body for as long as it idles.
    tuned.queueing.idle_timeout = 0.1
    tuned.persistence.diffbase_storage = NullDiffBase()
    # One "succeeded" line an event is no news.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    # That its signals are ours to handle is no news either.
    logging.getLogger("kopf._core.reactor.running").setLevel(logging.ERROR)
    calm()
    return tuned
