"""What would be monitored, said and written, as one object for programs.

It may not ask the cluster, nor judge: `rehearsal` does.
"""

from collections import Counter
from typing import Any

from heartbeats.console.preview import (
    Preview,
    counted,
    explained,
    in_order,
    slips,
)
from heartbeats.console.rehearsal import Prospect
from heartbeats.core import durations
from heartbeats.core.codec import write_instant
from heartbeats.core.verdict import Verdict
from heartbeats.edges.kube.wishes import is_monitored
from heartbeats.ledger import Entry


def as_object(preview: Preview) -> dict[str, Any]:
    """Return all of it as one object; instants are RFC 3339, durations as in specs."""
    reasons = Counter(each.wish.reason for each in preview.rehearsal.prospects)
    return {
        "isInstalled": preview.stock.is_installed,
        "cronJobs": [_object(each, preview) for each in in_order(preview)],
        "because": dict(sorted(reasons.items())),
        "pingMonitors": [str(each.key) for each in preview.rehearsal.pinged],
        "writes": counted(preview),
        "notUnderstood": slips(preview),
        "notConsidered": preview.stock.unread,
    }


def _object(found: Prospect, preview: Preview) -> dict[str, Any]:
    facts, told = found.facts, explained(found, preview)
    result: dict[str, Any] = {
        "namespace": facts.namespace,
        "name": facts.name,
        "monitored": is_monitored(found.wish),
        "because": found.wish.reason,
        "action": found.action.value or None,
    }
    if found.entry is None or told is None:
        return result
    times = {"nextDue": told.next_due_at, "deadline": told.judged_at}
    return {
        **result,
        "monitor": found.entry.key.name,
        "otherMonitors": [each.name for each in found.others],
        "effective": _effective(found.entry),
        **{name: write_instant(at) for name, at in times.items() if at},
        "atFirst": _said(found.at_first),
        "lately": _said(found.lately),
    }


def _effective(entry: Entry) -> dict[str, Any]:
    policy = entry.policy
    spans = {
        "gracePeriod": policy.grace,
        "maxRuntime": policy.max_runtime,
        "activeDeadline": policy.active_deadline,
    }
    return {
        "schedule": policy.schedule,
        "timeZone": policy.time_zone,
        **{name: durations.format(span) for name, span in spans.items() if span},
        "failureThreshold": policy.failure_threshold,
        "severity": policy.severity,
        "owner": policy.owner,
        "origins": dict(policy.origins),
    }


def _said(said: Verdict | None) -> dict[str, str] | None:
    if said is None:
        return None
    return {
        "state": said.health.value,
        "reason": said.reason.value,
        "message": said.message,
    }
