"""What is shown of times, runs and schedules, in words: for templates and scripts.

Nothing here relies on colour, and each relative time carries the instant it means.
It may not decide how a monitor is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup

from heartbeats.core import durations
from heartbeats.core.explain import Explanation, explain
from heartbeats.core.model import Health, Policy, Run, State
from heartbeats.core.schedule import Deadline, is_running, next_deadline
from heartbeats.core.verdict import instant
from heartbeats.edges.page.survey import Seen

MESSAGE_SHOWN: Final = 200
"""Characters of a message in a list; a monitor's own page has all of it."""

_SIGNS: Final = {"success": "✓", "failure": "✗", "missed": "○", "running": "▸"}

_AGO: Final = Markup('<time datetime="{0}" title="{0}" data-as="{1}">{2}</time>')


def ago(at: datetime | None, now: datetime) -> str:
    """Tell an instant from now: "in 4h 51m", "2h ago"; nothing for None."""
    if at is None:
        return ""
    span = durations.humanise(abs(at - now))
    words = f"in {span}" if at > now else f"{span} ago"
    return _AGO.format(instant(at), "ago", words)


def span(at: datetime | None, now: datetime) -> str:
    """Tell how far an instant is from now: "4h 51m"; nothing for None."""
    if at is None:
        return ""
    return _AGO.format(instant(at), "span", durations.humanise(abs(at - now)))


def exactly(at: datetime | None, now: datetime) -> str:
    """Tell an instant by the calendar, and from now; nothing for None."""
    if at is None:
        return ""
    calendar = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup("{} <small>({})</small>").format(calendar, ago(at, now))


@dataclass(frozen=True, slots=True)
class Mark:
    """One run in a strip: a sign that needs no colour, and a sentence."""

    kind: str
    sign: str
    title: str


def strip(state: State) -> list[Mark]:
    """Return the last runs, the oldest first, and last one that goes on."""
    marks = [_mark(run) for run in reversed(state.history)]
    if is_running(state):
        marks.append(Mark("running", _SIGNS["running"], "running"))
    return marks


def _mark(run: Run) -> Mark:
    kind = run.outcome if run.outcome in _SIGNS else "other"
    title = f"{run.outcome} at {instant(run.at)}"
    return Mark(kind, _SIGNS.get(kind, "?"), _shortened(title, run.message))


def told(marks: Sequence[Mark]) -> str:
    """Say a strip in words, as for whoever does not see it."""
    if not marks:
        return "No runs yet"
    kinds = [each.kind for each in marks]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    return f"Last runs, oldest first: {counts}; the newest: {kinds[-1]}"


def _shortened(*parts: str) -> str:
    text = ": ".join(part for part in parts if part)
    return text if len(text) <= MESSAGE_SHOWN else f"{text[: MESSAGE_SHOWN - 1]}…"


def schedule(policy: Policy) -> str:
    """Tell when runs are due, as its author wrote it."""
    if policy.schedule is not None:
        return f"{policy.schedule} {policy.time_zone or ''}".rstrip()
    interval = policy.interval
    return "" if interval is None else f"every {durations.format(interval)}"


def since(seen: Seen) -> datetime | None:
    """Return since when a monitor says its word: Down since the deadline."""
    state = seen.entry.state
    if seen.word.health is Health.LATE:
        return state.next_expected_at
    return state.incident.opened_at if state.incident else state.changed_at


def message(seen: Seen) -> str:
    """Return the reason's sentence, cut where a list needs it."""
    return _shortened(seen.word.message)


def explained(seen: Seen, now: datetime) -> Explanation:
    """Explain a monitor that is judged; ValueError for one that is not."""
    entry = seen.entry
    if entry.subject is None:
        raise ValueError(f"{entry.key} is not judged here yet")
    return explain(entry.state, entry.policy, entry.subject.table, now=now)


def deadline(seen: Seen) -> Deadline | None:
    """Return the next instant at which silence turns the monitor Down."""
    entry = seen.entry
    if entry.subject is None:
        return None
    return next_deadline(entry.state, entry.policy, entry.subject.table)


def following(seen: Seen, now: datetime) -> str:
    """Say what is awaited next of a monitor, and until when."""
    entry, word = seen.entry, seen.word.health
    state = entry.state
    if word is Health.PAUSED:
        until = entry.policy.resume_at
        return Markup("paused until {}").format(instant(until)) if until else "paused"
    awaited = deadline(seen)
    if is_running(state) and awaited is not None and awaited.run is not None:
        return Markup("running, must end {}").format(ago(awaited.at, now))
    due_at = explained(seen, now).next_due_at if entry.subject else None
    if due_at is None:
        return _unscheduled(seen, awaited, now)
    if due_at > now:
        return Markup("next check {}").format(ago(due_at, now))
    if awaited is None:
        return Markup("due {}").format(ago(due_at, now))
    return Markup("due {}, Down {}").format(ago(due_at, now), ago(awaited.at, now))


def _unscheduled(seen: Seen, awaited: Deadline | None, now: datetime) -> str:
    if awaited is not None:
        return Markup("first check-in must come {}").format(ago(awaited.at, now))
    if seen.word.health is Health.NEW:
        return "waits for the first check-in"
    return "nothing is awaited"
