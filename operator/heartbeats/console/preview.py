"""What would be monitored, said and written, as text for a person.

It may not ask the cluster, nor judge: `rehearsal` does.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from heartbeats.console.description import max_runtime
from heartbeats.console.inventory import Inventory
from heartbeats.console.rehearsal import Action, Prospect, Rehearsal
from heartbeats.console.text import distance, plain, table
from heartbeats.core import durations
from heartbeats.core.explain import Explanation, explain
from heartbeats.core.model import Health
from heartbeats.core.policy import ANNOTATIONS, MONITOR_ANNOTATION, PREFIX
from heartbeats.core.verdict import Verdict, instant
from heartbeats.edges.kube.wishes import is_monitored

HEADER: Final = (
    *("NAMESPACE", "CRONJOB", "MONITORED", "BECAUSE", "ACTION", "SCHEDULE", "GRACE"),
    *("NEXT DUE", "AT FIRST", "LATELY"),
)
WIDE: Final = ("MONITOR", "TIME ZONE", "GRACE FROM", "MAX RUNTIME", "DEADLINE")
BAD: Final = (Health.DOWN, Health.UNKNOWN)
"""What is worth a look, though installing alarms nobody."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A rehearsal, and what was read for it."""

    stock: Inventory
    rehearsal: Rehearsal
    ping_secrets: bool
    writes_per_second: float
    now: datetime
    """By the cluster's clock."""


def _place(found: Prospect) -> tuple[str, str]:
    return found.facts.namespace, found.facts.name


def in_order(preview: Preview) -> list[Prospect]:
    """Return what would become of each CronJob, by namespace and name."""
    return sorted(preview.rehearsal.prospects, key=_place)


def as_lines(
    preview: Preview, *, wide: bool = False, colour: bool = False
) -> list[str]:
    """Return the table and what follows from it, for a person."""
    sections = (
        ("", _table(preview, wide=wide, colour=colour)),
        ("Look at these first: what their runs did lately", _lately(preview)),
        ("Not understood", slips(preview)),
        ("What would be written", _writes(preview)),
        ("Not considered", preview.stock.unread),
    )
    lines: list[str] = []
    for title, content in sections:
        if content:
            lines += ["", f"{title}:"] if title else []
            lines += [f"  {plain(line)}" if title else line for line in content]
    return lines


# Row by row


def _table(preview: Preview, *, wide: bool, colour: bool) -> list[str]:
    if not preview.rehearsal.prospects:
        return ["There are no CronJobs here."]
    found = in_order(preview)
    header = (*HEADER, *(WIDE if wide else ()))
    rows = (
        (*_cells(each, preview), *(_wide(each, preview) if wide else ()))
        for each in found
    )
    return table(header, rows, colour=colour)


def _cells(found: Prospect, preview: Preview) -> tuple[str, ...]:
    facts, wish, entry = found.facts, found.wish, found.entry
    told = explained(found, preview)
    return (
        *(facts.namespace, facts.name, "yes" if is_monitored(wish) else "no"),
        *(wish.reason, found.action.value or "-", facts.schedule),
        durations.format(entry.policy.grace) if entry else "",
        distance(told.next_due_at, now=preview.now) if told else "",
        *(_word(found.at_first), _word(found.lately)),
    )


def _word(said: Verdict | None) -> str:
    return "" if said is None else said.health.value


def _wide(found: Prospect, preview: Preview) -> tuple[str, ...]:
    entry, told = found.entry, explained(found, preview)
    if entry is None or told is None:
        return ("",) * len(WIDE)
    policy = entry.policy
    origins = dict(policy.origins)
    limited = policy.max_runtime or policy.active_deadline
    return (
        *(entry.key.name, _with_origin(policy.time_zone, origins.get("timeZone"))),
        origins.get("gracePeriod", "built in"),
        max_runtime(policy) if limited else "none set",
        instant(told.judged_at) if told.judged_at else "",
    )


