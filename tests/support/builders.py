"""Builds the domain's values with sensible defaults: a test names what matters.

Kubernetes objects are built as the API server writes them, and `MemoryApi` is a
client that keeps them in a dictionary.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import aiohttp
import msgspec
from msgspec.structs import replace

from heartbeats.core.model import (
    CheckIn,
    Flip,
    Health,
    Kind,
    MonitorKey,
    Policy,
    Reason,
    Source,
    Spec,
    State,
    Uid,
)
from heartbeats.core.transitions import Missed, Subject
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.objects import CronJob, Job, Pod
from heartbeats.edges.kube.resources import Resource
from heartbeats.ledger.entries import Entry

Object = dict[str, Any]

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


class SetClock:
    """A clock that stands still until it is turned."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def turn(self, span: timedelta) -> None:
        self.at += span


def check_in(kind: Kind = Kind.SUCCESS, **fields: Any) -> CheckIn:
    """Make a check-in of this instant."""
    return CheckIn(**{"id": "c-1", "kind": kind, "at": NOW, **fields})


def flip(after: Health, reason: Reason, **fields: Any) -> Flip:
    """Make a flip from Up at this instant."""
    default = {"id": "f-1", "at": NOW, "before": Health.UP, "message": ""}
    return Flip(**{**default, "after": after, "reason": reason, **fields})


def missed(**fields: Any) -> Missed:
    """Make a window that expired now, five minutes after its run was due."""
    default = {"id": "m-1", "at": NOW, "reason": Reason.RUN_MISSED, "message": ""}
    return Missed(**{**default, "slot_at": NOW - 5 * MINUTE, **fields})


def state(**fields: Any) -> State:
    """Make a state that has been Up for a day; its next run is due in an hour."""
    default = State(
        health=Health.UP,
        changed_at=NOW - 24 * HOUR,
        armed_at=NOW - 48 * HOUR,
        last_check_in=check_in(at=NOW - HOUR),
        last_success_at=NOW - HOUR,
        next_expected_at=NOW + HOUR,
    )
    return replace(default, **fields)


def policy(**fields: Any) -> Policy:
    """Make the policy of a ping every two hours."""
    return replace(Policy(source=Source.PING, interval=2 * HOUR), **fields)


def entry(
    name: str = "nightly",
    state_: State | None = None,
    policy_: Policy | None = None,
    *,
    namespace: str = "shop",
    is_judged: bool = True,
    **fields: Any,
) -> Entry:
    """Make an entry of an open ledger, or of one that is not open yet."""
    uid = Uid(f"uid-{namespace}-{name}")
    rules = policy_ or policy()
    default: dict[str, Any] = {
        "key": MonitorKey(namespace, name),
        "uid": uid,
        "generation": 1,
        "resource_version": "1",
        "spec": Spec(source=rules.source),
        "created_at": NOW - 72 * HOUR,
        "state": state_ or state(),
        "policy": rules,
        "subject": Subject.of(uid, rules, None) if is_judged else None,
        "counts": Counter(),
    }
    return Entry(**{**default, **fields})


# Kubernetes objects


def metadata(name: str, *, uid: str = "", **fields: Any) -> Object:
    """Make the metadata of an object that was created a minute ago."""
    default = {
        "name": name,
        "namespace": "shop",
        "uid": uid or f"uid-{name}",
        "resourceVersion": "1",
        "creationTimestamp": text(NOW - MINUTE),
    }
    return {**default, **fields}


def text(at: datetime) -> str:
    """Write an instant as the API server does."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def owner(kind: str = "CronJob", uid: str = "cj-nightly", **fields: Any) -> Object:
    """Make the ownerReference of a controller."""
    return {"kind": kind, "name": "nightly", "uid": uid, "controller": True, **fields}


def condition(type_: str, status: str = "True", **fields: Any) -> Object:
    """Make a condition that has been so since now."""
    default = {"type": type_, "status": status, "lastTransitionTime": text(NOW)}
    return {**default, **fields}


def job_object(
    name: str = "nightly-29000000", status: Object | None = None, **meta: Any
) -> Object:
    """Make a Job of the CronJob nightly, pending unless a status says more."""
    fields = {"ownerReferences": [owner()], **meta}
    return {"metadata": metadata(name, **fields), "status": status or {}}


def job(
    name: str = "nightly-29000000", status: Object | None = None, **meta: Any
) -> Job:
    """Make a Job as the reflector decodes it."""
    return msgspec.convert(job_object(name, status, **meta), Job)


def pod(name: str = "pod", status: Object | None = None, **meta: Any) -> Pod:
    """Make a Pod as it is read when a Job fails or hangs."""
    return msgspec.convert(
        {"metadata": metadata(name, **meta), "status": status or {}}, Pod
    )


def cron_job(
    spec: Object | None = None, status: Object | None = None, **meta: Any
) -> CronJob:
    """Make the CronJob nightly as the reflector decodes it."""
    body = {
        "metadata": metadata("nightly", uid="cj-nightly", **meta),
        "spec": {"schedule": "0 * * * *", **(spec or {})},
        "status": status or {},
    }
    return msgspec.convert(body, CronJob)


def monitor_object(
    name: str = "backup", spec: Object | None = None, **fields: Any
) -> Object:
    """Make a HeartbeatMonitor, of an hourly ping unless a spec says otherwise."""
    meta = metadata(name, **{"generation": 1, **fields})
    return {"metadata": meta, "spec": spec or {"ping": {}, "interval": "1h"}}


# An API server


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that was sent, and when by the event loop's time."""

    method: str
    path: str
    params: Mapping[str, str]
    body: Any
    at: float


