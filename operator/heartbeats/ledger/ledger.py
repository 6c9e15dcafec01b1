"""The ledger: knows which monitor a fact is about, and hands it to the judge.

Until it is opened facts are only kept: judging with half of the streams unread
would see missing CronJobs everywhere.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

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
from heartbeats.core.transitions import RETURNS_WITHIN
from heartbeats.ledger.entries import Entry, Listener, Runs, Sighting
from heartbeats.ledger.judge import Judge, told
from heartbeats.ledger.sources import Sources
from heartbeats.ledger.wakes import Wakes


class Ledger:
    """Knows every monitor by uid: a name that is used again is another monitor."""

    def __init__(self, runs: Runs, listener: Listener, defaults: Defaults) -> None:
        self._entries: dict[Uid, Entry] = {}
        self._names: dict[MonitorKey, Uid] = {}
        self._waiting: dict[Uid, list[CheckIn]] = {}
        self._departed: dict[MonitorKey, tuple[datetime, State]] = {}
        self.sources = Sources()
        self.wakes = Wakes()
        self._listener = listener
        self._judge = Judge(runs, listener, defaults, self.sources, self.wakes)
        self.is_open = False

    # What is known

    def __bool__(self) -> bool:
        """Be true even without monitors: an empty ledger is not a missing one."""
        return True

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
        return self._judge.has_expired(entry, now=now)

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
        """Take over a monitor as it was read; a known one keeps its state.

        Until the ledger is open others judge: then what they stored is taken over.
        """
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
        rivals = self._judge.flaws.see(entry)
        if edited:
            _note_edit(entry, seen, is_ours=self.is_open)
        if edited or not same:
            self._rule_all([entry, *self._known(rivals)], now=now)
        self._apply_waiting(entry, now=now)

    def lose_monitor(self, uid: Uid, *, now: datetime | None = None) -> None:
        """Forget a monitor that was deleted.

        One that its CronJob owned goes with it, and may come back with it: then it
        inherits what it was, if that is within the hour.
        """
        entry = self._entries.pop(uid, None)
        rivals = self._known(self._judge.flaws.forget(uid))
        if now is not None:
            self._rule_all(rivals, now=now)
        if entry is None:
            return
        if entry.owner_uid is not None and now is not None:
            self._departed[entry.key] = (now, entry.state)
        if self._names.get(entry.key) == uid:
            del self._names[entry.key]
        self.sources.unwatch(uid, entry.key.namespace, entry.spec)
        self.wakes.set(uid, None)
        self._listener.lost(entry)

    def lose_key(self, why: str | None, *, now: datetime) -> None:
        """Note that the key of the ping URLs is lost, or with None that it is there."""
        if self._judge.flaws.lose_key(why):
            pings = [each for each in self if each.spec.source is Source.PING]
            self._rule_all(pings, now=now)

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
            self._judge.apply(entry, check_in, now=now)

    def forget(self, uid: Uid) -> None:
        """Drop the check-ins of a monitor that is proven to be gone."""
        self._waiting.pop(uid, None)

    def check_in_run(self, cron_job: Uid, check_in: CheckIn, *, now: datetime) -> None:
        """Apply a Job's report to the monitors of its CronJob.

        Before the ledger is open nothing need be kept: opening reads all Jobs.
        """
        if self.is_open:
            for entry in self._known(self.sources.watchers_of(cron_job)):
                self._judge.apply(entry, check_in, now=now)

    def catch_up(self, cron_job: Uid, *, now: datetime) -> None:
        """Look again at a CronJob's runs: some were not watched for a while."""
        for entry in self._known(self.sources.watchers_of(cron_job)):
            self._judge.catch_up(entry, now=now)

    def blind(self, source: Source, blindness: Blindness, *, now: datetime) -> None:
        """Note a time in which reports of a kind may have been refused or unseen."""
        for entry in self:
            if entry.spec.source is source:
                self._judge.blind(entry, blindness, now=now)

    def judge(self, uid: Uid, *, now: datetime) -> None:
        """Count what expired by `now`; what was heard must be complete up to it."""
        entry = self._entries.get(uid)
        if entry is not None and entry.subject is not None:
            self._judge.expire(entry, now=now)

    def foretell(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Work out what each one's silence will lead to, one a turn.

        Nothing changes by it: when its time has come `judge` is quicker. What was
        foretold before is forgotten.
        """
        return self._judge.foretell(entries)

    # What became of it

    def stored(
        self,
        uid: Uid,
        state: State,
        digest: str,
        resource_version: str,
        *,
        edited: bool = False,
    ) -> None:
        """Note that the API server now holds this state of a monitor.

        `digest` is that of the whole status; what is `edited` holds something else too.
        """
        entry = self._entries.get(uid)
        if entry is None or is_older(resource_version, entry):
            return  # somebody has written since
        entry.stored, entry.stored_digest = state, digest
        entry.edited, entry.resource_version = edited, resource_version

    def replace_next(self, uid: Uid) -> None:
        """Note that what is stored may be of a form that nothing can be applied to."""
        if (entry := self._entries.get(uid)) is not None:
            entry.edited = True

    def signed(self, uid: Uid, key_id: str, *, now: datetime) -> None:
        """Note which key signed a monitor's token."""
        entry = self._entries.get(uid)
        if entry is not None and entry.state.key_id != key_id:
            self._judge.move(entry, replace(entry.state, key_id=key_id), now=now)

    def told(self, uid: Uid, flips: Iterable[str], *, now: datetime) -> None:
        """Clear flips whose Event and log line are out."""
        entry = self._entries.get(uid)
        if entry is not None:
            state = told(entry.state, frozenset(flips))
            self._judge.move(entry, state, now=now)

    # How

    def _known(self, uids: Iterable[Uid]) -> list[Entry]:
        return [self._entries[uid] for uid in uids if uid in self._entries]

    def _rule_all(self, entries: Iterable[Entry], *, now: datetime) -> None:
        if self.is_open:
            for entry in tuple(entries):
                self._judge.rule(entry, now=now)

    def _apply_waiting(
        self, entry: Entry, unheard: Sequence[Blindness] = (), *, now: datetime
    ) -> None:
        if entry.subject is None:
            return
        waiting = self._waiting.pop(entry.uid, [])
        times = unheard if entry.spec.source is Source.PING else ()
        self._judge.apply_all(entry, waiting, times, now=now)

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

    def _inherited(self, seen: Sighting, *, now: datetime) -> State:
        """Return the state of an owned monitor that left a moment ago, or its own."""
        for key, (gone_at, _) in tuple(self._departed.items()):
            if now - gone_at > RETURNS_WITHIN:
                del self._departed[key]
        if seen.owner_uid is None or seen.state.armed_at is not None:
            return seen.state
        _, state = self._departed.pop(seen.key, (now, seen.state))
        return replace(state, pending_flips=())


def _update(entry: Entry, seen: Sighting) -> None:
    entry.spec, entry.generation = seen.spec, seen.generation
    entry.resource_version, entry.labels = seen.resource_version, seen.labels
    entry.owner_uid, entry.deleting = seen.owner_uid, seen.deleting


def _note_edit(entry: Entry, seen: Sighting, *, is_ours: bool) -> None:
    """Take in a status that was not written here: as an edit, or as the truth."""
    entry.stored_digest, entry.edited = seen.digest, is_ours
    if not is_ours:
        entry.state = entry.stored = seen.state


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
