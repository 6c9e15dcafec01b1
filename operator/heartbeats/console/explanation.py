"""An explanation in words: why, since when, what cures it, what is judged next.

It may not ask the cluster, nor judge: the core explains.
"""

from datetime import datetime
from typing import Any

from heartbeats.console.monitors import NOT_JUDGED, Monitor
from heartbeats.console.text import distance, moment, plain
from heartbeats.core.codec import write_instant
from heartbeats.core.explain import Explanation
from heartbeats.core.model import Source
from heartbeats.core.verdict import instant


def told(monitor: Monitor, *, now: datetime) -> list[str]:
    """Return lines, the first of which says it all in one sentence."""
    remark = monitor.remark()
    if not monitor.is_judged:
        return [f"{monitor.key}: {remark}"]
    found = monitor.explained(now=now)
    lines = [f"{monitor.key} is {headline(found, now=now)}"]
    what = "ping" if monitor.policy.source is Source.PING else "run"
    lines.append(f"{found.cure}{_due(found, what, now=now)}")
    lines.append(f"{_until(found, now=now)}{found.judged}")
    return list(map(plain, [*lines, *found.remarks, *([remark] if remark else [])]))


def headline(found: Explanation, *, now: datetime) -> str:
    """Say word, reason, since when and why in one sentence."""
    since = found.since_at
    how_long = f" since {instant(since)} ({distance(since, now=now)})" if since else ""
    return f"{found.health}{how_long}, {found.reason}: {found.why}"


def _due(found: Explanation, what: str, *, now: datetime) -> str:
    at = found.next_due_at
    if at is None:
        return ""
    words = f"The next {what} is due" if at > now else f"A {what} was due"
    return f" {words} at {moment(at, now=now)}."


def _until(found: Explanation, *, now: datetime) -> str:
    at = found.judged_at
    return "" if at is None else f"Judged next at {moment(at, now=now)}: "


def as_object(monitor: Monitor, *, now: datetime) -> dict[str, Any]:
    """Return the same for programs; instants as RFC 3339."""
    key, remark = monitor.key, monitor.remark()
    name = {"namespace": key.namespace, "name": key.name}
    if not monitor.is_judged:
        return {**name, "reason": NOT_JUDGED, "remarks": [remark]}
    found = monitor.explained(now=now)
    times = {
        "since": found.since_at,
        "nextDue": found.next_due_at,
        "judgedAt": found.judged_at,
    }
    return {
        **name,
        "state": found.health.value,
        "reason": found.reason.value,
        "why": found.why,
        "cure": found.cure,
        "judged": found.judged,
        **{name: write_instant(at) for name, at in times.items() if at},
        "remarks": [*found.remarks, *([remark] if remark else [])],
    }
