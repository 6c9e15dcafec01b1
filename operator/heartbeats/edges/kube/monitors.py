"""HeartbeatMonitor objects as the ledger takes them.

The schema has refused most nonsense; what it let through, or an older one did,
becomes the spec's `problem` and is shown as a condition. One odd object must not
keep the others from being read.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from heartbeats.core import durations
from heartbeats.core.codec import read_instant
from heartbeats.core.model import MonitorKey, Source, Spec, Uid
from heartbeats.core.status import digest, from_status
from heartbeats.ledger import Sighting

T = TypeVar("T")
Json = Mapping[str, Any]


class OddMonitorError(ValueError):
    """An object without what every Kubernetes object has."""


def sighting_of(body: Json) -> Sighting:
    """Read a monitor; raises OddMonitorError when it has no identity."""
    meta = body.get("metadata") or {}
    try:
        key = MonitorKey(meta["namespace"], meta["name"])
        uid = Uid(meta["uid"])
        created_at = read_instant(meta["creationTimestamp"])
        version = str(meta["resourceVersion"])
    except (KeyError, TypeError, ValueError) as error:
        raise OddMonitorError(f"not a HeartbeatMonitor: {error!r}") from error
    status = body.get("status") or {}
    return Sighting(
        key=key,
        uid=uid,
        generation=int(meta.get("generation") or 0),
        resource_version=version,
        spec=spec_of(body.get("spec") or {}),
        state=from_status(status),
        digest=digest(status),
        created_at=created_at,
        owner_uid=_controller(meta),
        labels=tuple(sorted((meta.get("labels") or {}).items())),
        deleting="deletionTimestamp" in meta,
    )


def _controller(meta: Json) -> Uid | None:
    for owner in meta.get("ownerReferences") or ():
        if owner.get("kind") == "CronJob":
            return Uid(owner["uid"])
    return None


class _Reader:
    """Reads optional fields and keeps a sentence for each that is odd."""

    def __init__(self, raw: Json) -> None:
        self._raw = raw
        self.problems: list[str] = []

    def get(self, name: str, form: Callable[[Any], T]) -> T | None:
        value = self._raw.get(name)
        if value is None:
            return None
        try:
            return form(value)
        except (ValueError, TypeError, OverflowError) as error:
            self.problems.append(f"spec.{name}: {error}")
            return None


def spec_of(raw: Json) -> Spec:
    """Read a spec; what cannot be understood is left out and named in `problem`."""
    reader = _Reader(raw)
    cron_job = raw.get("cronJob")
    ping = raw.get("ping") or {}
    return Spec(
        source=Source.PING if cron_job is None else Source.CRON_JOB,
        cron_job_name=None if cron_job is None else str(cron_job.get("name", "")),
        schedule=reader.get("schedule", str),
        time_zone=reader.get("timeZone", str),
        interval=reader.get("interval", _span),
        grace=reader.get("gracePeriod", _span),
        max_runtime=reader.get("maxRuntime", _span),
        failure_threshold=reader.get("failureThreshold", int),
        recovery_threshold=reader.get("recoveryThreshold", int),
        first_check_in_within=reader.get("firstCheckInWithin", _span),
        suspend=bool(raw.get("suspend")),
        suspend_until=reader.get("suspendUntil", _instant),
        history_limit=reader.get("historyLimit", int),
        token_version=int(ping.get("tokenVersion") or 1),
        min_token_version=ping.get("minTokenVersion"),
        severity=reader.get("severity", str),
        owner=reader.get("owner", str),
        description=reader.get("description", str),
        runbook_url=reader.get("runbookURL", str),
        problem="; ".join(reader.problems) or None,
    )


def _span(text: Any) -> timedelta:
    return durations.parse(str(text))


def _instant(text: Any) -> datetime:
    return read_instant(text)
