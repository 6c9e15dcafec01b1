"""A naive second opinion on how a monitor is, written from the rules alone.

Given all true facts of a monitor it says what the word, the incident and the
counts must be at any instant. It shares nothing with the state machine but the
cron: it knows the whole past and the whole future at once, asks of every slot
whether its run appeared and of every run whether it ended in time, sorts the
answers and counts. It may be slow; it may not be clever.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from heartbeats.core.cron import Cron, parse
from heartbeats.core.model import Health, Kind, Reason

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
JUDGED_AFTER = SECOND
NEVER = datetime.min.replace(tzinfo=UTC)
LATE_AFTER = timedelta(seconds=15)
SHORTEST_LIMIT = timedelta(minutes=30)
FIRST_LIMIT = timedelta(hours=6)
SAME_RUN_WITHIN = timedelta(seconds=60)
INHERITED_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is wanted of a monitor during a time."""

    schedule: str | None = None
    zone: str = "UTC"
    anchor_at: datetime | None = None
    """Where an `@every` counts from."""
    interval: timedelta | None = None
    grace: timedelta = timedelta(minutes=5)
    max_runtime: timedelta | None = None
    active_deadline: timedelta | None = None
    failure_threshold: int = 1
    recovery_threshold: int = 1
    first_check_in_within: timedelta | None = None
    forbid: bool = False
    suspended: bool = False
    source_uid: str = ""
    gone: bool = False
    """The CronJob does not exist."""
    trouble: Reason | None = None

    @property
    def timetable(self) -> tuple[object, ...]:
        """What arms the monitor anew when it changes."""
        return (self.schedule, self.zone, self.interval, self.trouble)


@dataclass(frozen=True, kw_only=True)
class Era:
    """Rules, and since when they hold."""

    since: datetime
    rules: Rules


