"""Moves entries: works out their rules and applies facts to their states.

The only place that changes an `Entry`'s state, policy or wake-up. It knows one
entry at a time and no identities: which entry a fact is about, the ledger says.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from msgspec.structs import replace

from heartbeats.core.catchup import (
    Gap,
    catch_up,
    excuse_held_up,
    settle_passed,
    told_once,
    with_starts,
)
from heartbeats.core.model import Blindness, CheckIn, CronJobFacts, State
from heartbeats.core.policy import Defaults, Surroundings, resolve
from heartbeats.core.schedule import next_deadline
from heartbeats.core.silence import Hindrances, Step, blind, expire
from heartbeats.core.subject import Subject
from heartbeats.core.transitions import JUDGED_AFTER, apply, arm
from heartbeats.ledger.entries import Entry, Listener, Runs
from heartbeats.ledger.flaws import Flaws
from heartbeats.ledger.forecast import Forecast
from heartbeats.ledger.sources import Sources
from heartbeats.ledger.wakes import Wakes, wake_at


class Judge:
    """Applies the core's transitions, and tells what came of them."""

    def __init__(
        self,
        runs: Runs,
        listener: Listener,
        defaults: Defaults,
        sources: Sources,
        wakes: Wakes,
    ) -> None:
        self._runs = runs
        self._listener = listener
        self._defaults = defaults
        self._sources = sources
        self._wakes = wakes
        self._forecast = Forecast()
        self.flaws = Flaws()

    def rule(self, entry: Entry, *, now: datetime) -> None:
        """Work out the rules of a monitor again and judge by them from now on."""
        with self._alone(entry):
            self._rule(entry, now=now)

    def apply(self, entry: Entry, check_in: CheckIn, *, now: datetime) -> None:
        """Apply a check-in; one that was counted before changes nothing."""
        with self._alone(entry):
            if entry.subject is None:
                return
            known = self._known(entry)
            state = self._applied(entry, entry.subject, entry.state, check_in, known)
            if state != entry.state:
                self.move(entry, state, now=now)

    def apply_all(
        self,
        entry: Entry,
        check_ins: Sequence[CheckIn],
        unheard: Sequence[Blindness],
        *,
        now: datetime,
    ) -> None:
        """Apply what waited, in its order; what was heard must be complete.

        A time of blindness stands between what was heard before it and after it.
        """
        times = list(unheard)
        for check_in in check_ins:
            while times and times[0].began_at < check_in.at:
                self._blind_since(entry, times.pop(0), now=now)
            self.apply(entry, check_in, now=now)
        for blindness in times:
            self._blind_since(entry, blindness, now=now)

    def _blind_since(
        self, entry: Entry, blindness: Blindness, *, now: datetime
    ) -> None:
        """Note a time of blindness after what had expired when it began."""
        with self._alone(entry):
            if entry.subject is not None:
                known, began_at = self._known(entry), blindness.began_at
                state = self._expired(
                    entry, entry.subject, entry.state, known, now=began_at
                )
                self.move(entry, state, now=now)
        self.blind(entry, blindness, now=now)

    def blind(self, entry: Entry, blindness: Blindness, *, now: datetime) -> None:
        """Note a time in which reports may have been refused or gone unseen."""
        with self._alone(entry):
            if entry.subject is None:
                return
            state = blind(entry.state, entry.subject, blindness)
            if state != entry.state:
                self.move(entry, state, now=now)

    def expire(self, entry: Entry, *, now: datetime) -> None:
        """Count what expired by `now`; what was heard must be complete up to it."""
        resume_at = entry.policy.resume_at
        if resume_at is not None and resume_at <= now:
            self.rule(entry, now=now)
            return
        with self._alone(entry):
            if entry.subject is None:
                return
            known = self._known(entry)
            state = self._expired(entry, entry.subject, entry.state, known, now=now)
            self.move(entry, state, now=now)

    def foretell(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Work out what silence will lead to, one entry a turn; yield it when done."""
        self._forecast.clear()
        for entry in entries:
            with self._alone(entry):
                self._forecast.add(entry, self._known(entry))
            yield entry

    def catch_up(self, entry: Entry, *, now: datetime) -> None:
        """Look again at a monitor's runs: some were not watched for a while."""
        facts = self._cron_job_of(entry)
        if facts is None or entry.subject is None:
            return
        with self._alone(entry):
            before = entry.state
            state = self._caught_up(entry, before, before, facts, now=now)
            self.move(entry, state, now=now)

    def move(self, entry: Entry, state: State, *, now: datetime) -> None:
        """Give an entry a new state and tell whoever has to act."""
        urgent = len(state.pending_flips) > len(entry.state.pending_flips)
        entry.state = state
        if entry.subject is not None:
            self._wakes.set(entry.uid, wake_at(entry, entry.subject, now=now))
            self._listener.changed(entry, urgent=urgent)

    def has_expired(self, entry: Entry, *, now: datetime) -> bool:
        """Tell whether a deadline has passed that silence would break."""
        if entry.subject is None:
            return False
        deadline = next_deadline(entry.state, entry.policy, entry.subject.table)
        return deadline is not None and deadline.at + JUDGED_AFTER <= now

    @contextmanager
    def _alone(self, entry: Entry) -> Iterator[None]:
        """Let no monitor disturb another: one that makes us fail is left out."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - told, counted and left unjudged
            entry.subject = None
            self._wakes.set(entry.uid, None)
            self._listener.failed(entry, error)

    def _rule(self, entry: Entry, *, now: datetime) -> None:
        facts = self._cron_job_of(entry)
        around = Surroundings(
            cron_job=facts,
            namespace_annotations=self._sources.annotations(entry.key.namespace),
            defaults=self._defaults,
            last_known=entry.state.judged,
            flaw=self.flaws.of(entry),
        )
        entry.policy, entry.trouble = resolve(entry.spec, around, now=now)
        fresh = entry.subject is None or entry.subject.cron_job_uid is None
        subject = Subject.of(entry.uid, entry.policy, entry.trouble, facts)
        entry.subject = subject
        before = entry.state
        state = arm(before, subject, entry.trouble, now=now)
        if facts is not None and fresh:
            state = self._caught_up(entry, before, state, facts, now=now)
        self.move(entry, state, now=now)

    def _cron_job_of(self, entry: Entry) -> CronJobFacts | None:
        return self._sources.cron_job_of(entry.key.namespace, entry.spec)

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
        remains = self._runs.remains(facts)
        known = self._runs.hindrances(facts)
        reports = list(self._runs.check_ins(facts.uid))
        if before.armed_at is not None and before.armed_at == state.armed_at:
            state = settle_passed(state, entry.subject, remains)
            state = excuse_held_up(state, entry.subject, remains, reports)
        for check_in in with_starts(state, entry.subject, reports):
            state = self._applied(entry, entry.subject, state, check_in, known)
        if before.armed_at is not None:
            gap = Gap(before, remains)
            state = catch_up(state, entry.subject, gap, now=now)
        state = self._expired(entry, entry.subject, state, known, now=now)
        return told_once(before, state)

    def _applied(
        self,
        entry: Entry,
        subject: Subject,
        state: State,
        check_in: CheckIn,
        known: Hindrances | None,
    ) -> State:
        """Apply a check-in and tell of it, if it was reported and not counted."""
        step = apply(state, subject, check_in, known)
        if step.state == state:
            return state
        self._tell_missed(entry, step)
        if check_in.inferred:
            return step.state
        entry.counts[check_in.kind] += 1
        self._listener.checked_in(entry, check_in)
        return step.state

    def _expired(
        self,
        entry: Entry,
        subject: Subject,
        state: State,
        known: Hindrances | None,
        *,
        now: datetime,
    ) -> State:
        until = now - JUDGED_AFTER
        step = self._forecast.take(entry.uid, state, subject, known, until=until)
        step = step or expire(state, subject, known, now=until)
        self._tell_missed(entry, step)
        return step.state

    def _known(self, entry: Entry) -> Hindrances | None:
        facts = self._cron_job_of(entry)
        return None if facts is None else self._runs.hindrances(facts)

    def _tell_missed(self, entry: Entry, step: Step) -> None:
        for missed in step.missed:
            self._listener.missed(entry, missed)


def told(state: State, flips: frozenset[str]) -> State:
    """Return a state without the flips whose Event and log line are out."""
    left = tuple(flip for flip in state.pending_flips if flip.id not in flips)
    return replace(state, pending_flips=left)
