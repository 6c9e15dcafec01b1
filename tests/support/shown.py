"""Monitors as the API server holds them, made from states: what commands are shown."""

import json
from typing import Any

from heartbeats.console.monitors import Monitor
from heartbeats.core.model import Policy, Source, State
from heartbeats.core.schedule import timetable
from heartbeats.core.status import to_status
from support.builders import NOW, Object, metadata, policy, state

HOURLY = Policy(
    source=Source.CRON_JOB,
    schedule="0 * * * *",
    time_zone="UTC",
    origins=(("schedule", "CronJob"), ("timeZone", "--cluster-time-zone")),
)


def stored(
    name: str = "nightly",
    state_: State | None = None,
    rules: Policy | None = None,
    *,
    spec: Object | None = None,
    judged: bool = True,
    **meta: Any,
) -> Object:
    """Make the object of a monitor that is in this state."""
    known, applied = state_ or state(), rules or policy()
    body = {
        "apiVersion": "heartbeats.dev/v1alpha1",
        "kind": "HeartbeatMonitor",
        "metadata": metadata(name, **{"generation": 1, **meta}),
        "spec": spec or _spec_of(applied),
    }
    if not judged:
        return body
    table = timetable(applied)
    status = to_status(known, applied, table, generation=1, now=NOW)
    return {**body, "status": status}


def _spec_of(rules: Policy) -> Object:
    if rules.source is Source.CRON_JOB:
        return {"cronJob": {"name": "nightly"}}
    return {"ping": {}, "interval": "2h"}


def shown(*arguments: Any, **options: Any) -> Monitor:
    """Read such a monitor as a command does."""
    return Monitor.read(json.dumps(stored(*arguments, **options)).encode())