@dataclass(kw_only=True)
class Execution:
    """A Job as it really went."""

    uid: str
    slot: datetime | None
    started_at: datetime
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    succeeded: bool = False
    deleted_at: datetime | None = None
    """When it was deleted without having ended."""

    @property
    def appeared_at(self) -> datetime | None:
        """When a pod of it was ready, or it ended."""
        known = [each for each in (self.ready_at, self.ended_at) if each]
        return min(known, default=None)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A ping, in the order in which pings were committed."""

    at: datetime
    kind: Kind
    run_id: str | None = None
    source: str = "host"


@dataclass(frozen=True)
class Trouble:
    """An incident: since when, why, of which slot."""

    opened_at: datetime
    reason: Reason
    slot: datetime | None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """How a monitor is at an instant."""

    word: Health | None
    """None: the rules do not say."""
    incident: Trouble | None
    failures: int
    successes: int


@dataclass(frozen=True)
class Mark:
    """Something that counts: a good run, a bad run, silence, or a mere report."""

    known_at: datetime
    at: datetime
    verdict: str
    """good, bad, silence, or report (which only ends New)."""
    reason: Reason
    slot: datetime | None = None
    run: str | None = None
    position: datetime = NEVER
    """Slot or start of the run: state follows the newest run."""
    by_hand: bool = False
    tells_slot: bool = True


def _in_order(mark: Mark) -> tuple[datetime, datetime, bool, bool]:
    """Order what becomes known at one instant by when it happened.

    What expires because of what was heard comes after it.
    """
    is_silence = mark.verdict == "silence"
    at = mark.at if mark.at + JUDGED_AFTER == mark.known_at else mark.known_at
    return mark.known_at, at, is_silence, mark.run is not None


@dataclass(frozen=True)
class Tally:
    """What the marks of a time add up to."""

    failures: int = 0
    successes: int = 0
    incident: Trouble | None = None
    reported: bool = False


@dataclass
class Count:
    """Counts marks, one after the other."""

    tally: Tally = Tally()
    newest: datetime | None = None
    counted: set[object] = field(default_factory=set)
    excused_until: datetime = NEVER
    """What expired while Down changes nothing, then or later."""

    def take(self, mark: Mark, rules: Rules) -> None:
        """Count one mark."""
        match mark.verdict:
            case "report":
                self.tally = replace(self.tally, reported=True)
            case "silence":
                self._silence(mark, rules)
            case "good" | "bad" if rules.suspended:
                self.tally = replace(self.tally, reported=True)
            case "good":
                self.tally = replace(self.tally, reported=True)
                self._good(mark, rules)
            case "bad":
                self.tally = replace(self.tally, reported=True)
                self._bad(mark, rules)
            case _:
                raise AssertionError(mark.verdict)

    def _is_old(self, mark: Mark) -> bool:
        """Tell whether a newer run ended before; one by hand makes none old."""
        if self.newest is not None and mark.position < self.newest:
            return True
        if not mark.by_hand:
            self.newest = mark.position
        return False

    def _good(self, mark: Mark, rules: Rules) -> None:
        if self._is_old(mark):
            return
        successes = self.tally.successes + 1
        over = successes >= rules.recovery_threshold
        # A success makes up for what was missed before: what follows is news.
        self.counted.clear()
        if over and self.tally.incident is not None:
            self.excused_until = mark.at
        self.tally = replace(
            self.tally,
            failures=0,
            successes=successes,
            incident=None if over else self.tally.incident,
        )

    def _bad(self, mark: Mark, rules: Rules) -> None:
        if self._is_old(mark):
            return
        incident = self.tally.incident
        if incident is not None:
            told = replace(incident, reason=Reason.RUN_FAILED)
            self.tally = replace(self.tally, incident=told)
        if not self.counted & {mark.run, mark.slot}:
            self._fail(mark, rules)

    def _silence(self, mark: Mark, rules: Rules) -> None:
        if mark.run is not None and mark.slot in self.counted:
            return  # its window expired before
        if mark.known_at <= self.excused_until + JUDGED_AFTER >= mark.at + JUDGED_AFTER:
            return  # it expired while Down, known only with what ended that
        if self.tally.incident is None:
            self.counted |= {mark.run, mark.slot if mark.run is None else None}
            self.counted.discard(None)
            self._fail(mark, rules)

    def _fail(self, mark: Mark, rules: Rules) -> None:
        failures, incident = self.tally.failures + 1, self.tally.incident
        if incident is None and failures >= rules.failure_threshold:
            incident = Trouble(
                mark.at, mark.reason, mark.slot if mark.tells_slot else None
            )
        self.tally = replace(
            self.tally, failures=failures, successes=0, incident=incident
        )


@lru_cache(maxsize=100_000)
def firings(cron: Cron, day: datetime) -> tuple[datetime, ...]:
    """Return the slots of a calendar rule within the day that begins at an instant."""
    found: list[datetime] = []
    slot = cron.next_after(day - SECOND)
    while slot is not None and slot < day + DAY:
        found.append(slot)
        slot = cron.next_after(slot)
    return tuple(found)


class Timetable:
    """The slots of rules."""

    def __init__(self, rules: Rules) -> None:
        self._cron: Cron | None = None
        self._anchor_at = rules.anchor_at
        if rules.schedule is not None and rules.trouble is None:
            self._cron = parse(rules.schedule, rules.zone)

    def next_after(self, at: datetime) -> datetime | None:
        """Return the first slot after an instant, if there is one within a year."""
        if self._cron is None:
            return None
        every = self._cron.every
        if every is not None and self._anchor_at is not None:
            return self._anchor_at + ((at - self._anchor_at) // every + 1) * every
        slots = next(self._days(at, DAY))
        found = bisect_right(slots, at)
        if found < len(slots):
            return slots[found]
        # Around clock changes the answer depends on where one asks from.
        return self._cron.next_after(at)

    def last_before(self, at: datetime) -> datetime | None:
        """Return the last slot up to an instant, if there is one within a year."""
        for slots in self._days(at, -DAY):
            found = bisect_right(slots, at)
            if found:
                return slots[found - 1]
        return None

    def _days(self, at: datetime, step: timedelta) -> Iterator[tuple[datetime, ...]]:
        assert self._cron is not None
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        for number in range(400):
            yield firings(self._cron, day + number * step)

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Return the slots after an instant, up to another."""
        slot = self.next_after(after)
        while slot is not None and slot <= until:
            yield slot
            slot = self.next_after(slot)

    def has(self, slot: datetime) -> bool:
        """Tell whether an instant is a slot."""
        return self.next_after(slot - SECOND) == slot


@dataclass(frozen=True, kw_only=True)
class Reign:
    """A time in which one timetable is armed, with its eras."""

    armed_at: datetime
    until: datetime
    eras: tuple[Era, ...]

    @property
    def rules(self) -> Rules:
        """The rules it began with."""
        return self.eras[0].rules


