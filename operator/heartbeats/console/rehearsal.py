"""What the operator would do here, played through without a cluster noticing.

The operator's own parts do it: its wishes about CronJobs, its book of Jobs, its
ledger. Two questions are asked. What would be said from the first day on: a monitor
that is new judges nothing that was before it. And what would be said today had it
watched all along: that is asked of a second ledger, in which each new monitor begins
where the evidence does, and the operator was away until now.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from heartbeats.clock import Clock
from heartbeats.console.inventory import Inventory
from heartbeats.core.codec import write_instant
from heartbeats.core.model import CheckIn, CronJobFacts, MonitorKey, State, Uid
from heartbeats.core.policy import Defaults
from heartbeats.core.schedule import Timetable
from heartbeats.core.silence import Missed
from heartbeats.core.transitions import arm
from heartbeats.core.verdict import Verdict, verdict
from heartbeats.edges.kube.autodiscovery import monitor_for
from heartbeats.edges.kube.jobbook import JobBook
from heartbeats.edges.kube.monitors import sighting_of
from heartbeats.edges.kube.objects import Job, Pod
from heartbeats.edges.kube.store import Change, ObjectEvent
from heartbeats.edges.kube.wishes import Wish, Wishes, is_ours
from heartbeats.ledger import Entry, Ledger, Sighting

MOMENT: Final = timedelta(seconds=1)


class Action(StrEnum):
    """What would become of a CronJob's monitor."""

    CREATE = "create"
    KEEP = "keep"
    DELETE = "delete"
    BLOCKED = "blocked"  # another monitor has the name that ours would have
    NONE = ""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would become of one CronJob."""

    facts: CronJobFacts
    wish: Wish
    action: Action
    entry: Entry | None = None
    """Its monitor as the operator would know it; None: there would be none."""
    others: tuple[MonitorKey, ...] = ()
    """Further monitors that users wrote for it."""
    at_first: Verdict | None = None
    lately: Verdict | None = None
    """What its runs would have led to, had they been watched."""


@dataclass(slots=True)
class Rehearsal:
    """All that would become of a cluster's CronJobs, and what could not be judged."""

    prospects: list[Prospect] = field(default_factory=list)
    pinged: list[Entry] = field(default_factory=list)
    """The monitors of pings that exist: nothing is said of these anew."""
    failures: list[str] = field(default_factory=list)


async def rehearse(
    stock: Inventory, wishes: Wishes, defaults: Defaults, *, clock: Clock
) -> Rehearsal:
    """Play the operator's first moment."""
    book = await _book_of(stock.jobs, clock)
    return _Stage(stock, wishes, defaults, book, now=clock.now()).play()


class _Unread:
    """Neither pods nor Events are read: they explain verdicts and never make one."""

    async def of(self, _of: object) -> list[Pod]:
        return []


class _Silent:
    """Explains nothing of CronJobs either."""

    async def of(self, _cron_job: CronJobFacts) -> str:
        return ""

    async def of_all(self) -> dict[Uid, str]:
        return {}


async def _book_of(jobs: Iterable[Job], clock: Clock) -> JobBook:
    """Return the operator's book with these Jobs in it."""
    book = JobBook(_Unread(), _Silent(), clock)
    for job in jobs:
        book.take(ObjectEvent(Change.ADDED, job, initial=True))
    book.listed("")
    reading = asyncio.create_task(book.run())
    try:
        await book.settled()
    finally:
        reading.cancel()
        await asyncio.wait([reading])
    return book


