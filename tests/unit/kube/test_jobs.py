"""What Jobs and CronJobs say, in the core's words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeats.core.model import Kind, Uid
from heartbeats.edges.kube.jobs import (
    MANUAL_ANNOTATION,
    SLOT_ANNOTATION,
    end_of,
    facts_of,
    has_failed,
    has_started,
    is_manual,
    lean,
    owner_of,
    report,
    slot_of,
    vanished,
)
from heartbeats.edges.kube.objects import Job
from support.builders import (
    MINUTE,
    NOW,
    SECOND,
    Object,
    condition,
    cron_job,
    job,
    owner,
    text,
)

SLOT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
STARTED = {"startTime": text(NOW - MINUTE)}
COMPLETE, FAILED = condition("Complete"), condition("Failed")
BEFORE_THE_END = [condition("SuccessCriteriaMet"), condition("FailureTarget")]


@pytest.mark.parametrize("end", [COMPLETE, FAILED], ids=["Complete", "Failed"])
@pytest.mark.parametrize("position", range(4))
def test_an_end_is_found_anywhere_in_the_list(end: Object, position: int) -> None:
    conditions = [*BEFORE_THE_END, condition("Suspended", "False")]
    conditions.insert(position, end)
    found = end_of(job(status={"conditions": conditions}))
    assert found is not None
    assert found.type == end["type"]


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"conditions": BEFORE_THE_END},
        {"conditions": [condition("Complete", "False"), condition("Failed", "False")]},
        {"conditions": [condition("Complete", "Unknown")]},
        {"conditions": [condition("Suspended")]},
        {"failed": 3},
        {"succeeded": 1},
        {"completionTime": text(NOW)},
    ],
)
def test_nothing_else_is_an_end(status: Object) -> None:
    assert end_of(job(status=status)) is None
    assert not has_failed(job(status=status))


def test_only_a_failed_condition_is_a_failure() -> None:
    assert has_failed(job(status={"conditions": [*BEFORE_THE_END, FAILED]}))
    assert not has_failed(job(status={"failed": 2, "conditions": [COMPLETE]}))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, False),
        ({"active": 1, **STARTED}, False),
        ({"active": 1, "ready": 1}, True),
        ({"succeeded": 1}, True),
        ({"failed": 1}, True),
    ],
)
def test_a_job_has_started_when_a_pod_of_it_was_ready(
    status: Object, expected: bool
) -> None:
    assert has_started(job(status=status)) is expected


@pytest.mark.parametrize(
    ("name", "annotations", "expected"),
    [
        ("x-29000000", {SLOT_ANNOTATION: "2026-11-21T02:00:00Z"}, SLOT),
        ("any", {SLOT_ANNOTATION: "2026-11-21T03:00:00+01:00"}, SLOT),
        (f"nightly-{int(SLOT.timestamp()) // 60}", {}, SLOT),
        ("nightly", {}, None),
        ("nightly-2900000", {}, None),
        ("nightly-290000000", {}, None),
        ("nightly-29000000-retry", {}, None),
        ("nightly-29000000", {SLOT_ANNOTATION: "yesterday"}, None),
        ("nightly-29000000", {SLOT_ANNOTATION: "2026-11-21T02:00:00"}, None),
        ("nightly-29000000", {MANUAL_ANNOTATION: "manual"}, None),
        ("x", {SLOT_ANNOTATION: text(SLOT), MANUAL_ANNOTATION: "manual"}, None),
    ],
)
def test_the_slot_comes_from_the_annotation_else_from_the_name(
    name: str, annotations: dict[str, str], expected: datetime | None
) -> None:
    found = job(name, annotations=annotations)
    assert slot_of(found) == expected
    assert is_manual(found) is (expected is None)


@given(st.datetimes(datetime(1999, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
def test_the_name_holds_the_slot_in_minutes(at: datetime) -> None:
    slot_at = at.replace(second=0, microsecond=0, tzinfo=UTC)
    minutes = int(slot_at.timestamp()) // 60
    assert slot_of(job(f"nightly-{minutes:08}")) == slot_at


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ([], None),
        ([owner(controller=False)], None),
        ([owner("Workflow")], None),
        ([owner("Queue", "q", controller=False), owner()], "cj-nightly"),
        ([owner(uid="other", controller=False), owner()], "cj-nightly"),
    ],
)
def test_the_owner_is_the_controller_wherever_it_stands(
    owners: list[Object], expected: str | None
) -> None:
    assert owner_of(job(ownerReferences=owners)) == expected


def test_a_pending_job_reports_nothing() -> None:
    assert report(job(status={"active": 1, **STARTED})) is None


def test_a_running_job_reports_its_start() -> None:
    status = {"active": 1, "ready": 1, **STARTED}
    said = report(job("nightly-29000000", status, uid="j-1"))
    assert said is not None
    assert (said.id, said.kind, said.run_id) == ("j-1-start", Kind.START, "j-1")
    assert said.at == said.started_at == NOW - MINUTE
    assert said.slot_at == datetime.fromtimestamp(29_000_000 * 60, UTC)
    assert (said.source, said.scheduled) == ("Job nightly-29000000", True)


def test_a_job_without_a_start_time_started_when_it_was_created() -> None:
    created = text(NOW - 2 * MINUTE)
    said = report(job(status={"ready": 1}, creationTimestamp=created))
    assert said is not None
    assert said.started_at == NOW - 2 * MINUTE


def test_a_job_without_any_time_is_refused() -> None:
    with pytest.raises(ValueError, match="creationTimestamp"):
        report(job(status={"ready": 1}, creationTimestamp=None))


def test_a_success_ends_with_the_completion_time() -> None:
    end = condition("Complete", lastTransitionTime=text(NOW + SECOND))
    status = {**STARTED, "completionTime": text(NOW), "conditions": [end]}
    said = report(job(status=status, uid="j-1"), exit_code=3, message="ignored")
    assert said is not None
    assert (said.id, said.kind, said.run_id) == ("j-1-end", Kind.SUCCESS, "j-1")
    assert (said.at, said.duration) == (NOW, MINUTE)
    assert (said.exit_code, said.message) == (0, "")


def test_a_failure_ends_with_the_time_of_its_condition() -> None:
    end = condition("Failed", reason="BackoffLimitExceeded", message="too often")
    # An early completionTime would be that of another attempt: it is not looked at.
    status = {**STARTED, "completionTime": text(NOW - MINUTE), "conditions": [end]}
    said = report(job(status=status), exit_code=137)
    assert said is not None
    assert (said.kind, said.at, said.duration) == (Kind.FAILURE, NOW, MINUTE)
    assert (said.exit_code, said.message) == (137, "BackoffLimitExceeded: too often")


def test_the_last_words_of_a_pod_say_more_than_the_condition() -> None:
    end = condition("Failed", reason="DeadlineExceeded", message="was active")
    said = report(job(status={"conditions": [end]}), message="disk full")
    assert said is not None
    assert said.message == "DeadlineExceeded: disk full"


def test_a_failure_without_words_gives_its_reason() -> None:
    end = condition("Failed", reason="PodFailurePolicy")
    said = report(job(status={"conditions": [end]}))
    assert said is not None
    assert (said.message, said.exit_code) == ("PodFailurePolicy", None)


def test_an_end_before_the_start_takes_no_time() -> None:
    status = {"startTime": text(NOW + MINUTE), "conditions": [FAILED]}
    said = report(job(status=status))
    assert said is not None
    assert said.duration == timedelta()


def test_a_job_started_by_hand_stands_for_no_slot() -> None:
    manual = {MANUAL_ANNOTATION: "manual"}
    for status in ({"ready": 1}, {"conditions": [FAILED]}):
        said = report(job(status=status, annotations=manual))
        assert said is not None
        assert (said.scheduled, said.slot_at) == (False, None)
    assert not vanished(job(annotations=manual), now=NOW).scheduled


def test_a_job_deleted_before_its_end_has_vanished_now() -> None:
    gone = vanished(job("nightly-29000000", uid="j-1"), now=NOW)
    assert (gone.id, gone.kind, gone.run_id) == ("j-1-vanished", Kind.VANISHED, "j-1")
    assert (gone.at, gone.scheduled) == (NOW, True)
    assert gone.slot_at == datetime.fromtimestamp(29_000_000 * 60, UTC)


def test_a_cronjobs_facts_are_what_judging_needs() -> None:
    facts = facts_of(
        cron_job(
            {
                "schedule": "0 2 * * *",
                "timeZone": "Europe/Berlin",
                "suspend": True,
                "concurrencyPolicy": "Forbid",
                "jobTemplate": {"spec": {"activeDeadlineSeconds": 600}},
            },
            {"lastScheduleTime": text(SLOT), "lastSuccessfulTime": text(NOW)},
            labels={"b": "2", "a": "1"},
            annotations={"heartbeats.dev/owner": "ops", "note": "not ours"},
            creationTimestamp="2026-11-21T12:59:00+01:00",
        )
    )
    assert facts.uid == Uid("cj-nightly")
    assert (facts.namespace, facts.name) == ("shop", "nightly")
    assert (facts.schedule, facts.time_zone) == ("0 2 * * *", "Europe/Berlin")
    assert (facts.suspend, facts.concurrency_policy) == (True, "Forbid")
    assert facts.active_deadline == 10 * MINUTE
    assert (facts.last_schedule_at, facts.last_success_at) == (SLOT, NOW)
    assert facts.created_at == NOW - MINUTE
    assert facts.created_at.tzinfo is UTC
    assert facts.annotations == (("heartbeats.dev/owner", "ops"),)
    assert facts.labels == (("a", "1"), ("b", "2"))


def test_a_plain_cronjob_leaves_the_rest_unsaid() -> None:
    facts = facts_of(cron_job())
    assert (facts.time_zone, facts.suspend, facts.active_deadline) == (
        *(None, False, None),
    )
    assert (facts.last_schedule_at, facts.last_success_at) == (None, None)


@pytest.mark.parametrize(
    "whole",
    [
        job(),
        job("job-29000000", {"active": 1}),
        job("job-29000000", {"ready": 1, "startTime": "2026-11-20T08:00:00Z"}),
        job(status={"conditions": [*BEFORE_THE_END, condition("Failed")]}),
        job(status={"conditions": [*BEFORE_THE_END, condition("Complete")]}),
        job(annotations={MANUAL_ANNOTATION: "manual", "more": "words"}),
        job(annotations={SLOT_ANNOTATION: "2026-11-20T08:00:00Z"}),
        job(ownerReferences=[owner(uid="cj-1", name="nightly")]),
        job(ownerReferences=[], labels={"team": "data"}),
    ],
)
def test_a_lean_job_tells_the_same(whole: Job) -> None:
    kept = lean(whole)
    for tell in (report, slot_of, owner_of, end_of, is_manual, has_started):
        assert tell(kept) == tell(whole), tell.__name__
    assert lean(kept) == kept
    assert kept.metadata.uid == whole.metadata.uid
    assert kept.metadata.resource_version == whole.metadata.resource_version
