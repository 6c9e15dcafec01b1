"""HeartbeatMonitor objects as the ledger takes them.

The schema has refused most nonsense; what it let through, or an older one did,
becomes the spec's `problem` and is shown as a condition. One odd object must not
keep the others from being read.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from heartbeats.core import durations
from heartbeats.core.codec import read_instant
from heartbeats.core.model import MonitorKey, Source, Spec, Uid
from heartbeats.core.status import digest, from_status
from heartbeats.ledger import Sighting

T = TypeVar("T")
Json = dict[str, Any]


class OddMonitorError(ValueError):
    """An object without what every Kubernetes object has."""


def sighting_of(body: Any) -> Sighting:
    """Read a monitor; raises OddMonitorError when it has no identity."""
    meta = _object(_object(body).get("metadata"))
    try:
        key = MonitorKey(_text(meta["namespace"]), _text(meta["name"]))
        uid = Uid(_text(meta["uid"]))
        created_at = read_instant(meta["creationTimestamp"])
        version = _text(meta["resourceVersion"])
        generation = int(meta.get("generation") or 0)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise OddMonitorError(f"not a HeartbeatMonitor: {error!r}") from error
    status = _object(body.get("status"))
    return Sighting(
        key=key,
        uid=uid,
        generation=generation,
        resource_version=version,
        spec=spec_of(body.get("spec")),
        state=from_status(status),
        digest=digest(status),
        created_at=created_at,
        owner_uid=_cron_job_of(meta),
        labels=_labels(meta),
        deleting="deletionTimestamp" in meta,
    )


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _labels(meta: Json) -> tuple[tuple[str, str], ...]:
    labels = _object(meta.get("labels"))
    return tuple(sorted((str(name), str(text)) for name, text in labels.items()))


def _cron_job_of(meta: Json) -> Uid | None:
    owners = meta.get("ownerReferences")
    for owner in owners if isinstance(owners, list) else ():
        if _object(owner).get("kind") == "CronJob" and "uid" in owner:
            return Uid(str(owner["uid"]))
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


def spec_of(raw: Any) -> Spec:
    """Read a spec; what cannot be understood is left out and named in `problem`."""
    reader = _Reader(_object(raw))
    cron_job = reader.get("cronJob", _mapping)
    ping = _Reader(_object(reader.get("ping", _mapping)))
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
        suspend=reader.get("suspend", bool) or False,
        suspend_until=reader.get("suspendUntil", read_instant),
        history_limit=reader.get("historyLimit", int),
        token_version=ping.get("tokenVersion", int) or 1,
        min_token_version=ping.get("minTokenVersion", int),
        token_hashes=ping.get("tokenHashes", _texts) or (),
        severity=reader.get("severity", _at_most(63)),
        owner=reader.get("owner", _at_most(128)),
        description=reader.get("description", _at_most(1024)),
        runbook_url=reader.get("runbookURL", _at_most(2048)),
        problem="; ".join([*reader.problems, *ping.problems]) or None,
    )


def _mapping(value: Any) -> Json:
    if not isinstance(value, dict):
        raise TypeError("is not an object")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("is not a list")
    return tuple(map(_text, value))


def _at_most(limit: int) -> Callable[[Any], str]:
    """Return a form of texts that a status has room for, as the schema demands."""

    def read(value: Any) -> str:
        text = str(value)
        if len(text) > limit:
            raise ValueError(f"is longer than {limit} characters")
        return text

    return read


def _span(text: Any) -> timedelta:
    return durations.parse(str(text))