class _Audience:
    """Hears what a ledger tells, and carries none of it out."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def changed(self, entry: Entry, *, urgent: bool) -> None:
        """Write nothing."""

    def lost(self, entry: Entry) -> None:
        """Show nothing."""

    def checked_in(self, entry: Entry, check_in: CheckIn) -> None:
        """Log nothing."""

    def missed(self, entry: Entry, missed: Missed) -> None:
        """Log nothing."""

    def failed(self, entry: Entry, error: Exception) -> None:
        """Note what the operator would leave unjudged, by a defect of its own."""
        self.failures.append(f"{entry.key} cannot be judged, a defect: {error!r}")


class _Stage:
    """Both ledgers, and what goes into them."""

    def __init__(
        self,
        stock: Inventory,
        wishes: Wishes,
        defaults: Defaults,
        book: JobBook,
        *,
        now: datetime,
    ) -> None:
        self._stock, self._wishes, self._book, self._now = stock, wishes, book, now
        self._audience = _Audience()
        self._today = self._ledger(defaults)
        self._all_along = self._ledger(defaults)
        self._made: dict[Uid, Sighting] = {}

    def _ledger(self, defaults: Defaults) -> Ledger:
        ledger = Ledger(self._book, self._audience, defaults)
        for name, annotations in self._stock.namespaces.items():
            ledger.see_namespace(name, annotations, now=self._now)
        for facts in self._stock.cron_jobs:
            ledger.see_cron_job(facts, now=self._now)
        return ledger

    def play(self) -> Rehearsal:
        """Let the operator begin, in both."""
        for seen in self._stock.monitors:
            self._today.see_monitor(seen, now=self._now)
        decided = [self._decide(facts) for facts in self._today.sources]
        for seen in self._made.values():
            self._today.see_monitor(seen, now=self._now)
        self._today.open(now=self._now)
        for seen in self._made.values():
            self._all_along.see_monitor(self._from_early_on(seen), now=self._now)
        self._all_along.open(now=self._now)
        pinged = [each for each in self._today if each.spec.cron_job_name is None]
        return Rehearsal(
            [self._completed(each) for each in decided],
            sorted(pinged, key=lambda each: each.key),
            sorted(set(self._audience.failures)),
        )

    def _decide(self, facts: CronJobFacts) -> Prospect:
        """Say what would become of a CronJob, as `autodiscovery` will."""
        wish = self._wishes.about(facts, self._today)
        monitors = self._today.monitors_of(facts.namespace, facts.name)
        ours = [each for each in monitors if is_ours(each, facts)]
        theirs = [each for each in monitors if not is_ours(each, facts)]
        if not wish.monitored:
            action = Action.DELETE if ours else Action.KEEP if theirs else Action.NONE
            keys = tuple(each.key for each in theirs[1:])
            return Prospect(facts, wish, action, next(iter(theirs), None), keys)
        if ours:
            return Prospect(facts, wish, Action.KEEP, ours[0])
        made = _made_for(facts, self._now)
        if self._today.named(made.key) is not None:
            return Prospect(facts, wish, Action.BLOCKED)
        self._made[facts.uid] = made
        return Prospect(facts, wish, Action.CREATE)

    def _from_early_on(self, seen: Sighting) -> Sighting:
        """Return a new monitor as if it had been watching since the evidence begins."""
        entry = self._today.get(seen.uid)
        if entry is None or entry.subject is None:
            return seen
        facts = self._today.cron_job_of(entry)
        if facts is None:
            return seen
        slots = set(self._book.remains(facts).slots)
        began_at = evidence_begins(facts, slots, entry.subject.table, now=self._now)
        state = arm(State(), entry.subject, entry.trouble, now=began_at)
        return replace(seen, state=state)

    def _completed(self, found: Prospect) -> Prospect:
        """Add what would be said."""
        made = self._made.get(found.facts.uid)
        entry = self._today.get(made.uid) if made else found.entry
        watched = self._all_along.get(made.uid) if made else None
        return replace(
            found,
            entry=entry,
            at_first=self._says(entry),
            lately=self._says(watched or entry),
        )

    def _says(self, entry: Entry | None) -> Verdict | None:
        if entry is None or entry.subject is None:
            return None
        return verdict(entry.state, entry.policy, now=self._now)


def evidence_begins(
    facts: CronJobFacts, slots: set[datetime], table: Timetable, *, now: datetime
) -> datetime:
    """Return since when a CronJob's runs can be judged by what is left of them.

    That is the oldest slot whose Job still exists; slots before one that the schedule
    does not have are of an older schedule. With no run at all it is the creation.
    """
    if facts.last_schedule_at is not None:
        slots = slots | {facts.last_schedule_at}
    newest_first = sorted(slots, reverse=True)
    if not newest_first:
        return facts.created_at or now
    oldest = newest_first[0]
    for slot_at in newest_first:
        if not table.has(slot_at):
            break
        oldest = slot_at
    return min(oldest, now) - MOMENT


def _made_for(facts: CronJobFacts, now: datetime) -> Sighting:
    """Return the monitor that would be created, as it would be read back."""
    body = monitor_for(facts)
    given = {
        "uid": f"new-{facts.uid}",
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": write_instant(now),
    }
    return sighting_of({**body, "metadata": {**body["metadata"], **given}})
