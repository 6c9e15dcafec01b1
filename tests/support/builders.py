"""Builds the domain's values with sensible defaults: a test names what matters."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from heartbeats.core.model import (
    CheckIn,
    Flip,
    Health,
    Kind,
    MonitorKey,
    Policy,
    Reason,
    Source,
    Spec,
    State,
    Uid,
)
from heartbeats.core.transitions import Missed, Subject
from heartbeats.ledger.entries import Entry

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


class SetClock:
    """A clock that stands still until it is turned."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def turn(self, span: timedelta) -> None:
        self.at += span


def check_in(kind: Kind = Kind.SUCCESS, **fields: Any) -> CheckIn:
    """Make a check-in of this instant."""
    return CheckIn(**{"id": "c-1", "kind": kind, "at": NOW, **fields})


def flip(after: Health, reason: Reason, **fields: Any) -> Flip:
    """Make a flip from Up at this instant."""
    default = {"id": "f-1", "at": NOW, "before": Health.UP, "message": ""}
    return Flip(**{**default, "after": after, "reason": reason, **fields})


def missed(**fields: Any) -> Missed:
    """Make a window that expired now, five minutes after its run was due."""
    default = {"id": "m-1", "at": NOW, "reason": Reason.RUN_MISSED, "message": ""}
    return Missed(**{**default, "slot_at": NOW - 5 * MINUTE, **fields})


def state(**fields: Any) -> State:
    """Make a state that has been Up for a day; its next run is due in an hour."""
    default = State(
        health=Health.UP,
        changed_at=NOW - 24 * HOUR,
        armed_at=NOW - 48 * HOUR,
        last_check_in=check_in(at=NOW - HOUR),
        last_success_at=NOW - HOUR,
        next_expected_at=NOW + HOUR,
    )
    return replace(default, **fields)


def policy(**fields: Any) -> Policy:
    """Make the policy of a ping every two hours."""
    return replace(Policy(source=Source.PING, interval=2 * HOUR), **fields)


def entry(
    name: str = "nightly",
    state_: State | None = None,
    policy_: Policy | None = None,
    *,
    namespace: str = "shop",
    is_judged: bool = True,
    **fields: Any,
) -> Entry:
    """Make an entry of an open ledger, or of one that is not open yet."""
    uid = Uid(f"uid-{namespace}-{name}")
    rules = policy_ or policy()
    default: dict[str, Any] = {
        "key": MonitorKey(namespace, name),
        "uid": uid,
        "generation": 1,
        "resource_version": "1",
        "spec": Spec(source=rules.source),
        "created_at": NOW - 72 * HOUR,
        "state": state_ or state(),
        "policy": rules,
        "subject": Subject.of(uid, rules, None) if is_judged else None,
        "counts": Counter(),
    }
    return Entry(**{**default, **fields})
