"""Finds out what the state machine does: every kind of fact, from every word.

A walk over the real core. From a monitor that was just created it tries each fact
that can happen next, and goes on from wherever that leads until nothing new is
reached. What it saw are edges. It expects nothing and knows no verdicts: what the
edges ought to be is written in docs/states.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from heartbeats.core.catchup import Gap, Remains, catch_up, told_once
from heartbeats.core.model import (
    Blindness,
    CheckIn,
    CronJobFacts,
    Health,
    Kind,
    MonitorKey,
    Policy,
    Source,
    Spec,
    State,
    Uid,
)
from heartbeats.core.policy import Surroundings, resolve
from heartbeats.core.schedule import Deadline, Expiry, is_judged, late_at, next_deadline
from heartbeats.core.silence import Hindrances, Step, blind, expire, is_unseen
from heartbeats.core.transitions import JUDGED_AFTER, Subject, apply, arm
from heartbeats.core.verdict import verdict
from heartbeats.edges.eventlog import for_check_in, for_flip, for_missed
from heartbeats.edges.kube.events import is_worth_telling

KEY = MonitorKey("shop", "nightly")
UID = Uid("monitor")
START_AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NOTHING = "–"
CREATED = "the monitor is created"


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A word, what happened, the word after it, and who was told of it."""

    before: str
    fact: str
    after: str
    reason: str
    event: str
    """The reason of the Event, or a dash."""
    line: str
    """The `state` of the event log's line, or a dash."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A monitor at an instant, with what its users wrote."""

    spec: Spec
    cron_job: CronJobFacts | None
    state: State
    now: datetime
    count: int = 0
    """Numbers what is reported, so that nothing is reported twice."""

    def judged_by(self) -> tuple[Policy, Subject]:
        """Return the rules that hold now."""
        around = Surroundings(cron_job=self.cron_job, last_known=self.state.judged)
        policy, trouble = resolve(self.spec, around, now=self.now)
        return policy, Subject.of(UID, policy, trouble, self.cron_job)
