"""What silence will lead to, worked out before its time.

Thousands of windows may end at one instant, and each verdict would wait for all the
others to be worked out. A step that was worked out before counts only for the very
state, rules and hindrances that it came from. This may not change an entry.
"""

from dataclasses import dataclass
from datetime import datetime

from heartbeats.core.model import State, Uid
from heartbeats.core.schedule import next_deadline
from heartbeats.core.silence import Hindrances, Step, expire
from heartbeats.core.subject import Subject
from heartbeats.ledger.entries import Entry


@dataclass(frozen=True, slots=True)
class _Foretold:
    state: State
    subject: Subject
    known: Hindrances | None
    step: Step
    since: datetime
    """When silence leads to it."""
    before: datetime | None
    """When silence leads to more than that; None: it never does."""


class Forecast:
    """Holds the steps of a batch; what never came true goes with the next one."""

    def __init__(self) -> None:
        self._steps: dict[Uid, _Foretold] = {}

    def clear(self) -> None:
        """Forget the steps of the last batch."""
        self._steps.clear()

    def add(self, entry: Entry, known: Hindrances | None) -> None:
        """Work out what an entry's next deadline leads to, if silence lasts."""
        state, subject = entry.state, entry.subject
        if subject is None:
            return
        deadline = next_deadline(state, subject.policy, subject.table)
        if deadline is None:
            return
        step = expire(state, subject, known, now=deadline.at)
        more = next_deadline(step.state, subject.policy, subject.table)
        before = None if more is None else more.at
        self._steps[entry.uid] = _Foretold(
            state, subject, known, step, deadline.at, before
        )

    def take(
        self,
        uid: Uid,
        state: State,
        subject: Subject,
        known: Hindrances | None,
        *,
        until: datetime,
    ) -> Step | None:
        """Return the step of silence up to an instant, if it was worked out before."""
        told = self._steps.pop(uid, None)
        if told is None or told.state is not state or told.subject is not subject:
            return None
        is_of_then = told.since <= until and (not told.before or until < told.before)
        return told.step if is_of_then and told.known == known else None
