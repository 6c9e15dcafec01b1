"""The overview in a browser: how every monitor is, the worst first.

Rendered here, without scripts or cookies, on a listener of its own. It shows what
is known and can change nothing; ping URLs are not known here and never shown. All
text comes from users and is escaped.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from html import escape
from typing import Final, Protocol

from aiohttp import web

from heartbeats.clock import Clock
from heartbeats.core import durations
from heartbeats.core.model import Health, MonitorKey, Run
from heartbeats.core.verdict import Verdict, verdict
from heartbeats.edges.page import markup
from heartbeats.ledger.entries import Entry

URGENCY: Final = tuple(map(Health, ("Down", "Unknown", "Late", "New", "Paused", "Up")))
SHOWN: Final = 500
"""Rows of the overview: more would hold the loop and the browser too long."""

CHUNK: Final = 250
"""Monitors looked at before others may run."""

_OVERVIEW: Final = (
    "State,Monitor,Schedule,Last check-in,Next expected,Reason,Severity,Owner"
)
_HISTORY: Final = "Outcome,Time,Due,Took,Exit code,Message"
_UNREAD: Final = "not judged here yet: this replica is starting."


class Monitors(Protocol):
    """Where the page reads; the ledger is one."""

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the monitors there are now."""
        ...

    def named(self, key: MonitorKey) -> Entry | None:
        """Return the monitor of a name."""
        ...


class Page:
    """Answers with HTML.

    `follows` names the replica that leads in place of this one (empty: none does);
    None: this one leads. Only a leader knows how monitors are.
    """

    def __init__(
        self,
        monitors: Monitors,
        clock: Clock,
        follows: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._monitors = monitors
        self._clock = clock
        self._follows = follows

    def application(self) -> web.Application:
        """Return what a listener serves."""
        app = web.Application()
        app.router.add_get("/", self._overview)
        app.router.add_get("/monitors/{namespace}/{name}", self._monitor)
        app.router.add_get("/{path:.*}", _nothing)
        return app

    async def _overview(self, _request: web.Request) -> web.Response:
        if (leader := self._follows()) is not None:
            return markup.page("Heartbeats", _elsewhere(leader))
        now = self._clock.now()
        judged: list[tuple[Verdict, Entry]] = []
        for count, entry in enumerate(self._monitors, start=1):
            if entry.subject is not None:
                judged.append((verdict(entry.state, entry.policy, now=now), entry))
            if count % CHUNK == 0:
                await asyncio.sleep(0)
        unread = sum(entry.subject is None for entry in self._monitors)
        notes = f"<p>{unread} monitor(s) {_UNREAD}</p>" if unread else ""
        table = "" if unread and not judged else _overview(judged, now)
        return markup.page("Heartbeats", notes + table)

    async def _monitor(self, request: web.Request) -> web.Response:
        if (leader := self._follows()) is not None:
            return markup.page("Heartbeats", _elsewhere(leader), status=503)
        info = request.match_info
        entry = self._monitors.named(MonitorKey(info["namespace"], info["name"]))
        if entry is None:
            return await _nothing(request)
        if entry.subject is None:
            return markup.page(
                str(entry.key), f"<p>This monitor is {_UNREAD}</p>", status=503
            )
        return markup.page(str(entry.key), _details(entry, self._clock.now()))


async def _nothing(_request: web.Request) -> web.Response:
    text = '<p>There is nothing here. See the <a href="/">overview</a>.</p>'
    return markup.page("Not found", text, status=404)


def _elsewhere(leader: str) -> str:
    if not leader:
        return "<p>This replica follows, and nobody leads yet.</p>"
    return (
        f"<p>This replica follows: <code>{escape(leader)}</code> leads. "
        "Its page shows the monitors.</p>"
    )


def _overview(judged: list[tuple[Verdict, Entry]], now: datetime) -> str:
    if not judged:
        return "<p>No monitors yet: create a HeartbeatMonitor or a CronJob.</p>"
    judged.sort(key=_urgency)
    counts = Counter(word.health for word, _ in judged)
    summary = " ".join(f"{markup.badge(each)} {counts[each]}" for each in URGENCY)
    rows = (_row(entry, word, now) for word, entry in judged[:SHOWN])
    left = len(judged) - SHOWN
    more = f"<p>{left} more: kubectl get hbm --all-namespaces</p>" if left > 0 else ""
    return f"<p>{summary}</p>{markup.table(_OVERVIEW, rows)}{more}"


def _urgency(judged: tuple[Verdict, Entry]) -> tuple[int, str, str]:
    word, entry = judged
    return URGENCY.index(word.health), entry.key.namespace, entry.key.name


def _row(entry: Entry, word: Verdict, now: datetime) -> str:
    key, policy, last = entry.key, entry.policy, entry.state.last_check_in
    return markup.row(
        markup.badge(word.health),
        f'<a href="/monitors/{escape(key.namespace)}/{escape(key.name)}">'
        f"{escape(str(key))}</a>",
        _schedule(entry),
        markup.ago(last.at if last else None, now),
        markup.ago(entry.state.next_expected_at, now),
        f"{word.reason}: {escape(word.message)}",
        escape(policy.severity or ""),
        escape(policy.owner or ""),
    )


def _details(entry: Entry, now: datetime) -> str:
    state, policy = entry.state, entry.policy
    word = verdict(state, policy, now=now)
    runbook = policy.runbook_url or ""
    linked = runbook.startswith(("https://", "http://"))
    link = f'<a href="{escape(runbook)}" rel="noreferrer">{escape(runbook)}</a>'
    facts = {
        "State": f"{markup.badge(word.health)} {word.reason}",
        "Message": escape(word.message),
        "Since": markup.ago(state.changed_at, now),
        "Schedule": _schedule(entry),
        "Last success": markup.ago(state.last_success_at, now),
        "Last failure": markup.ago(state.last_failure_at, now),
        "Next expected": markup.ago(state.next_expected_at, now),
        "Grace period": durations.format(policy.grace),
        "Severity": escape(policy.severity or ""),
        "Owner": escape(policy.owner or ""),
        "Description": escape(policy.description or ""),
        "Runbook": link if linked else escape(runbook),
    }
    listed = "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in facts.items() if v)
    history = markup.table(_HISTORY, (_run(run, now) for run in state.history))
    return (
        f'<p><a href="/">All monitors</a></p><dl>{listed}</dl><h2>History</h2>{history}'
    )


def _run(run: Run, now: datetime) -> str:
    return markup.row(
        escape(run.outcome),
        markup.ago(run.at, now),
        markup.ago(run.slot_at, now),
        "" if run.duration is None else durations.humanise(run.duration),
        "" if run.exit_code is None else str(run.exit_code),
        escape(run.message),
    )


def _schedule(entry: Entry) -> str:
    policy = entry.policy
    if policy.schedule is not None:
        zone = f" {escape(policy.time_zone)}" if policy.time_zone else ""
        return f"<code>{escape(policy.schedule)}</code>{zone}"
    interval = policy.interval
    return "" if interval is None else f"every {durations.format(interval)}"
