"""One monitor with everything there is to know of it, section by section.

It may not ask the cluster, nor judge: it is handed what it says.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from heartbeats.console import timeline
from heartbeats.console.explanation import headline
from heartbeats.console.happenings import Happening
from heartbeats.console.listing import schedule_of
from heartbeats.console.monitors import NOT_JUDGED, Monitor
from heartbeats.console.text import age, fields, moment, table
from heartbeats.core import durations
from heartbeats.core.model import Policy, Source, State
from heartbeats.core.schedule import SHORTEST_RUN_LIMIT, UNKNOWN_RUN_LIMIT
from heartbeats.core.verdict import instant

NO_LIMIT: Final = (
    f"none set: the next slot plus grace, at least "
    f"{durations.format(SHORTEST_RUN_LIMIT)} and twice the longest success "
    f"({durations.format(UNKNOWN_RUN_LIMIT)} while there is none)"
)


def described(
    monitor: Monitor,
    happenings: Sequence[Happening] | str,
    *,
    encoding: str = "utf-8",
    now: datetime,
) -> list[str]:
    """Return lines; `happenings` are its Events, or why they cannot be read."""
    state = monitor.seen.state
    sections = (
        ("", fields(_summary(monitor, now=now))),
        ("Settings", fields(settings(monitor.policy, schedule_of(monitor)))),
        ("Incident", fields(_incident(state, now=now))),
        ("Under way", timeline.under_way(state, now=now)),
        ("Runs", _runs(state, encoding, now=now)),
        ("Conditions", _conditions(monitor.body)),
        ("Events", _events(happenings, now=now)),
    )
    return list(_joined(sections))


def _joined(sections: Iterable[tuple[str, list[str]]]) -> Iterable[str]:
    for title, lines in sections:
        if title and lines:
            yield from ("", f"{title}:")
        yield from (f"  {line}".rstrip() if title else line for line in lines)


def _summary(monitor: Monitor, *, now: datetime) -> list[tuple[str, str]]:
    key, state, remark = monitor.key, monitor.seen.state, monitor.remark()
    spec = monitor.seen.spec
    found = monitor.explained(now=now)
    source = f"CronJob {spec.cron_job_name}" if spec.cron_job_name else "pings"
    says = headline(found, now=now) if monitor.is_judged else f"- ({NOT_JUDGED})"
    due_at, judged_at = found.next_due_at, found.judged_at
    return [
        ("Name", key.name),
        ("Namespace", key.namespace),
        ("Source", source),
        ("State", says),
        ("Cure", found.cure if monitor.is_judged else ""),
        ("Next due", moment(due_at, now=now) if due_at else ""),
        ("Judged next", moment(judged_at, now=now) if judged_at else ""),
        ("Decided", found.judged if monitor.is_judged else ""),
        *(("Remark", each) for each in (*found.remarks, *([remark] if remark else []))),
        *_last(state, now=now),
        ("Description", monitor.policy.description or ""),
        ("Runbook", monitor.policy.runbook_url or ""),
    ]


def _last(state: State, *, now: datetime) -> list[tuple[str, str]]:
    times = (
        ("Last success", state.last_success_at),
        ("Last failure", state.last_failure_at),
    )
    return [(name, moment(at, now=now)) for name, at in times if at]


def settings(policy: Policy, schedule: str) -> list[tuple[str, str]]:
    """Return what is applied and where each value came from."""
    origins = dict(policy.origins)

    def known(name: str, text: str) -> str:
        origin = origins.get(name, "built in")
        return f"{text} (from: {origin})" if text else ""

    scheduled = "interval" if policy.interval is not None else "schedule"
    within = policy.first_check_in_within
    return [
        ("Schedule", known(scheduled, schedule)),
        ("Time zone", known("timeZone", policy.time_zone or "")),
        ("Grace period", known("gracePeriod", durations.format(policy.grace))),
        ("Max runtime", max_runtime(policy)),
        ("Failure threshold", known("failureThreshold", str(policy.failure_threshold))),
        ("Recovery threshold", str(policy.recovery_threshold)),
        ("First check-in within", durations.format(within) if within else ""),
        ("Severity", known("severity", policy.severity or "")),
        ("Owner", known("owner", policy.owner or "")),
        ("While running", _while_running(policy)),
    ]


def max_runtime(policy: Policy) -> str:
    """Say how long a run may take, and who says so."""
    if policy.max_runtime is not None:
        origin = dict(policy.origins).get("maxRuntime", "spec")
        return f"{durations.format(policy.max_runtime)} (from: {origin})"
    if policy.active_deadline is not None:
        limit = durations.format(policy.active_deadline)
        return f"{limit} (from: activeDeadlineSeconds of the Job)"
    return NO_LIMIT


def _while_running(policy: Policy) -> str:
    if policy.source is Source.PING or not policy.skips_while_running:
        return ""
    return "nothing is due while a run is open (concurrencyPolicy Forbid)"


def _incident(state: State, *, now: datetime) -> list[tuple[str, str]]:
    incident = state.incident
    if incident is None:
        return []
    slot_at = incident.slot_at
    return [
        ("Opened", moment(incident.opened_at, now=now)),
        ("Reason", incident.reason.value),
        ("Run due at", instant(slot_at) if slot_at else ""),
        ("Message", incident.message),
        ("Bad runs in a row", str(state.consecutive_failures)),
        ("Good runs since", str(state.consecutive_successes)),
    ]


def _runs(state: State, encoding: str, *, now: datetime) -> list[str]:
    if not state.history:
        return ["none has ended yet"]
    signs = timeline.strip(state, encoding=encoding)
    legend = timeline.legend(encoding=encoding)
    return [
        f"{signs}   ({legend}; the newest last)",
        "",
        *timeline.history(state, now=now),
    ]


def _conditions(body: dict[str, Any]) -> list[str]:
    header = ("TYPE", "STATUS", "REASON", "SINCE", "MESSAGE")
    status = body.get("status")
    found = status.get("conditions") if isinstance(status, dict) else None
    names = ("type", "status", "reason", "lastTransitionTime", "message")
    rows = [[str(each.get(name, "")) for name in names] for each in found or ()]
    return table(header, rows) if rows else []


def _events(happenings: Sequence[Happening] | str, *, now: datetime) -> list[str]:
    if isinstance(happenings, str):
        return [happenings]
    if not happenings:
        return ["none are kept; the cluster forgets them after an hour"]
    header = ("AGE", "TYPE", "REASON", "MESSAGE")
    rows = (
        (age(each.at, now=now), each.type, each.reason, each.message)
        for each in happenings
    )
    return table(header, rows)
