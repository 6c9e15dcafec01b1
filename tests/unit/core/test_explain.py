"""What is said of a monitor: for every word and reason, and that it comes true."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from heartbeats.core.explain import Explanation, explain
from heartbeats.core.model import (
    ActiveRun,
    CheckIn,
    Health,
    Incident,
    Kind,
    Policy,
    Reason,
    Source,
    State,
    Trouble,
)
from heartbeats.core.schedule import Timetable, deadlines, timetable
from heartbeats.core.silence import expire
from heartbeats.core.status import from_status, policy_applied, to_status
from heartbeats.core.transitions import apply
from support.builders import HOUR, MINUTE, NOW, policy, state
from support.states import Edge, walk

NO_SLOTS = Timetable(None, None)
HOURLY = Policy(source=Source.CRON_JOB, schedule="0 * * * *", time_zone="UTC")


@pytest.fixture(scope="module", name="edges")
def the_edges() -> list[Edge]:
    """Everything that the state machine reaches."""
    return walk()


def explained(edge: Edge) -> Explanation:
    scene = edge.scene
    return explain(scene.state, scene.policy, scene.subject.table, now=scene.now)


def said(rules: Policy = HOURLY, /, **fields: object) -> Explanation:
    """Explain a state that differs in these fields from one that is Up."""
    return explain(state(**fields), rules, timetable(rules), now=NOW)


def down(reason: Reason = Reason.RUN_MISSED) -> Incident:
    return Incident(opened_at=NOW - HOUR, reason=reason, message="Nobody came.")


def test_every_word_and_reason_is_explained_in_sentences(edges: list[Edge]) -> None:
    for edge in edges:
        found = explained(edge)
        assert (found.health, found.reason) == (edge.after.health, edge.after.reason)
        for text in (found.why, found.cure, found.judged, *found.remarks):
            assert not text[0].islower(), text
            assert text.endswith((".", "?")), text


def test_a_recovery_needs_what_is_said(edges: list[Edge]) -> None:
    """Runs by hand may end every incident, so many of them as the sentence says."""
    seen: set[Reason] = set()
    for edge in edges:
        scene, found = edge.scene, explained(edge)
        if found.health is not Health.DOWN:
            continue
        seen.add(found.reason)
        missing = 2 if "2 success" in found.cure else 1
        after = scene.state
        for number in range(missing):
            assert after.incident is not None, (edge.fact, found.cure)
            good = CheckIn(
                id=f"cure-{number}",
                kind=Kind.SUCCESS,
                at=scene.now + HOUR * (number + 1),
                run_id=f"cure-{number}",
                source=f"cure-{number}",
                revision=10_000 + number if scene.is_pinged else None,
                scheduled=scene.is_pinged,
            )
            after = apply(after, scene.subject, good).state
        assert after.incident is None, (edge.fact, found.cure)
    assert {reason.value for reason in seen} == {
        *("RunMissed", "RunFailed", "RunOverdue", "PodNotReady", "CronJobNotFound")
    }


def test_silence_leads_to_what_is_said(edges: list[Edge]) -> None:
    kinds: set[str] = set()
    for edge in edges:
        scene, found = edge.scene, explained(edge)
        if found.judged_at is None or scene.policy.suspended:
            continue
        waits = deadlines(scene.state, scene.policy, scene.subject.table)
        if sum(each.at == found.judged_at for each in waits) > 1:
            continue  # two times are up at once: that shows nothing of either
        later = expire(scene.state, scene.subject, now=found.judged_at).state
        quiet = expire(
            scene.state, scene.subject, now=found.judged_at - timedelta(microseconds=1)
        ).state
        assert quiet == scene.state, "it was judged sooner than is said"
        assert later != scene.state, "it was not judged when it is said"
        consequence = found.judged.partition("by then, ")[2]
        kinds.add(consequence)
        if consequence == "it is Down.":
            assert later.incident is not None, edge
        else:
            assert later.incident is None, edge
        if consequence.startswith("it is Unknown"):
            assert later.health in {Health.UNKNOWN, Health.NEW, Health.UP}, edge
    assert len(kinds) == 3, kinds


def test_a_run_whose_window_was_counted_is_counted_no_second_time() -> None:
    begun = ActiveRun(id="j", started_at=NOW - MINUTE, slot_at=NOW - HOUR)
    rules = replace(HOURLY, failure_threshold=3, max_runtime=2 * MINUTE)
    found = said(rules, active_runs=(begun,), counted_slots=(NOW - HOUR,))
    assert found.judged.endswith("nothing is added: its window was counted already.")


def test_since_when_and_when_the_next_is_due() -> None:
    found = said(incident=down(), changed_at=NOW - HOUR, next_expected_at=NOW - HOUR)
    assert found.since_at == NOW - HOUR
    assert found.next_due_at == NOW + HOUR  # not the one that was missed
    assert found.judged_at is None
    late = said(next_expected_at=NOW - MINUTE)
    assert (late.health, late.since_at) == (Health.LATE, NOW - MINUTE + 15 * SECOND)
    assert late.next_due_at == NOW - MINUTE
    assert late.judged_at == NOW + 4 * MINUTE


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("rules", "fields", "words"),
    [
        (policy(), {"incident": down()}, "It recovers with the next success ping."),
        (
            HOURLY,
            {"incident": down(Reason.CRON_JOB_NOT_FOUND)},
            "create the CronJob again, or delete the monitor.",
        ),
        (
            replace(HOURLY, recovery_threshold=3),
            {"incident": down(), "consecutive_successes": 1},
            "It recovers with 2 successful runs in a row, scheduled or started by hand",
        ),
        (
            replace(HOURLY, failure_threshold=3),
            {"consecutive_failures": 1},
            "It becomes Down with 2 bad runs in a row.",
        ),
        (HOURLY, {}, "It becomes Down with the next bad run."),
        (
            replace(HOURLY, suspended=True),
            {"paused": True},
            "when neither it nor its CronJob is suspended.",
        ),
        (
            replace(HOURLY, suspended=True, resume_at=NOW + HOUR),
            {"paused": True},
            "It is judged again when the pause ends.",
        ),
        (HOURLY, {"mismatch_at": NOW}, "a day or more after the last odd one."),
        (HOURLY, {"blind_at": NOW}, "and so does the end of the next window."),
    ],
)
def test_what_would_make_it_good(
    rules: Policy, fields: dict[str, object], words: str
) -> None:
    assert words in said(rules, **fields).cure


def test_a_deadline_that_nobody_judged_is_remarked() -> None:
    due_at = NOW - policy().grace
    assert said(next_expected_at=due_at).remarks == ()
    [remark] = said(next_expected_at=due_at - 2 * MINUTE).remarks
    assert remark.startswith("Its deadline has passed, and nobody has judged it")


def test_what_is_wrong_besides_is_remarked() -> None:
    trouble = Trouble(Reason.UNKNOWN_TIME_ZONE, "There is no zone Mars")
    found = said(incident=down(), trouble=trouble)
    assert found.remarks == ("Besides: There is no zone Mars.",)
    for reason in (Reason.TOKEN_CONFLICT, Reason.KEY_LOST):
        [remark] = said(policy(), flaw=Trouble(reason, "Restore it.")).remarks
        assert remark == f"Something is wrong with its URL ({reason}): Restore it."
    noted = replace(HOURLY, notes=("annotation x: odd",))
    assert said(noted).remarks == ("Not applied: annotation x: odd.",)


def test_a_monitor_that_was_never_judged_is_new() -> None:
    found = explain(State(), policy(), NO_SLOTS, now=NOW)
    assert (found.health, found.since_at, found.next_due_at) == (Health.NEW, None, None)
    assert found.judged == "Silence is not judged now; the next report is."


def test_a_status_explains_as_much_as_the_state_that_it_was_written_from(
    edges: list[Edge],
) -> None:
    for edge in edges:
        scene, now = edge.scene, edge.scene.now
        rules, table = scene.policy, scene.subject.table
        status = to_status(scene.state, rules, table, generation=1, now=now)
        restored = from_status(status)
        applied = policy_applied(status, scene.spec, restored)
        found = explain(restored, applied, table, now=now)
        assert found == explained(edge), edge
