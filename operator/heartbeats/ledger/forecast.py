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
    at: datetime
    """When silence leads to it."""
    step: Step


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
        if deadline is not None:
            step = expire(state, subject, known, now=deadline.at)
            told = _Foretold(state, subject, known, deadline.at, step)
            self._steps[entry.uid] = told

    def take(
        self, entry: Entry, known: Hindrances | None, *, until: datetime
    ) -> Step | None:
        """Return the step of silence up to an instant, if it was worked out before."""
        told = self._steps.pop(entry.uid, None)
        if told is None or told.at > until or told.known != known:
            return None
        if told.state is not entry.state or told.subject is not entry.subject:
            return None
        return told.step