class History:
    """The eras of a monitor, and which of them armed it anew."""

    def __init__(self, eras: Sequence[Era], end: datetime) -> None:
        self.eras = eras
        self.end = end
        self._times = [era.since for era in eras]
        self.reigns = tuple(self._reigns())

    def rules(self, at: datetime) -> Rules:
        """Return the rules that hold at an instant."""
        return self.eras[max(bisect_right(self._times, at) - 1, 0)].rules

    def _reigns(self) -> Iterator[Reign]:
        eras: list[Era] = []
        for era in self.eras:
            if eras and self._arms(eras, era):
                yield Reign(armed_at=eras[0].since, until=era.since, eras=tuple(eras))
                eras = []
            eras.append(era)
        yield Reign(armed_at=eras[0].since, until=self.end, eras=tuple(eras))

    def _arms(self, eras: Sequence[Era], era: Era) -> bool:
        before = eras[-1].rules
        if before.suspended != era.rules.suspended:
            return True
        if before.gone and not era.rules.gone:
            away = era.since - eras[-1].since
            return away > INHERITED_WITHIN or before.timetable != era.rules.timetable
        return not era.rules.gone and before.timetable != era.rules.timetable


class Oracle:
    """What must be said of one monitor at any instant."""

    def __init__(self, eras: Sequence[Era], *, end: datetime) -> None:
        self.history = History(eras, end)
        self._known_at: list[datetime] = []
        self._tallies: list[Tally] = []

    def settle(self, marks: list[Mark]) -> None:
        """Count all marks in the order in which they become known."""
        count = Count()
        for mark in sorted(marks, key=_in_order):
            count.take(mark, self.history.rules(mark.known_at))
            self.note(mark.known_at, count.tally)

    def note(self, known_at: datetime, tally: Tally) -> None:
        """Remember what was counted by an instant."""
        self._known_at.append(known_at)
        self._tallies.append(tally)

    def tally(self, at: datetime) -> Tally:
        """Return what had been counted at an instant."""
        found = bisect_right(self._known_at, at)
        return self._tallies[found - 1] if found else Tally()

    def picture(self, at: datetime) -> Picture:
        """Say how the monitor must be at an instant."""
        tally = self.tally(at)
        return Picture(
            word=self._word(tally, at),
            incident=tally.incident,
            failures=tally.failures,
            successes=tally.successes,
        )

    def _word(self, tally: Tally, at: datetime) -> Health | None:
        rules = self.history.rules(at)
        if rules.suspended:
            return Health.PAUSED
        if rules.trouble is not None:
            return Health.UNKNOWN
        if self.is_doubtful(at):
            return self.word_in_doubt(at)
        if tally.incident is not None:
            return Health.DOWN
        if not tally.reported:
            return Health.NEW
        return Health.LATE if self.is_late(at) else Health.UP

    def is_doubtful(self, _at: datetime) -> bool:
        """Tell whether something seen makes judging impossible."""
        return False

    def was_doubtful(self, _at: datetime) -> bool:
        """Tell whether it was before: what was counted meanwhile is not defined."""
        return False

    def word_in_doubt(self, _at: datetime) -> Health | None:
        """Say how a monitor is whose timetable is doubtful."""
        return Health.UNKNOWN

    def is_late(self, at: datetime) -> bool:
        """Tell whether a run is due and has not appeared, its window being open."""
        raise NotImplementedError

    def next_expected(self, at: datetime) -> datetime | None:
        """Return the earliest slot that is not settled at an instant."""
        raise NotImplementedError

    def reign(self, at: datetime) -> Reign:
        """Return the reign of an instant."""
        found = [each for each in self.history.reigns if each.armed_at <= at]
        return found[-1] if found else self.history.reigns[0]


