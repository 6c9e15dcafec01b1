"""An explanation as it is read, on its own and among everything else."""

from msgspec.structs import replace

from heartbeats.console.description import described
from heartbeats.console.explanation import as_object, told
from heartbeats.console.happenings import Happening
from heartbeats.console.monitors import Monitor
from heartbeats.core.model import ActiveRun, Health, Incident, Reason, Run
from support.builders import HOUR, MINUTE, NOW, SECOND, state
from support.shown import HOURLY, shown

DOWN = Incident(
    opened_at=NOW - 2 * HOUR,
    reason=Reason.RUN_FAILED,
    message="The run failed with exit code 3: disk\x1b[2J full",
    slot_at=NOW - 2 * HOUR,
)
RULES = replace(
    HOURLY,
    grace=10 * MINUTE,
    owner="team-a",
    origins=(*HOURLY.origins, ("gracePeriod", "annotation on the CronJob")),
)
HISTORY = (
    Run(
        outcome="failure",
        at=NOW - 2 * HOUR,
        slot_at=NOW - 2 * HOUR,
        duration=90 * SECOND,
        exit_code=3,
        message="disk full",
    ),
    Run(outcome="missed", at=NOW - 3 * HOUR, slot_at=NOW - 3 * HOUR),
    Run(outcome="success", at=NOW - 4 * HOUR, scheduled=False, inferred=True),
)


def failed() -> Monitor:
    known = state(
        health=Health.DOWN,
        changed_at=NOW - 2 * HOUR,
        incident=DOWN,
        consecutive_failures=2,
        last_failure_at=NOW - 2 * HOUR,
        last_success_at=NOW - 4 * HOUR,
        history=HISTORY,
        active_runs=(ActiveRun(id="job-1", started_at=NOW - MINUTE),),
        next_expected_at=NOW + HOUR,
    )
    return shown("nightly", known, RULES)


def test_one_sentence_says_it_then_what_cures_it_then_what_comes() -> None:
    assert (
        "\n".join(told(failed(), now=NOW))
        == """\
shop/nightly is Down since 2026-11-21T10:00:00Z (2h ago), RunFailed: The run failed \
with exit code 3: disk [2J full.
It recovers with the next successful run, scheduled or started by hand. The next run \
is due at 2026-11-21T13:00:00Z (in 1h).
The next report decides; while it is Down, silence adds nothing.
1 run(s) under way may end the incident."""
    )


def test_what_is_due_and_judged_by_time_says_when() -> None:
    late = shown("nightly", state(next_expected_at=NOW - MINUTE), HOURLY)
    assert (
        "\n".join(told(late, now=NOW)[1:])
        == """\
It is Up again as soon as a pod of its Job is ready or its Job has ended. A run was \
due at 2026-11-21T11:59:00Z (1m ago).
Judged next at 2026-11-21T12:04:00Z (in 4m): If the run that is due has not appeared \
by then, it is Down."""
    )


def test_a_monitor_that_nobody_judged_says_so() -> None:
    fresh = shown(judged=False)
    [line] = told(fresh, now=NOW)
    assert line.startswith("shop/nightly: No operator has judged it yet")
    assert as_object(fresh, now=NOW)["reason"] == "NotJudged"
    edited = told(shown(generation=2), now=NOW)[-1]
    assert edited.startswith("Its spec was edited (generation 2) and is not yet judged")


def test_programs_are_told_the_same() -> None:
    assert as_object(failed(), now=NOW) == {
        "namespace": "shop",
        "name": "nightly",
        "state": "Down",
        "reason": "RunFailed",
        "why": "The run failed with exit code 3: disk\x1b[2J full.",
        "cure": "It recovers with the next successful run, scheduled or started by "
        "hand.",
        "judged": "The next report decides; while it is Down, silence adds nothing.",
        "since": "2026-11-21T10:00:00Z",
        "nextDue": "2026-11-21T13:00:00Z",
        "remarks": ["1 run(s) under way may end the incident."],
    }


DESCRIPTION = """\
Name:          nightly
Namespace:     shop
Source:        CronJob nightly
State:         Down since 2026-11-21T10:00:00Z (2h ago), RunFailed: The run failed \
with exit code 3: disk [2J full.
Cure:          It recovers with the next successful run, scheduled or started by hand.
Next due:      2026-11-21T13:00:00Z (in 1h)
Decided:       The next report decides; while it is Down, silence adds nothing.
Remark:        1 run(s) under way may end the incident.
Last success:  2026-11-21T08:00:00Z (4h ago)
Last failure:  2026-11-21T10:00:00Z (2h ago)

Settings:
  Schedule:            0 * * * * (from: CronJob)
  Time zone:           UTC (from: --cluster-time-zone)
  Grace period:        10m (from: annotation on the CronJob)
  Max runtime:         none set: the next slot plus grace, at least 30m and twice \
the longest success (6h while there is none)
  Failure threshold:   1 (from: built in)
  Recovery threshold:  1
  Owner:               team-a (from: built in)

Incident:
  Opened:             2026-11-21T10:00:00Z (2h ago)
  Reason:             RunFailed
  Run due at:         2026-11-21T10:00:00Z
  Message:            The run failed with exit code 3: disk [2J full
  Bad runs in a row:  2
  Good runs since:    0

Under way:
  RUN    STARTED               AGE  DUE  REMARK
  job-1  2026-11-21T11:59:00Z  60s

Runs:
  ✓ ○ ✗ ▸   (✓ success, ✗ failure, ○ missed, ▸ running; the newest last)

  OUTCOME  WHEN                  AGE  DUE                   TOOK    EXIT  REMARK
  failure  2026-11-21T10:00:00Z  2h   2026-11-21T10:00:00Z  1m 30s  3     disk full
  missed   2026-11-21T09:00:00Z  3h   2026-11-21T09:00:00Z
  success  2026-11-21T08:00:00Z  4h                                       started by \
hand; inferred

Conditions:
  TYPE     STATUS  REASON     SINCE                 MESSAGE
  Healthy  False   RunFailed  2026-11-21T10:00:00Z  The run failed with exit code 3: \
disk [2J full
  Ready    True    Accepted   2026-11-21T10:00:00Z  The spec is understood and its \
source is there.

Events:
  AGE  TYPE     REASON     MESSAGE
  2h   Warning  RunFailed  Up -> Down: The run failed."""


def test_a_description_has_everything() -> None:
    event = Happening(
        NOW - 2 * HOUR, "Warning", "RunFailed", "Up -> Down: The run failed."
    )
    lines = described(failed(), [event], now=NOW)
    assert "\n".join(lines) == DESCRIPTION


def test_a_plain_terminal_gets_plain_signs() -> None:
    text = "\n".join(described(failed(), "not readable", encoding="ascii", now=NOW))
    assert "+ - x >   (+ success, x failure, - missed, > running;" in text
    assert text.endswith("Events:\n  not readable")


def test_a_fresh_monitor_is_described_too() -> None:
    text = "\n".join(described(shown(judged=False), [], now=NOW))
    assert "State:      - (NotJudged)" in text
    assert "Runs:\n  none has ended yet" in text
    assert "Incident" not in text
