"""Why the CronJob controller created no Job, as its Events tell it.

Events are best-effort and live for an hour: they explain a verdict and never make
one.
"""

from typing import Final

import msgspec

from heartbeats.core.model import CronJobFacts, Uid
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.decode import Decoder, Odd
from heartbeats.edges.kube.objects import KubeObject, Time
from heartbeats.edges.kube.resources import Resource

CORE_EVENTS: Final = Resource("", "v1", "events")
"""The controller writes Events of the core group."""

TELLING: Final = frozenset(
    {
        "FailedCreate",
        "MissSchedule",
        "TooManyMissedTimes",
        "JobAlreadyActive",
        "UnknownTimeZone",
        "UnparseableSchedule",
        "UnParseableCronJobSchedule",
        "InvalidSchedule",
        "UnsupportedSchedule",
    }
)
MESSAGE_LIMIT = 300
PAGE = 100
MOST_PAGES = 10
"""Of 500 Events: explanations are not worth more."""


class _Involved(msgspec.Struct, frozen=True, gc=False):
    uid: Uid = Uid("")


class _Event(KubeObject, frozen=True, gc=False, kw_only=True, rename="camel"):
    reason: str = ""
    message: str = ""
    last_timestamp: Time | None = None
    event_time: Time | None = None
    involved_object: _Involved = _Involved()


class Refusals:
    """Reads what the controller said about a CronJob last."""

    def __init__(self, client: Client, namespace: str | None = None) -> None:
        self._client = client
        self._namespace = namespace
        self._decoder = Decoder(CORE_EVENTS, _Event)

    async def of(self, cron_job: CronJobFacts) -> str:
        """Return a sentence, or nothing when it said nothing; raises ApiError."""
        page = await self._client.list_page(
            CORE_EVENTS,
            namespace=cron_job.namespace,
            limit=PAGE,
            params={"fieldSelector": f"involvedObject.uid={cron_job.uid}"},
        )
        found = [self._decoder.object(raw) for raw in page.items or ()]
        return _newest([each for each in found if not isinstance(each, Odd)])

    async def of_all(self) -> dict[Uid, str]:
        """Return the sentences by CronJob, of Warnings only; raises ApiError."""
        by_uid: dict[Uid, list[_Event]] = {}
        token = ""
        for _ in range(MOST_PAGES):
            page = await self._client.list_page(
                CORE_EVENTS,
                namespace=self._namespace,
                token=token,
                params={"fieldSelector": "involvedObject.kind=CronJob,type=Warning"},
            )
            for each in map(self._decoder.object, page.items or ()):
                if not isinstance(each, Odd):
                    by_uid.setdefault(each.involved_object.uid, []).append(each)
            token = page.metadata.token
            if not token:
                break
        return {uid: _newest(events) for uid, events in by_uid.items()}


def _newest(events: list[_Event]) -> str:
    telling = [event for event in events if event.reason in TELLING]
    if not telling:
        return ""
    newest = max(telling, key=_version)
    text = f"The controller says {newest.reason}: {newest.message}"
    return text[:MESSAGE_LIMIT]


def _version(event: _Event) -> int:
    """Order Events by their last write: a repeated one is updated."""
    return int(event.metadata.resource_version)
