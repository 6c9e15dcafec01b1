"""The ledger: applies facts to entries, one at a time.

Until it is opened facts are only kept: judging with half of the streams unread
would see missing CronJobs everywhere.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from heartbeats.core.catchup import Gap, catch_up, told_once
from heartbeats.core.model import (
    Blindness,
    CheckIn,
    CronJobFacts,
    MonitorKey,
    Source,
    State,
    Uid,
)
from heartbeats.core.policy import Defaults, Surroundings, resolve
from heartbeats.core.schedule import late_at, next_deadline
from heartbeats.core.silence import Step, blind, expire
from heartbeats.core.subject import Subject
from heartbeats.core.transitions import JUDGED_AFTER, RETURNS_WITHIN, apply, arm
from heartbeats.ledger.entries import Entry, Listener, Runs, Sighting
from heartbeats.ledger.sources import Sources
from heartbeats.ledger.wakes import Wakes


class Ledger:
    """Knows every monitor by uid: a name that is used again is another monitor."""

    def __init__(self, runs: Runs, listener: Listener, defaults: Defaults) -> None:
        self._runs = runs
        self._listener = listener
        self._defaults = defaults
        self._entries: dict[Uid, Entry] = {}
        self._names: dict[MonitorKey, Uid] = {}
        self._waiting: dict[Uid, list[CheckIn]] = {}
        self._departed: dict[MonitorKey, tuple[datetime, State]] = {}
        self.sources = Sources()
        self.wakes = Wakes()
        self.is_open = False

    # What is known

    def __len__(self) -> int:
        """Count the monitors."""
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """Iterate over the entries there are now."""
        return iter(tuple(self._entries.values()))

    def get(self, uid: Uid) -> Entry | None:
        """Return a monitor's entry by its uid."""
        return self._entries.get(uid)

    def named(self, key: MonitorKey) -> Entry | None:
        """Return the entry that carries a name now."""
        uid = self._names.get(key)
        return None if uid is None else self._entries.get(uid)

    def monitors_of(self, namespace: str, cron_job: str) -> list[Entry]:
        """Return the monitors that watch a CronJob."""
        return self._known(self.sources.watchers(namespace, cron_job))

    def cron_job_of(self, entry: Entry) -> CronJobFacts | None:
        """Return the CronJob a monitor watches, if it exists."""
        return self.sources.cron_job_of(entry.key.namespace, entry.spec)

    def has_expired(self, entry: Entry, now: datetime) -> bool:
        """Tell whether a deadline has passed that silence would break."""
        if entry.subject is None:
            return False
        deadline = next_deadline(entry.state, entry.policy, entry.subject.table)
        return deadline is not None and deadline.at + JUDGED_AFTER <= now

    # Facts

    def open(self, *, now: datetime, unheard: Sequence[Blindness] = ()) -> None:
        """Start judging: every stream has been read to its end once.

        `unheard` are the times in which no ping could be heard, oldest first.
        """
        self.is_open = True
        self._rule_all(self, now=now)
        for entry in self:
            self._apply_waiting(entry, unheard, now=now)

    def see_monitor(self, seen: Sighting, *, now: datetime) -> None:
        """Take over a monitor as it was read; a known one keeps its state."""
        entry = self._entries.get(seen.uid)
        if entry is not None and is_older(seen.resource_version, entry):
            return
        same = entry is not None and entry.spec == seen.spec
        if entry is None:
            entry = self._entries[seen.uid] = self._entered(seen, now=now)
        else:
            self.sources.unwatch(entry.uid, entry.key.namespace, entry.spec)
        edited = _is_newer(seen, entry) and seen.digest != entry.stored_digest
        _update(entry, seen)
        self._names[entry.key] = entry.uid
        self.sources.watch(entry.uid, entry.key.namespace, entry.spec)
        if edited:
            entry.stored_digest = seen.digest
        if edited or not same:
            self._rule(entry, now=now)
        self._apply_waiting(entry, now=now)

    def lose_monitor(self, uid: Uid, *, now: datetime | None = None) -> None:
        """Forget a monitor that was deleted.

        One that its CronJob owned goes with it, and may come back with it: then it
        inherits what it was, if that is within the hour.
        """
        entry = self._entries.pop(uid, None)
        if entry is None:
            return
        if entry.owner_uid is not None and now is not None:
            self._departed[entry.key] = (now, entry.state)
        if self._names.get(entry.key) == uid:
            del self._names[entry.key]
        self.sources.unwatch(uid, entry.key.namespace, entry.spec)
        self.wakes.set(uid, None)

    def see_cron_job(self, facts: CronJobFacts, *, now: datetime) -> None:
        """Take over a CronJob; its monitors are judged by it from now on."""
        if self.sources.add(facts):
            self._rule_all(self.monitors_of(facts.namespace, facts.name), now=now)

    def lose_cron_job(self, facts: CronJobFacts, *, now: datetime) -> None:
        """Take note that a CronJob is gone; its last schedule stays armed."""
        if self.sources.remove(facts):
            self._rule_all(self.monitors_of(facts.namespace, facts.name), now=now)

    def see_namespace(
        self, name: str, annotations: Mapping[str, str], *, now: datetime
    ) -> None:
        """Take over a Namespace's annotations."""
        if self.sources.set_annotations(name, annotations):
            inside = [entry for entry in self if entry.key.namespace == name]
            self._rule_all(inside, now=now)

    def check_in(self, uid: Uid, check_in: CheckIn, *, now: datetime) -> None:
        """Apply a check-in to one monitor; it waits for one that is not known yet."""
        entry = self._entries.get(uid)
        if entry is None or entry.subject is None:
            self._waiting.setdefault(uid, []).append(check_in)
        else:
            self._apply(entry, entry.subject, check_in, now=now)

    def forget(self, uid: Uid) -> None:
        """Drop the check-ins of a monitor that is proven to be gone."""
        self._waiting.pop(uid, None)

    def check_in_run(self, cron_job: Uid, check_in: CheckIn, *, now: datetime) -> None:
        """Apply a Job's report to the monitors of its CronJob.

        Before the ledger is open nothing need be kept: opening reads all Jobs.
        """
        if self.is_open:
            for entry in self._known(self.sources.watchers_of(cron_job)):
                self.check_in(entry.uid, check_in, now=now)

    def catch_up(self, cron_job: Uid, *, now: datetime) -> None:
        """Look again at a CronJob's runs: some were not watched for a while."""
        for entry in self._known(self.sources.watchers_of(cron_job)):
            facts = self.cron_job_of(entry)
            if facts is not None and entry.subject is not None:
                before = entry.state
                state = self._caught_up(entry, before, before, facts, now=now)
                self._move(entry, state, now=now)

    def blind(self, source: Source, blindness: Blindness, *, now: datetime) -> None:
        """Note a time in which reports of a kind may have been refused or unseen."""
        for entry in self:
            if entry.spec.source is source and entry.subject is not None:
                self._blind(entry, entry.subject, blindness, now=now)

    def judge(self, uid: Uid, *, now: datetime) -> None:
        """Count what expired by `now`; what was heard must be complete up to it."""
        entry = self._entries.get(uid)
        if entry is None or entry.subject is None:
            return
        resume_at = entry.policy.resume_at
        if resume_at is not None and resume_at <= now:
            self._rule(entry, now=now)
            return
        facts = self.cron_job_of(entry)
        known = self._runs.hindrances(facts.uid) if facts else None
        with self._alone(entry):
            step = expire(entry.state, entry.subject, known, now=now - JUDGED_AFTER)
            self._take(entry, step, now=now)

    # What became of it

    def stored(
        self, uid: Uid, state: State, digest: str, resource_version: str
    ) -> None:
        """Note that the API server now holds this state of a monitor."""
        entry = self._entries.get(uid)
        if entry is None:
            return
        entry.stored, entry.stored_digest = state, digest
        if not is_older(resource_version, entry):
            entry.resource_version = resource_version

    def signed(self, uid: Uid, key_id: str, *, now: datetime) -> None:
        """Note which key signed a monitor's token."""
        entry = self._entries.get(uid)
        if entry is not None and entry.state.key_id != key_id:
            self._move(entry, replace(entry.state, key_id=key_id), now=now)

    def told(self, uid: Uid, flips: Iterable[str], *, now: datetime) -> None:
        """Clear flips whose Event and log line are out."""
        entry = self._entries.get(uid)
        if entry is None:
            return
        done = frozenset(flips)
        left = tuple(flip for flip in entry.state.pending_flips if flip.id not in done)
        self._move(entry, replace(entry.state, pending_flips=left), now=now)

    # How

    def _known(self, uids: Iterable[Uid]) -> list[Entry]:
        return [self._entries[uid] for uid in uids if uid in self._entries]

    def _inherited(self, seen: Sighting, *, now: datetime) -> State:
        """Return the state of an owned monitor that left a moment ago, or its own."""
        for key, (gone_at, _) in tuple(self._departed.items()):
            if now - gone_at > RETURNS_WITHIN:
                del self._departed[key]
        if seen.owner_uid is None or seen.state.armed_at is not None:
            return seen.state
        _, state = self._departed.pop(seen.key, (now, seen.state))
        return replace(state, pending_flips=())

    def _entered(self, seen: Sighting, *, now: datetime) -> Entry:
        policy, trouble = resolve(seen.spec, Surroundings(), now=now)
        return Entry(
            key=seen.key,
            uid=seen.uid,
            generation=seen.generation,
            resource_version=seen.resource_version,
            spec=seen.spec,
            created_at=seen.created_at,
            state=self._inherited(seen, now=now),
            policy=policy,
            trouble=trouble,
            stored=seen.state,
            stored_digest=seen.digest,
        )

    def _rule_all(self, entries: Iterable[Entry], *, now: datetime) -> None:
        for entry in tuple(entries):
            self._rule(entry, now=now)

    @contextmanager
    def _alone(self, entry: Entry) -> Iterator[None]:
        """Let no monitor disturb another: one that makes us fail is left out."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - told, counted and visible as unjudged
            entry.subject = None
            self.wakes.set(entry.uid, None)
            self._listener.failed(entry, error)

    def _rule(self, entry: Entry, *, now: datetime) -> None:
        """Work out the rules of a monitor again and judge by them from now on."""
        if self.is_open:
            with self._alone(entry):
                self._rule_anew(entry, now=now)

    def _rule_anew(self, entry: Entry, *, now: datetime) -> None:
        facts = self.cron_job_of(entry)
        around = Surroundings(
            cron_job=facts,
            namespace_annotations=self.sources.annotations(entry.key.namespace),
            defaults=self._defaults,
            last_known=entry.state.judged,
        )
        entry.policy, entry.trouble = resolve(entry.spec, around, now=now)
        fresh = entry.subject is None or entry.subject.cron_job_uid is None
        subject = Subject.of(entry.uid, entry.policy, entry.trouble, facts)
        entry.subject = subject
        before = entry.state
        state = arm(before, subject, entry.trouble, now=now)
        if facts is not None and fresh:
            state = self._caught_up(entry, before, state, facts, now=now)
        self._move(entry, state, now=now)

    def _caught_up(
        self,
        entry: Entry,
        before: State,
        state: State,
        facts: CronJobFacts,
        *,
        now: datetime,
    ) -> State:
        """Take over what a CronJob's runs did while they were not watched."""
        if entry.subject is None:
            return state
        for check_in in self._runs.check_ins(facts.uid):
            state = self._applied(entry, entry.subject, state, check_in)
        if before.armed_at is not None:
            gap = Gap(before, self._runs.remains(facts))
            state = catch_up(state, entry.subject, gap, now=now)
        known = self._runs.hindrances(facts.uid)
        step = expire(state, entry.subject, known, now=now - JUDGED_AFTER)
        for missed in step.missed:
            self._listener.missed(entry, missed)
        return told_once(before, step.state)

    def _apply_waiting(
        self, entry: Entry, unheard: Sequence[Blindness] = (), *, now: datetime
    ) -> None:
        """Apply what came before the monitor could be judged, in its order.

        A time of blindness stands between what was heard before it and after it.
        """
        if entry.subject is None:
            return
        times = list(unheard) if entry.spec.source is Source.PING else []
        for check_in in self._waiting.pop(entry.uid, ()):
            while times and times[0].began_at < check_in.at:
                self._blind(entry, entry.subject, times.pop(0), now=now)
            self._apply(entry, entry.subject, check_in, now=now)
        for blindness in times:
            self._blind(entry, entry.subject, blindness, now=now)

    def _blind(
        self, entry: Entry, subject: Subject, blindness: Blindness, *, now: datetime
    ) -> None:
        state = blind(entry.state, subject, blindness)
        if state != entry.state:
            self._move(entry, state, now=now)

    def _apply(
        self, entry: Entry, subject: Subject, check_in: CheckIn, *, now: datetime
    ) -> None:
        with self._alone(entry):
            state = self._applied(entry, subject, entry.state, check_in)
            if state != entry.state:
                self._move(entry, state, now=now)

    def _applied(
        self, entry: Entry, subject: Subject, state: State, check_in: CheckIn
    ) -> State:
        """Apply a check-in and tell of it, if it was not counted before."""
        step = apply(state, subject, check_in)
        if step.state == state:
            return state
        for missed in step.missed:
            self._listener.missed(entry, missed)
        entry.counts[check_in.kind] += 1
        self._listener.checked_in(entry, check_in)
        return step.state

    def _take(self, entry: Entry, step: Step, *, now: datetime) -> None:
        for missed in step.missed:
            self._listener.missed(entry, missed)
        self._move(entry, step.state, now=now)

    def _move(self, entry: Entry, state: State, *, now: datetime) -> None:
        urgent = len(state.pending_flips) > len(entry.state.pending_flips)
        entry.state = state
        self._plan(entry, now=now)
        if entry.subject is not None:
            self._listener.changed(entry, urgent=urgent)

    def _plan(self, entry: Entry, *, now: datetime) -> None:
        """Set the next wake-up: lateness, a deadline, or the end of a pause."""
        if entry.subject is None:
            return
        found: list[datetime] = []
        deadline = next_deadline(entry.state, entry.policy, entry.subject.table)
        if deadline is not None:
            found.append(deadline.at + JUDGED_AFTER)
        late = late_at(entry.state, entry.policy)
        if late is not None and late > now:
            found.append(late)
        if entry.policy.resume_at is not None:
            found.append(entry.policy.resume_at)
        self.wakes.set(entry.uid, min(found, default=None))


def _update(entry: Entry, seen: Sighting) -> None:
    entry.spec, entry.generation = seen.spec, seen.generation
    entry.resource_version, entry.labels = seen.resource_version, seen.labels
    entry.owner_uid, entry.deleting = seen.owner_uid, seen.deleting


def _is_newer(seen: Sighting, entry: Entry) -> bool:
    """Tell whether somebody else wrote: the echo of our own write is not newer."""
    return not is_older(seen.resource_version, entry) and (
        seen.resource_version != entry.resource_version
    )


def is_older(resource_version: str, entry: Entry) -> bool:
    """Tell whether a read is older than what an entry holds."""
    try:
        return int(resource_version) < int(entry.resource_version)
    except ValueError:
        return False
