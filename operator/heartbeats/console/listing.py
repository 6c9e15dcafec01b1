"""Many monitors as a table, as objects or as names: the worst first.

It may not ask the cluster, nor judge.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from heartbeats.console.access import Cluster
from heartbeats.console.monitors import NOT_JUDGED, Monitor, read_all, urgency
from heartbeats.console.text import age, distance, table
from heartbeats.core import durations
from heartbeats.core.model import Health
from heartbeats.core.verdict import instant
from heartbeats.edges.kube.resources import GROUP

HEADER: Final = ("NAME", "STATE", "REASON", "SINCE", "LAST CHECK-IN", "NEXT DUE")
WIDE: Final = (
    *("SCHEDULE", "TIME ZONE", "GRACE", "DEADLINE", "SEVERITY", "OWNER", "MESSAGE"),
)


async def chosen(
    cluster: Cluster,
    *,
    selector: str | None = None,
    states: Collection[Health] = (),
    now: datetime,
) -> list[Monitor]:
    """Read the monitors that are asked for, the most urgent first.

    By a state only those are found that were judged.
    """
    found = await read_all(cluster, selector)
    if states:
        found = [
            each
            for each in found
            if each.is_judged and each.says(now=now).health in states
        ]
    return sorted(found, key=lambda each: urgency(each, now=now))


def as_table(
    monitors: Sequence[Monitor],
    *,
    namespaced: bool,
    wide: bool = False,
    colour: bool = False,
    now: datetime,
) -> list[str]:
    """Return lines; `namespaced` adds the column NAMESPACE."""
    first = ("NAMESPACE",) if namespaced else ()
    more = WIDE if wide else ()
    rows = (
        (
            *((each.key.namespace,) if namespaced else ()),
            *_cells(each, now=now),
            *(_wide(each, now=now) if wide else ()),
        )
        for each in monitors
    )
    return table((*first, *HEADER, *more), rows, colour=colour)


def _cells(monitor: Monitor, *, now: datetime) -> tuple[str, ...]:
    name = monitor.key.name
    if not monitor.is_judged:
        return name, "-", NOT_JUDGED, "", "", ""
    found, last = monitor.explained(now=now), monitor.seen.state.last_check_in
    return (
        *(name, found.health.value, found.reason.value),
        *(age(found.since_at, now=now), age(last.at if last else None, now=now)),
        distance(found.next_due_at, now=now),
    )


def _wide(monitor: Monitor, *, now: datetime) -> tuple[str, ...]:
    policy = monitor.policy
    if not monitor.is_judged:
        return ("",) * len(WIDE)
    found = monitor.explained(now=now)
    return (
        *(schedule_of(monitor), policy.time_zone or "", durations.format(policy.grace)),
        *(instant(found.judged_at) if found.judged_at else "", policy.severity or ""),
        *(policy.owner or "", found.why),
    )


def schedule_of(monitor: Monitor) -> str:
    """Return when its runs are due, as people write it."""
    policy = monitor.policy
    if policy.interval is not None:
        return f"every {durations.format(policy.interval)}"
    return policy.schedule or ""


def as_names(monitors: Sequence[Monitor]) -> list[str]:
    """Return lines as `kubectl -o name` writes them."""
    return [f"heartbeatmonitor.{GROUP}/{each.key.name}" for each in monitors]


def as_object(monitors: Sequence[Monitor]) -> dict[str, Any]:
    """Return the objects themselves in one list, as the API server holds them."""
    items = [each.body for each in monitors]
    return {"apiVersion": "v1", "kind": "List", "items": items}