def _may_create(applied: Any) -> bool:
    """Tell whether applying this creates what is not there: it names no version."""
    return isinstance(applied, dict) and not (
        {"uid", "resourceVersion"} & applied["metadata"].keys()
    )


def _check_preconditions(method: str, path: str, body: Any, old: Object) -> None:
    """Refuse a write that names another uid or version than there is."""
    if method not in {"PATCH", "DELETE"}:
        return
    wanted = body["metadata"] if method == "PATCH" else body["preconditions"]
    for name in {"uid", "resourceVersion"} & wanted.keys():
        if wanted[name] != old["metadata"][name]:
            raise errors.Conflict(f"another {name} of {path}", code=409)


class MemoryApi(Client):
    """A client whose API server is a dictionary, without sockets, failing on demand.

    It keeps what writers must get right: names that are taken, versions and uids.
    Lists and watches are `fakeapi`'s.
    """

    def __init__(self) -> None:
        super().__init__(cast("aiohttp.ClientSession", None), clock=SetClock())
        self.objects: dict[str, Object] = {}
        self.sent: list[Sent] = []
        self.step: Callable[[str], None] = lambda _name: None
        """Called before and after each write takes effect; may raise."""
        self._faults: list[tuple[str, str, Exception, bool]] = []
        self._version = 100

    def put(self, resource: Resource, body: Object) -> Object:
        """Create or change an object as somebody else does."""
        meta = body["metadata"]
        namespace = meta.get("namespace") if resource.namespaced else None
        path = resource.path(namespace, meta["name"])
        return self._store(path, body)

    def held(self, resource: Resource, name: str, namespace: str = "shop") -> Object:
        """Return an object as it is stored now; KeyError."""
        scope = namespace if resource.namespaced else None
        return self.objects[resource.path(scope, name)]

    def refuse(
        self,
        method: str,
        error: Exception,
        *,
        path: str = "",
        times: int = 1,
        too_late: bool = False,
    ) -> None:
        """Let the next such requests fail; `too_late`: after they took effect."""
        self._faults += [(method, path, error, too_late)] * times

    def of(self, method: str, path: str = "") -> list[Sent]:
        """Return the requests of a method whose path contains a text."""
        return [
            each for each in self.sent if each.method == method and path in each.path
        ]

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | Mapping[str, Any] | None = None,
        **_: Any,
    ) -> bytes:
        """Carry out a request, or fail as it was told to."""
        written = body if isinstance(body, bytes) else msgspec.json.encode(body)
        content = msgspec.json.decode(written) if body else None
        loop_time = asyncio.get_running_loop().time()
        self.sent.append(Sent(method, path, dict(params or {}), content, loop_time))
        await asyncio.sleep(0)
        fault = self._next_fault(method, path)
        if fault is not None and not fault[1]:
            raise fault[0]
        self._tell(method, path)
        answer = self._perform(method, path.removesuffix("/status"), content)
        self._tell(method, path)
        if fault is not None:
            raise fault[0]
        return json.dumps(answer).encode()

    def _tell(self, method: str, path: str) -> None:
        if method != "GET":
            self.step(f"{method} {path}")

    def _next_fault(self, method: str, path: str) -> tuple[Exception, bool] | None:
        for fault in self._faults:
            if fault[0] == method and fault[1] in path:
                self._faults.remove(fault)
                return fault[2], fault[3]
        return None

    def _perform(self, method: str, path: str, body: Any) -> Object:
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                raise errors.AlreadyExists(f"{path} already exists", code=409)
            return self._store(path, body)
        if path not in self.objects and method == "PATCH" and _may_create(body):
            return self._store(path, body)
        if path not in self.objects:
            raise errors.NotFound(f"{path} not found", code=404)
        old = self.objects[path]
        _check_preconditions(method, path, body, old)
        match method:
            case "DELETE":
                return self.objects.pop(path)
            case "PATCH":
                applied = body.get("metadata", {}).get("annotations", {})
                meta = {
                    **old["metadata"],
                    **({"annotations": applied} if applied else {}),
                }
                return self._store(path, {**body, "metadata": meta})
            case "PUT":
                return self._store(path, body)
            case _:
                return old

    def _store(self, path: str, body: Object) -> Object:
        self._version += 1
        old = self.objects.get(path, {})
        known = old.get("metadata", {"uid": f"uid-{self._version}"})
        meta = {**known, **body["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = {**old, **body, "metadata": meta}
        return self.objects[path]
