"""When the timetable of a CronJob is in doubt, and what is certain all the same."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from heartbeats.core.model import Health, Reason
from support.week.oracle import Oracle
from support.week.rules import DAY, NEVER, SECOND, Era, Execution
from support.week.timetable import Timetable


class DoubtingOracle(Oracle):
    """Notices runs of slots that the schedule does not have."""

    def __init__(
        self, eras: Sequence[Era], runs: Sequence[Execution], *, end: datetime
    ) -> None:
        super().__init__(eras, end=end)
        self.runs = runs
        reigns = self.history.reigns
        self._tables = {reign.armed_at: Timetable(reign.rules) for reign in reigns}
        self._good = sorted(
            ((run.ended_at, run) for run in runs if run.ended_at and run.succeeded),
            key=lambda each: each[0],
        )
        seen = sorted(self._sorted_runs())
        self._mismatches = [(at, slot) for known, at, slot in seen if not known]
        self._matches = [(at, slot) for known, at, slot in seen if known]

    def is_doubtful(self, _at: datetime) -> bool:
        """Tell whether a run of a slot was seen that the schedule does not have.

        The doubt ends with a run of a known slot a day or more after the odd one.
        """
        armed_at = self.history.reign(_at).armed_at
        odd = [slot for seen, slot in self._mismatches if armed_at <= seen <= _at]
        if not odd:
            return False
        return not any(
            seen <= _at and slot - max(odd) >= DAY for seen, slot in self._matches
        )

    def was_doubtful(self, _at: datetime) -> bool:
        """Tell whether it was before: what was counted meanwhile is not defined."""
        return any(seen_at <= _at for seen_at, _ in self._mismatches)

    def word_in_doubt(self, at: datetime) -> Health | None:
        """Nothing follows from silence then; what a run itself reports is certain."""
        armed_at = self.history.reign(at).armed_at
        since = next(seen for seen, _ in self._mismatches if armed_at <= seen)
        before = self.tally(since - SECOND).incident
        heard = [
            run
            for run in self.runs
            if run.slot and run.ended_at and since <= run.ended_at <= at
        ]
        failed = any(not run.succeeded for run in heard)
        if not failed and (before is None or before.reason is Reason.RUN_MISSED):
            return Health.UNKNOWN
        newest = max(heard, key=lambda run: run.slot or NEVER, default=None)
        simple = self.history.rules(at).failure_threshold == 1
        if simple and newest is not None and not newest.succeeded:
            return None if self._is_mended(newest, at) else Health.DOWN
        return None

    def _is_mended(self, failed: Execution, by: datetime) -> bool:
        """Tell whether some run, also one by hand, succeeded after a failed one."""
        assert failed.ended_at is not None
        return any(failed.ended_at < ended_at <= by for ended_at, _ in self._good)

    def _sorted_runs(self) -> Iterator[tuple[bool, datetime, datetime]]:
        """Yield of every run whether its slot is known, when it was seen, its slot."""
        for run in self.runs:
            if run.slot is None or run.appeared_at is None:
                continue
            reign = self.history.reign(run.appeared_at)
            if run.slot >= reign.armed_at:
                known = self._tables[reign.armed_at].has(run.slot)
                yield known, run.appeared_at, run.slot
