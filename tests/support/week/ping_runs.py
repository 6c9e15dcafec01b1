"""The open runs of pings, and until when they must have ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from support.week.rules import Rules
from support.week.timetable import History, Timetable

SHORTEST_LIMIT = timedelta(minutes=30)
FIRST_LIMIT = timedelta(hours=6)


@dataclass
class OpenRun:
    """A ping's run that started and has not ended."""

    started_at: datetime
    own_slot: datetime
    lapsed: bool = False
    """Its limit has passed: it holds nothing up any more."""

    def limit(
        self,
        history: History,
        at: datetime,
        table: Timetable,
        longest: timedelta | None,
    ) -> datetime:
        """Return when it is overdue; armed anew, not before the next slot."""
        rules, armed_at = history.rules(at), history.reign(at).armed_at
        limit = self._limit(rules, table, longest)
        if self.started_at >= armed_at:
            return limit
        if rules.interval is not None:
            return max(limit, armed_at + rules.interval + rules.grace)
        following = table.next_after(armed_at)
        return max(limit, following + rules.grace) if following else limit

    def _limit(
        self, rules: Rules, table: Timetable, longest: timedelta | None
    ) -> datetime:
        if rules.max_runtime is not None:
            return self.started_at + rules.max_runtime
        usual = FIRST_LIMIT if longest is None else 2 * longest
        least = self.started_at + max(usual, SHORTEST_LIMIT)
        if rules.interval is not None:
            return max(self.own_slot + rules.interval + rules.grace, least)
        following = table.next_after(self.own_slot)
        return max(following + rules.grace, least) if following else least
