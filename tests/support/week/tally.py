"""Counting good and bad runs, one after the other as they become known."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from heartbeats.core.model import Health, Reason
from support.week.rules import JUDGED_AFTER, NEVER, Rules


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
    """good, bad, silence, hope (a limit is later now) or report (ends New)."""
    reason: Reason
    slot: datetime | None = None
    run: str | None = None
    position: datetime = NEVER
    """Slot or start of the run: state follows the newest run."""
    by_hand: bool = False
    tells_slot: bool = True


def in_order(mark: Mark) -> tuple[datetime, datetime, bool, bool]:
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
    passed: set[str] = field(default_factory=set)
    """Runs whose limits passed while Down."""
    settled: set[str | None] = field(default_factory=set)
    """Runs whose ends are not awaited any more."""
    excused_until: datetime = NEVER
    """What expired while Down changes nothing, then or later."""

    def take(self, mark: Mark, rules: Rules) -> None:
        """Count one mark."""
        match mark.verdict:
            case "report":
                self.tally = replace(self.tally, reported=True)
            case "silence":
                self._silence(mark, rules)
            case "hope":
                self.passed.discard(mark.run or "")
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
            self.settled |= self.passed
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
        late = self.excused_until + JUDGED_AFTER
        if mark.known_at <= late >= mark.at + JUDGED_AFTER:
            # It expired while Down, known only with what ended that.
            self.settled |= {mark.run} - {None}
            return
        if mark.run is not None and not self._is_awaited(mark.run):
            return
        if mark.run is not None and mark.slot in self.counted:
            return  # its window expired before
        if self.tally.incident is None:
            self.counted |= {mark.run or mark.slot} - {None}
            self._fail(mark, rules)

    def _is_awaited(self, run: str) -> bool:
        """Tell whether a run is waited for, which ends with its limit."""
        if run in self.settled:
            return False
        (self.settled if self.tally.incident is None else self.passed).add(run)
        return True

    def _fail(self, mark: Mark, rules: Rules) -> None:
        failures, incident = self.tally.failures + 1, self.tally.incident
        if incident is None and failures >= rules.failure_threshold:
            incident = Trouble(
                mark.at, mark.reason, mark.slot if mark.tells_slot else None
            )
        self.tally = replace(
            self.tally, failures=failures, successes=0, incident=incident
        )