def _with_origin(text: str | None, origin: str | None) -> str:
    return f"{text} (from: {origin})" if text else ""


def explained(found: Prospect, preview: Preview) -> Explanation | None:
    """Explain what its monitor would say at first; None: it would have none."""
    entry = found.entry
    if entry is None or entry.subject is None:
        return None
    table_ = entry.subject.table
    return explain(entry.state, entry.policy, table_, now=preview.now)


# What is worth a look


def _lately(preview: Preview) -> list[str]:
    return [
        f"{found.facts.namespace}/{found.facts.name} {_judgement(found, said)}"
        for found in in_order(preview)
        if (said := found.lately) is not None and said.health in BAD
        if not _is_unusable(found, said)
    ]


def _is_unusable(found: Prospect, said: Verdict) -> bool:
    """Tell whether only its timetable is at fault, which is said elsewhere."""
    trouble = found.entry.trouble if found.entry is not None else None
    return trouble is not None and trouble.reason is said.reason


def _judgement(found: Prospect, said: Verdict) -> str:
    word = f"{said.health} ({said.reason})"
    if found.action is Action.CREATE and found.at_first != said:
        return f"would be {word} had it been watched: {said.message}"
    return f"is {word}: {said.message}"


def slips(preview: Preview) -> list[str]:
    """Return sentences about annotations that nobody understands, and about defects."""
    found: list[str] = []
    for name, annotations in sorted(preview.stock.namespaces.items()):
        found += (f"Namespace {name}: {slip}" for slip in _slips(annotations.items()))
    for each in in_order(preview):
        whose = f"CronJob {each.facts.namespace}/{each.facts.name}"
        found += (f"{whose}: {slip}" for slip in _slips(each.facts.annotations))
        if each.entry is not None:
            found += (f"{whose}: {note}" for note in each.entry.policy.notes)
            if each.entry.trouble is not None:
                found.append(f"{whose}: {each.entry.trouble.message}")
        if each.action is Action.BLOCKED:
            found.append(
                f"{whose}: another monitor has the name that its own would have"
            )
    return [*found, *preview.rehearsal.failures]


def _slips(annotations: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in annotations:
        if name not in ANNOTATIONS:
            known = ", ".join(sorted(each.removeprefix(PREFIX) for each in ANNOTATIONS))
            yield f"there is no annotation {name}; after {PREFIX} come {known}"
        elif name == MONITOR_ANNOTATION and text not in {"true", "false"}:
            yield f'annotation {name} is "{text}"; write "true" or "false"'


# What would be written


def counted(preview: Preview) -> dict[str, int]:
    """Count what would be written into the users' namespaces."""
    actions = Counter(each.action for each in preview.rehearsal.prospects)
    judged = sum(each.entry is not None for each in preview.rehearsal.prospects)
    pinged = len(preview.rehearsal.pinged)
    return {
        "monitorsCreated": actions[Action.CREATE],
        "monitorsDeleted": actions[Action.DELETE],
        "statuses": judged + pinged,
        "secrets": pinged if preview.ping_secrets else 0,
    }


def _writes(preview: Preview) -> list[str]:
    counts, rate = counted(preview), preview.writes_per_second
    seconds = max(round(counts["statuses"] / rate), 1)
    why = "one for each ping monitor" if preview.ping_secrets else "--no-ping-secrets"
    known = "" if preview.stock.is_installed else "; their definition is not installed"
    monitors = (
        f"{counts['monitorsCreated']} created, {counts['monitorsDeleted']} deleted"
    )
    return [
        f"HeartbeatMonitors: {monitors}{known}",
        f"Statuses: {counts['statuses']}, at {rate:g} a second in about {seconds} s",
        f"Secrets with ping URLs: {counts['secrets']} ({why})",
        "CronJobs and Jobs: nothing, ever. By this command: nothing at all.",
    ]
