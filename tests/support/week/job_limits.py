"""When a Job is overdue: its limit, and when it is known that it has passed."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from support.week.rules import JUDGED_AFTER, Execution, Rules
from support.week.timetable import History, Timetable

SHORTEST_LIMIT = timedelta(minutes=30)
FIRST_LIMIT = timedelta(hours=6)


class JobLimits:
    """Knows how long the Jobs of a CronJob may take, as of any instant."""

    def __init__(
        self,
        history: History,
        tables: Mapping[datetime, Timetable],
        good: Sequence[tuple[datetime, Execution]],
    ) -> None:
        self.history, self._tables, self._good = history, tables, good
        self._longest = list(self._records())

    def _records(self) -> Iterator[tuple[datetime, timedelta]]:
        """Return when the longest success became longer."""
        longest = timedelta()
        for ended_at, run in self._good:
            if ended_at - run.started_at > longest or longest == timedelta():
                longest = max(longest, ended_at - run.started_at)
                yield ended_at, longest

    def first(self, run: Execution) -> tuple[datetime, datetime] | None:
        """Find when a run is overdue at first, and when that is known; None: never."""
        passings = (each for each in self.passings(run) if each[0] <= each[1])
        return next(passings, None)

    def passings(self, run: Execution) -> Iterator[tuple[datetime, datetime]]:
        """Find when a run is overdue, and when that is known.

        The limit may change with what is known: look after every change. A limit
        after the instant of its being known is one that moved into the future.
        """
        if run.ready_at is None:
            return
        last = run.ended_at or self.history.end
        changes = [
            run.ready_at,
            *(at for at, _ in self._longest if run.ready_at < at < last),
            *(
                each.since
                for each in self.history.eras
                if run.ready_at < each.since < last
            ),
        ]
        changes.sort()
        passed = False
        for at, until in zip(changes, [*changes[1:], self.history.end], strict=True):
            rules, reign = self.history.rules(at), self.history.reign(at)
            if rules.suspended or rules.trouble:
                continue
            limit = self._limit_as_of(run, rules, at)
            if limit is None:
                continue
            if run.started_at < reign.armed_at:
                # Armed anew: it is judged from the next slot on.
                following = self._tables[reign.armed_at].next_after(reign.armed_at)
                if following is not None:
                    limit = max(limit, following + rules.grace)
            known_at = max(limit + JUDGED_AFTER, at)
            if known_at <= until and limit < until:
                yield limit, known_at
                passed = True
            elif limit > at and passed:
                yield limit, at
                passed = False

    def _limit_as_of(
        self, run: Execution, rules: Rules, at: datetime
    ) -> datetime | None:
        fixed = rules.max_runtime or rules.active_deadline
        if fixed is not None:
            return run.started_at + fixed
        found = bisect_right(self._longest, at, key=lambda each: each[0])
        usual = 2 * self._longest[found - 1][1] if found else FIRST_LIMIT
        least = run.started_at + max(usual, SHORTEST_LIMIT)
        assert run.slot is not None
        following = self._tables[self.history.reign(at).armed_at].next_after(run.slot)
        if following is None:
            return least
        return max(following + rules.grace, least)
