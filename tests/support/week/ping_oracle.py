"""What must be said of pings: their story from its beginning, with the silence."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from heartbeats.core.model import Kind, Reason
from support.week.oracle import Oracle
from support.week.ping_runs import OpenRun
from support.week.rules import (
    JUDGED_AFTER,
    NEVER,
    SECOND,
    Call,
    Era,
    Rules,
)
from support.week.tally import Count, Mark
from support.week.timetable import Timetable

SAME_RUN_WITHIN = timedelta(seconds=60)


class PingOracle(Oracle):
    """Tells the story of the pings from its beginning, silence between them."""

    def __init__(
        self, eras: Sequence[Era], calls: Sequence[Call], *, end: datetime
    ) -> None:
        super().__init__(eras, end=end)
        self._calls = calls
        self._last: Call | None = None
        self._arrived = False
        self._missed: datetime | None = None
        """The due of an interval that was missed, until something ends."""
        self._first_by: datetime | None = None
        self._count = Count()
        self._open: dict[str | None, OpenRun] = {}
        self._settled = eras[0].since
        self._due: datetime | None = None
        self._longest: timedelta | None = None
        self._dues: list[tuple[datetime, datetime | None]] = []
        self._table = Timetable(eras[0].rules)
        self._tell()

    def _tell(self) -> None:
        armings = {reign.armed_at for reign in self.history.reigns}
        heard_at = NEVER
        moments: list[tuple[datetime, int, Era | Call]] = [
            *((era.since, 0, era) for era in self.history.eras),
            *((call.at, 1, call) for call in self._calls),
        ]
        for at, _, moment in sorted(moments, key=lambda each: each[:2]):
            self._be_silent(heard_at, until=at)
            heard_at = at
            if isinstance(moment, Call):
                self._hear(moment)
            elif at in armings:
                self._arm(at)
            self._note(at)
        self._be_silent(heard_at, until=self.history.end)

    def _note(self, at: datetime) -> None:
        self.note(at, self._count.tally)
        self._dues.append((at, self._expected(at)))

    # What changes

    def _arm(self, at: datetime) -> None:
        rules = self.history.rules(at)
        self._table = Timetable(rules)
        self._settled = max(self._settled, at)
        last = self._last_outcome(at)
        if rules.interval is None:
            self._due = None
        elif last is not None:
            due = last + rules.interval
            self._due = due if due >= at else at + rules.interval

    def _last_outcome(self, before: datetime) -> datetime | None:
        return max(
            (
                call.at
                for call in self._calls
                if call.kind.is_outcome and call.at < before
            ),
            default=None,
        )

    def _hear(self, call: Call) -> None:
        at, rules = call.at, self.history.rules(call.at)
        if call.kind is Kind.LOG:
            return
        self._arrived = True
        if call.kind is Kind.START:
            self._last = None  # what ends after it is another run
            if call.run_id not in self._open:
                own = at if rules.interval else self._table.last_before(at)
                self._open[call.run_id] = OpenRun(at, own or at)
            self._settled = max(self._settled, self._own_slot(at))
            return
        if not self._is_repeated(call, rules):
            self._end(call, rules)
        self._settled = max(self._settled, self._own_slot(at))
        if rules.interval is not None:
            self._due = at + rules.interval
        self._missed = None

    def _is_repeated(self, call: Call, rules: Rules) -> bool:
        """Tell whether it is the outcome of a run that was told before."""
        within = min(SAME_RUN_WITHIN, self._gap(call.at, rules) / 2)
        last, self._last = self._last, call
        return (
            last is not None
            and last.run_id is None
            and call.run_id is None
            and (last.kind, last.source) == (call.kind, call.source)
            and call.at - last.at < within
        )

    def _gap(self, at: datetime, rules: Rules) -> timedelta:
        if rules.interval is not None:
            return rules.interval
        first = self._table.next_after(at)
        second = self._table.next_after(first) if first else None
        return second - first if first and second else timedelta(days=366)

    def _end(self, call: Call, rules: Rules) -> None:
        at = call.at
        run = self._open.pop(call.run_id, None)
        started_at = run.started_at if run else at
        good = call.kind is Kind.SUCCESS
        if good and run is not None:
            self._longest = max(self._longest or timedelta(), at - started_at)
        verdict = "good" if good else "bad"
        name = None if run is None else f"{call.run_id} {started_at}"
        slot: datetime | None = self._own_slot(at)
        if rules.interval is not None:
            missed = self._missed
            is_its = missed is not None and at < missed + rules.interval
            slot = missed if is_its else None
        mark = Mark(
            at,
            at,
            verdict,
            Reason.RUN_FAILED,
            slot,
            name,
            position=started_at,
            tells_slot=False,
        )
        self._count.take(mark, rules)

    def _own_slot(self, at: datetime) -> datetime:
        """Return the slot that a ping stands for: it may come a little early."""
        rules = self.history.rules(at)
        if rules.interval is not None:
            return at
        following = self._table.next_after(at)
        previous = self._table.last_before(at)
        if following is None or previous is None:
            return at
        early = min(rules.grace, (following - previous) / 2)
        return following if following - early <= at else previous

    # Silence

    def _be_silent(self, heard_at: datetime, *, until: datetime) -> None:
        """Count what expires; `heard_at` is when something was heard last."""
        while (found := self._next_deadline(until)) is not None:
            at, run_id = found
            rules = self.history.rules(at)
            if run_id is None:
                slot = self._expected(at) if self._arrived else None
                self._settled = slot or self._settled
                reason, name = Reason.RUN_MISSED, None
                if rules.interval is not None and slot is not None:
                    self._due = slot + rules.interval
                    self._missed = slot
                self._first_by = at
            else:
                run = self._open[run_id[0]]
                run.lapsed = True
                slot, reason = None, Reason.RUN_OVERDUE
                name = f"{run_id[0]} {run.started_at}"
                self._settled = max(self._settled, at)
                if rules.interval and (self._due is None or self._due <= at):
                    self._due = at + rules.interval
            known_at = max(at + JUDGED_AFTER, heard_at)
            mark = Mark(known_at, at, "silence", reason, slot, name, position=at)
            self._count.take(mark, rules)
            self._note(known_at)

    def _next_deadline(
        self, until: datetime
    ) -> tuple[datetime, tuple[str | None] | None] | None:
        """Find what expires first before an instant: a run, or a window."""
        now = until - SECOND
        rules = self.history.rules(now)
        if rules.suspended or rules.trouble:
            return None
        found: list[tuple[datetime, bool, tuple[str | None] | None]] = []
        for run_id, run in self._open.items():
            limit = run.limit(self.history, now, self._table, self._longest)
            if not run.lapsed and limit < until:
                found.append((limit, True, (run_id,)))
        window = self._window(now)
        if window is not None and window < until:
            found.append((window, False, None))
        first = min(found, key=lambda each: each[:2], default=None)
        return None if first is None else (first[0], first[2])

    def _window(self, at: datetime) -> datetime | None:
        """Return when the open window closes."""
        tally, rules = self._count.tally, self.history.rules(at)
        if tally.incident is not None:
            return None
        if not self._arrived:
            within = rules.first_check_in_within
            since = max(self.history.reign(at).armed_at, self._first_by or NEVER)
            return since + within if within else None
        due = self._expected(at)
        return due + rules.grace if due else None

    def _expected(self, at: datetime) -> datetime | None:
        """Return the slot that is due next; None while a run is open."""
        if any(not run.lapsed for run in self._open.values()):
            return None
        if self.history.rules(at).interval is not None:
            return self._due
        return self._table.next_after(self._settled)

    # Now

    def next_expected(self, at: datetime) -> datetime | None:
        """Return the earliest slot that is not settled; None while a run is open."""
        found = bisect_right(self._dues, at, key=lambda each: each[0])
        return self._dues[found - 1][1] if found else None

    def is_late(self, at: datetime) -> bool:
        """Tell whether a run is due and has not appeared, its window being open."""
        due = self.next_expected(at)
        return due is not None and due <= at
