"""Where the ledger and the oracle disagree."""

from dataclasses import dataclass
from datetime import datetime

from heartbeats.core.model import Health
from heartbeats.core.verdict import verdict
from heartbeats.ledger import Entry
from support.week.oracle import Oracle


@dataclass
class Difference:
    """Where the ledger and the oracle disagree, and what led to it."""

    monitor: str
    at: datetime
    expected: str
    got: str
    before: list[str]

    def __str__(self) -> str:
        lines = "\n    ".join(self.before)
        return (
            f"{self.monitor} at {self.at}\n  expected {self.expected}\n"
            f"  got      {self.got}\n    {lines}"
        )


def compare(entry: Entry, oracle: Oracle, at: datetime) -> tuple[str, str] | None:
    """Return what must be said at an instant and what is said; None: the same."""
    expected, got = expected_of(oracle, at), got_of(entry, at)
    same = all(
        value is None or value == got.get(name) for name, value in expected.items()
    )
    return None if same else (str(_plain(expected)), str(_plain(got)))


def _plain(said: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in said.items() if value is not None}


def expected_of(oracle: Oracle, at: datetime) -> dict[str, object]:
    """Return what must be said at an instant; None: the rules do not say."""
    picture = oracle.picture(at)
    if oracle.is_doubtful(at):
        return {"word": picture.word}
    if oracle.was_doubtful(at):
        return {}
    said: dict[str, object] = {
        "word": picture.word,
        "bad": picture.failures,
        "good": picture.successes,
        "down": picture.incident is not None,
    }
    if picture.incident is not None:
        incident = picture.incident
        said |= {"since": incident.opened_at, "reason": incident.reason}
        said |= {"slot": incident.slot}
    elif picture.word in {Health.UP, Health.LATE}:
        said |= {"next": oracle.next_expected(at)}
    return said


def got_of(entry: Entry, at: datetime) -> dict[str, object]:
    """Return what the ledger says, under the same names."""
    state = entry.state
    incident = state.incident
    said: dict[str, object] = {
        "word": verdict(state, entry.policy, now=at).health,
        "bad": state.consecutive_failures,
        "good": state.consecutive_successes,
        "down": incident is not None,
        "next": state.next_expected_at,
    }
    if incident is not None:
        said |= {"since": incident.opened_at, "reason": incident.reason}
        said |= {"slot": incident.slot_at}
    return said
