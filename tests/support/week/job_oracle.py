"""What must be said of a CronJob: asked of every slot and of every run."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice, takewhile

from heartbeats.core.model import Reason
from support.week.doubts import DoubtingOracle
from support.week.job_limits import JobLimits
from support.week.rules import DAY, JUDGED_AFTER, NEVER, Era, Execution
from support.week.tally import Mark

LATE_AFTER = timedelta(seconds=15)


class CronJobOracle(DoubtingOracle):
    """Asks of every slot whether its run appeared, of every run whether it ended."""

    def __init__(
        self, eras: Sequence[Era], runs: Sequence[Execution], *, end: datetime
    ) -> None:
        super().__init__(eras, runs, end=end)
        self._by_slot = {run.slot: run for run in runs if run.slot is not None}
        limits = JobLimits(self.history, self._tables, self._good)
        self._newest = list(self._newest_slots())
        self._limits = {
            run.uid: limits.first(run)
            for run in runs
            if run.slot is not None and run.appeared_at is not None
        }
        self._passings = {
            run.uid: list(limits.passings(run))
            for run in runs
            if run.uid in self._limits
        }
        self._signs = sorted(self._signs_of_life())
        self._scheduled = sorted(
            (run for run in runs if run.uid in self._limits),
            key=lambda run: run.started_at,
        )
        self.settle(
            [*self._reports(), *self._outcomes(), *self._overdue(), *self._missed()]
        )

    # Runs

    def _reports(self) -> Iterator[Mark]:
        for run in self.runs:
            if run.ended_at is not None:
                yield Mark(run.ended_at, run.ended_at, "report", Reason.ON_SCHEDULE)

    def _outcomes(self) -> Iterator[Mark]:
        for run in self.runs:
            if run.ended_at is None or (run.slot is None and not run.succeeded):
                continue  # a failed run that was started by hand opens nothing
            yield Mark(
                run.ended_at,
                run.ended_at,
                "good" if run.succeeded else "bad",
                Reason.RUN_FAILED,
                slot=run.slot,
                run=run.uid,
                position=run.slot or run.started_at,
                by_hand=run.slot is None,
            )

    def _overdue(self) -> Iterator[Mark]:
        for run in self._scheduled:
            if run.ready_at is None or self._is_outdated(run):
                continue
            for at, known_at in self._passings[run.uid]:
                if at > known_at:
                    why = Reason.ON_SCHEDULE
                    yield Mark(known_at, known_at, "hope", why, run.slot, run.uid)
                elif self._is_overdue(run, at, known_at):
                    why = Reason.RUN_OVERDUE
                    yield Mark(known_at, at, "silence", why, run.slot, run.uid)

    def _is_overdue(self, run: Execution, at: datetime, known_at: datetime) -> bool:
        if run.ended_at is not None and run.ended_at < known_at:
            return False
        if run.ended_at == known_at > at + JUDGED_AFTER:
            return False
        # A limit that moved into the past is only known later.
        by = at if known_at == at + JUDGED_AFTER else known_at
        gone = run.deleted_at is not None and run.deleted_at <= by
        return not (gone and self._is_paid(run, by))

    def _is_outdated(self, run: Execution) -> bool:
        """Tell whether a newer run had ended when this one was first heard of."""
        assert run.ready_at is not None
        assert run.slot is not None
        found = bisect_right(self._newest, run.ready_at, key=lambda each: each[0])
        return found > 0 and self._newest[found - 1][1] > run.slot

    def _newest_slots(self) -> Iterator[tuple[datetime, datetime]]:
        """Return when a run of a newer slot than any before had ended."""
        newest = NEVER
        ends = [(run.ended_at, run.slot) for run in self.runs if run.ended_at]
        for ended_at, slot in sorted((at, slot) for at, slot in ends if slot):
            newest = max(newest, slot)
            yield ended_at, newest

    def _is_paid(self, run: Execution, by: datetime) -> bool:
        """Tell whether a newer run succeeded after this one was deleted."""
        assert run.deleted_at is not None
        return any(
            run.deleted_at <= ended_at <= by
            and (other.slot or other.started_at) > (run.slot or by)
            for ended_at, other in self._good
        )

    # Slots

    def _missed(self) -> Iterator[Mark]:
        for reign in self.history.reigns:
            if reign.rules.suspended or reign.rules.trouble:
                continue
            table = self._tables[reign.armed_at]
            for slot in table.between(reign.armed_at, reign.until):
                at = slot + self.history.rules(slot).grace
                known_at = at + JUDGED_AFTER
                if known_at > reign.until:
                    break
                if not self._appeared(slot, at) and not self._is_excused(slot, at):
                    why = self._why(slot, at)
                    yield Mark(known_at, at, "silence", why, slot, position=slot)

    def _appeared(self, slot: datetime, by: datetime) -> bool:
        run = self._by_slot.get(slot)
        at = run.appeared_at if run else None
        return at is not None and at <= by

    def _is_excused(self, slot: datetime, by: datetime) -> bool:
        """Tell whether nothing is due: Forbid, and a run was open, or came since.

        The controller makes up for the newest skipped slot only, so that the run
        it starts then stands for all of them.
        """
        if self._is_busy(slot, by):
            return True
        following = bisect_left(self._signs, slot)
        since = takewhile(lambda at: at <= by, islice(self._signs, following, None))
        return any(self.history.rules(at).forbid for at in since)

    def _signs_of_life(self) -> Iterator[datetime]:
        """Return when runs began that were not overdue at once, or ended."""
        for run in self.runs:
            if run.uid not in self._limits:
                continue
            limit = self._limits[run.uid]
            if run.ready_at and (limit is None or run.ready_at <= limit[0]):
                yield run.ready_at
            if run.ended_at:
                yield run.ended_at

    def _is_busy(self, slot: datetime, by: datetime) -> bool:
        """Tell whether Forbid held a slot up: a run was open."""
        if not self.history.rules(slot).forbid:
            return False
        return any(self._is_open(run, slot, by) for run in self._around(slot))

    def _around(self, slot: datetime) -> Sequence[Execution]:
        found = bisect_right(self._scheduled, slot, key=lambda run: run.started_at)
        return self._scheduled[max(found - 3, 0) : found]

    def _is_open(self, run: Execution, slot: datetime, by: datetime) -> bool:
        """Tell whether a run was open at a slot, as far as is known by an instant."""
        appeared_at = run.appeared_at
        if run.slot == slot or appeared_at is None or appeared_at > by:
            return False
        if run.started_at > slot:
            return False
        end = min(
            (each for each in (run.ended_at, run.deleted_at) if each), default=None
        )
        if end is not None and end <= by:
            return slot <= end
        limit = self._limits[run.uid]
        if limit is None:
            return True
        # A limit that moved into the past excuses what was due until then.
        moved = run.ready_at is not None and run.ready_at <= limit[0]
        return slot <= (limit[1] - JUDGED_AFTER if moved else limit[0])

    def _why(self, slot: datetime, at: datetime) -> Reason:
        if self.history.rules(at).gone:
            return Reason.CRON_JOB_NOT_FOUND
        run = self._by_slot.get(slot)
        if run is not None and run.started_at <= at:
            return Reason.POD_NOT_READY
        return Reason.RUN_MISSED

    # Now

    def next_expected(self, at: datetime) -> datetime | None:
        """Return the earliest slot that is not settled; None while a run is open."""
        slot = self._earliest(at)
        return None if self._is_busy(at, at) else slot

    def _earliest(self, at: datetime) -> datetime | None:
        reign, rules = self.history.reign(at), self.history.rules(at)
        table = self._tables[reign.armed_at]
        oldest = max(reign.armed_at, at - rules.grace - JUDGED_AFTER)
        for slot in table.between(oldest, self.history.end + 400 * DAY):
            if self._appeared(slot, at):
                continue
            if slot <= at and self._is_excused(slot, at):
                continue
            return slot
        return None

    def is_late(self, at: datetime) -> bool:
        """Tell whether a run is due and has not appeared, its window being open."""
        slot = self.next_expected(at)
        return slot is not None and slot + LATE_AFTER <= at
