"""Many monitors: the order, the columns, and what is told before it is written."""

import json

from heartbeats.console.listing import as_names, as_object, as_table
from heartbeats.console.monitors import Monitor, urgency
from heartbeats.core.model import Health, Incident, Reason, Trouble
from heartbeats.core.verdict import URGENCY
from support.builders import HOUR, MINUTE, NOW, state
from support.shown import HOURLY, shown

DOWN = Incident(opened_at=NOW - 2 * HOUR, reason=Reason.RUN_FAILED, message="Exit 3.")


def listed(*monitors: Monitor, **options: bool) -> str:
    ordered = sorted(monitors, key=lambda each: urgency(each, now=NOW))
    lines = as_table(ordered, now=NOW, **{"namespaced": True, **options})
    return "\n".join(lines)


def every_word() -> list[Monitor]:
    """Make one of each word, and one that nobody has judged."""
    failed = state(incident=DOWN, changed_at=NOW - 2 * HOUR, health=Health.DOWN)
    odd = state(trouble=Trouble(Reason.UNKNOWN_TIME_ZONE, "No zone Mars."))
    return [
        shown("up", namespace="b"),
        shown("paused", state(paused=True)),
        shown("new", state(last_success_at=None, last_check_in=None)),
        shown("late", state(next_expected_at=NOW - MINUTE)),
        shown("unknown", odd, HOURLY),
        shown("down", failed, HOURLY, namespace="z"),
        shown("unjudged", judged=False),
        shown("also-up", namespace="b"),
    ]


def test_the_worst_comes_first_and_what_is_late_is_known_before_it_is_written() -> None:
    assert (
        listed(*every_word())
        == """\
NAMESPACE  NAME      STATE    REASON           SINCE  LAST CHECK-IN  NEXT DUE
z          down      Down     RunFailed        2h     60m            in 1h
shop       unknown   Unknown  UnknownTimeZone  24h    60m            in 1h
shop       late      Late     Late             60s    60m            1m ago
shop       new       New      NeverReported    24h                   in 1h
shop       unjudged  -        NotJudged
shop       paused    Paused   Paused           24h    60m
b          also-up   Up       OnSchedule       24h    60m            in 1h
b          up        Up       OnSchedule       24h    60m            in 1h"""
    )


def test_every_state_has_its_urgency() -> None:
    assert set(URGENCY) == set(Health)


def test_one_namespace_needs_no_column_and_wide_tells_more() -> None:
    rules = HOURLY
    text = listed(shown("down", state(incident=DOWN), rules), namespaced=False)
    assert text.startswith("NAME  STATE")
    header, row = listed(
        shown("down", state(), rules), namespaced=False, wide=True
    ).split("\n")
    assert header.endswith("SEVERITY  OWNER  MESSAGE")
    assert "0 * * * *  UTC        5m     2026-11-21T13:05:00Z" in row
    assert row.endswith("Last success at 2026-11-21T11:00:00Z.")


def test_names_and_objects_are_those_of_kubectl() -> None:
    monitors = [shown("a"), shown("b", judged=False)]
    assert as_names(monitors) == [
        "heartbeatmonitor.heartbeats.dev/a",
        "heartbeatmonitor.heartbeats.dev/b",
    ]
    found = as_object(monitors)
    assert (found["apiVersion"], found["kind"]) == ("v1", "List")
    assert [each["metadata"]["name"] for each in found["items"]] == ["a", "b"]
    assert found["items"][0]["status"]["state"] == "Up"
    json.dumps(found)