class CronJobOracle(Oracle):
    """Asks of every slot whether its run appeared, of every run whether it ended."""

    def __init__(
        self, eras: Sequence[Era], runs: Sequence[Execution], *, end: datetime
    ) -> None:
        super().__init__(eras, end=end)
        self.runs = runs
        self._by_slot = {run.slot: run for run in runs if run.slot is not None}
        reigns = self.history.reigns
        self._tables = {reign.armed_at: Timetable(reign.rules) for reign in reigns}
        self._good = sorted(
            ((run.ended_at, run) for run in runs if run.ended_at and run.succeeded),
            key=lambda each: each[0],
        )
        self._ends = sorted(run.ended_at for run in runs if run.slot and run.ended_at)
        self._longest = list(self._records())
        self._newest = list(self._newest_slots())
        self._limits = {
            run.uid: self._limit(run)
            for run in runs
            if run.slot is not None and run.appeared_at is not None
        }
        self._scheduled = sorted(
            (run for run in runs if run.uid in self._limits),
            key=lambda run: run.started_at,
        )
        self._mismatches = sorted(self._seen_mismatches())
        self.settle(
            [*self._reports(), *self._outcomes(), *self._overdue(), *self._missed()]
        )

    # Runs

    def _records(self) -> Iterator[tuple[datetime, timedelta]]:
        """Return when the longest success became longer."""
        longest = timedelta()
        for ended_at, run in self._good:
            if ended_at - run.started_at > longest or longest == timedelta():
                longest = max(longest, ended_at - run.started_at)
                yield ended_at, longest

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
            limit = self._limits[run.uid]
            if limit is None:
                continue
            at, known_at = limit
            if self._is_outdated(run):
                continue
            if run.ended_at is not None and run.ended_at < known_at:
                continue
            if run.ended_at == known_at > at + JUDGED_AFTER:
                continue
            # A limit that moved into the past is only known later.
            by = at if known_at == at + JUDGED_AFTER else known_at
            gone = run.deleted_at is not None and run.deleted_at <= by
            if gone and self._is_paid(run, by):
                continue
            yield Mark(known_at, at, "silence", Reason.RUN_OVERDUE, run.slot, run.uid)

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

    def _limit(self, run: Execution) -> tuple[datetime, datetime] | None:
        """Find when a run is overdue, and when that is known; None: never.

        The limit may change with what is known: look after every change.
        """
        if run.ready_at is None:
            return None
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
        for at, until in zip(changes, [*changes[1:], self.history.end], strict=True):
            rules, reign = self.history.rules(at), self.reign(at)
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
                return limit, known_at
        return None

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
        following = self._tables[self.reign(at).armed_at].next_after(run.slot)
        if following is None:
            return least
        return max(following + rules.grace, least)

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
        """Tell whether nothing is due: Forbid, and a run was open, or ended since.

        The controller makes up for the newest skipped slot only, so that the run
        it starts then stands for all of them.
        """
        if not self.history.rules(slot).forbid:
            return False
        found = bisect_left(self._ends, slot)
        return self._is_busy(slot, by) or (
            found < len(self._ends) and self._ends[found] <= by
        )

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
        reign, rules = self.reign(at), self.history.rules(at)
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

    def is_doubtful(self, _at: datetime) -> bool:
        """Tell whether a run of a slot was seen that the schedule does not have."""
        armed_at = self.reign(_at).armed_at
        return any(armed_at <= seen_at <= _at for seen_at in self._mismatches)

    def was_doubtful(self, _at: datetime) -> bool:
        """Tell whether it was before: what was counted meanwhile is not defined."""
        return any(seen_at <= _at for seen_at in self._mismatches)

    def word_in_doubt(self, at: datetime) -> Health | None:
        """Nothing follows from silence then; what a run itself reports is certain."""
        armed_at = self.reign(at).armed_at
        since = next(seen for seen in self._mismatches if armed_at <= seen)
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
            return Health.DOWN
        return None

    def _seen_mismatches(self) -> Iterator[datetime]:
        for run in self.runs:
            if run.slot is None or run.appeared_at is None:
                continue
            reign = self.reign(run.appeared_at)
            known = self._tables[reign.armed_at]
            if run.slot >= reign.armed_at and not known.has(run.slot):
                yield run.appeared_at


@dataclass
class OpenRun:
    """A ping's run that started and has not ended."""

    started_at: datetime
    own_slot: datetime
    lapsed: bool = False
    """Its limit has passed: it holds nothing up any more."""


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
            limit = self._limit(run, now)
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
            since = max(self.reign(at).armed_at, self._first_by or NEVER)
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

    def _limit(self, run: OpenRun, at: datetime) -> datetime:
        """Return when a run is overdue; armed anew, not before the next slot."""
        limit, rules = self._limit_of(run, at), self.history.rules(at)
        armed_at = self.reign(at).armed_at
        if run.started_at >= armed_at:
            return limit
        if rules.interval is not None:
            return max(limit, armed_at + rules.interval + rules.grace)
        following = self._table.next_after(armed_at)
        return max(limit, following + rules.grace) if following else limit

    def _limit_of(self, run: OpenRun, at: datetime) -> datetime:
        rules = self.history.rules(at)
        if rules.max_runtime is not None:
            return run.started_at + rules.max_runtime
        usual = FIRST_LIMIT if self._longest is None else 2 * self._longest
        least = run.started_at + max(usual, SHORTEST_LIMIT)
        if rules.interval is not None:
            return max(run.own_slot + rules.interval + rules.grace, least)
        following = self._table.next_after(run.own_slot)
        return max(following + rules.grace, least) if following else least

    # Now

    def next_expected(self, at: datetime) -> datetime | None:
        """Return the earliest slot that is not settled; None while a run is open."""
        found = bisect_right(self._dues, at, key=lambda each: each[0])
        return self._dues[found - 1][1] if found else None

    def is_late(self, at: datetime) -> bool:
        """Tell whether a run is due and has not appeared, its window being open."""
        due = self.next_expected(at)
        return due is not None and due <= at
