"""HeartbeatMonitors as read: odd ones cost themselves, never the others."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartbeats.core.model import Health, MonitorKey, Source, State, Uid
from heartbeats.core.status import digest
from heartbeats.edges.kube.monitors import OddMonitorError, sighting_of, spec_of
from support.builders import MINUTE, NOW, Object, monitor_object, owner, text
from support.full_state import full_status

IDENTITY = ("namespace", "name", "uid", "creationTimestamp", "resourceVersion")


def test_reads_who_a_monitor_is() -> None:
    body = monitor_object(
        uid="u-1",
        resourceVersion="42",
        generation=3,
        labels={"b": "2", "a": "1"},
        ownerReferences=[owner()],
    )
    seen = sighting_of(body)
    assert (seen.key, seen.uid) == (MonitorKey("shop", "backup"), Uid("u-1"))
    assert (seen.resource_version, seen.generation) == ("42", 3)
    assert seen.created_at == NOW - MINUTE
    assert seen.created_at.tzinfo is UTC
    assert seen.labels == (("a", "1"), ("b", "2"))
    assert (seen.owner_uid, seen.deleting) == ("cj-nightly", False)


def test_a_monitor_without_a_status_is_new() -> None:
    seen = sighting_of(monitor_object())
    assert (seen.state, seen.digest) == (State(), digest({}))


def test_a_status_restores_the_state_and_names_its_content() -> None:
    status = json.loads(json.dumps(full_status()))
    seen = sighting_of({**monitor_object(), "status": status})
    assert seen.state.health is Health(status["state"])
    assert seen.state.pending_flips
    assert seen.digest == digest(full_status())


def test_a_monitor_under_deletion_says_so() -> None:
    assert sighting_of(monitor_object(deletionTimestamp=text(NOW))).deleting


@pytest.mark.parametrize(
    ("owners", "expected"),
    [
        ([], None),
        ([owner("Deployment", "d-1")], None),
        ([owner("Deployment", "d-1"), owner()], "cj-nightly"),
    ],
)
def test_the_owner_is_a_cronjob_or_none(
    owners: list[Object], expected: str | None
) -> None:
    assert sighting_of(monitor_object(ownerReferences=owners)).owner_uid == expected


@pytest.mark.parametrize("missing", IDENTITY)
def test_an_object_without_identity_is_odd(missing: str) -> None:
    body = monitor_object()
    del body["metadata"][missing]
    with pytest.raises(OddMonitorError, match=missing):
        sighting_of(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"metadata": None},
        {"metadata": []},
        {"metadata": "text"},
        {"metadata": 7},
        monitor_object(creationTimestamp="yesterday"),
        monitor_object(creationTimestamp="2026-11-21T12:00:00"),
        monitor_object(creationTimestamp=7),
        monitor_object(creationTimestamp="0001-01-01T00:00:00+14:00"),
    ],
)
def test_what_has_no_usable_metadata_is_odd(body: Object) -> None:
    with pytest.raises(OddMonitorError):
        sighting_of(body)


@pytest.mark.parametrize(
    "odd",
    [
        {"labels": ["a"]},
        {"labels": "a"},
        {"ownerReferences": ["a"]},
        {"ownerReferences": [{"kind": "CronJob"}]},
        {"ownerReferences": {"kind": "CronJob"}},
        {"generation": "many"},
        {"generation": []},
    ],
)
def test_odd_metadata_is_left_out_or_the_object_is_odd(odd: Object) -> None:
    try:
        sighting_of(monitor_object(**odd))
    except OddMonitorError:
        return


@pytest.mark.parametrize(
    "status",
    [
        [],
        "text",
        7,
        True,
        {"state": []},
        {"state": "Sideways", "conditions": "none"},
        {"state": "Up", "conditions": [1, {"type": "Healthy"}]},
        {
            "state": "Up",
            "conditions": [{"type": "Healthy", "lastTransitionTime": "soon"}],
        },
        {"history": [[], {}], "activeRuns": {}, "applied": 3, "pendingFlips": [None]},
        {"source": [], "ping": "key", "incident": {"reason": "Whim"}},
        {"lastDurationMilliseconds": 10**30, "consecutiveFailures": "1"},
    ],
)
def test_garbage_in_a_status_costs_that_field_only(status: Any) -> None:
    seen = sighting_of({**monitor_object(), "status": status})
    assert seen.state.pending_flips == ()
    assert seen.spec.interval == timedelta(hours=1)


FAR = "0001-01-01T00:00:00+14:00"


@pytest.mark.parametrize(
    "status",
    [
        {"source": {"armedSince": FAR}},
        {
            "state": "Up",
            "conditions": [{"type": "Healthy", "lastTransitionTime": FAR}],
        },
        {"lastSuccessTime": FAR},
        {"applied": {"sinceTime": FAR}},
    ],
)
def test_an_instant_before_all_calendars_costs_itself_only(status: Object) -> None:
    """The schema takes it for a date-time; Python's calendar does not reach it."""
    sighting_of({**monitor_object(), "status": status})


@pytest.mark.parametrize(
    "spec",
    [
        [],
        "text",
        7,
        {"cronJob": "nightly"},
        {"cronJob": []},
        {"ping": []},
        {"ping": "yes"},
        {"ping": {"tokenVersion": "two"}},
        {"ping": {"tokenVersion": []}},
    ],
)
def test_a_spec_of_another_shape_never_raises_anything_else(spec: Any) -> None:
    try:
        sighting_of({**monitor_object(), "spec": spec})
    except OddMonitorError:
        return


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("cronJob", "ping", "name", "kind", "uid", "tokenVersion"),
                    *("interval", "conditions", "type", "lastTransitionTime"),
                    *("source", "armedSince", "history", "failureThreshold"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
metas = st.fixed_dictionaries(
    {},
    optional={
        **{name: values | st.just("2026-11-21T12:00:00Z") for name in IDENTITY},
        "generation": values,
        "labels": values,
        "ownerReferences": values | st.lists(values, max_size=2),
    },
)
bodies = st.fixed_dictionaries(
    {"metadata": values | metas | st.just(monitor_object()["metadata"])},
    optional={"spec": values, "status": values},
)


@given(bodies)
def test_no_body_whatsoever_raises_anything_but_the_one_error(body: Object) -> None:
    try:
        seen = sighting_of(body)
    except OddMonitorError:
        return
    assert seen.uid == body["metadata"]["uid"]


def test_reads_a_cronjob_source() -> None:
    spec = spec_of({"cronJob": {"name": "nightly"}, "gracePeriod": "10m"})
    assert (spec.source, spec.cron_job_name) == (Source.CRON_JOB, "nightly")
    assert (spec.grace, spec.problem) == (timedelta(minutes=10), None)


def test_reads_a_ping_source_with_every_field() -> None:
    spec = spec_of(
        {
            "ping": {"tokenVersion": 3, "minTokenVersion": 2},
            "schedule": "0 2 * * *",
            "timeZone": "Europe/Berlin",
            "gracePeriod": "10m",
            "maxRuntime": "2h",
            "failureThreshold": 2,
            "recoveryThreshold": 3,
            "firstCheckInWithin": "24h",
            "suspend": True,
            "suspendUntil": "2026-12-01T08:00:00Z",
            "historyLimit": 0,
            "severity": "critical",
            "owner": "ops",
            "description": "moves money",
            "runbookURL": "https://wiki/backup",
        }
    )
    assert (spec.source, spec.cron_job_name) == (Source.PING, None)
    assert (spec.token_version, spec.min_token_version) == (3, 2)
    assert (spec.schedule, spec.time_zone) == ("0 2 * * *", "Europe/Berlin")
    assert (spec.failure_threshold, spec.recovery_threshold) == (2, 3)
    assert spec.first_check_in_within == timedelta(hours=24)
    assert (spec.suspend, spec.history_limit) == (True, 0)
    assert spec.suspend_until == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert (spec.severity, spec.owner) == ("critical", "ops")
    assert (spec.description, spec.runbook_url) == (
        *("moves money", "https://wiki/backup"),
    )
    assert spec.problem is None


def test_an_empty_ping_is_version_one_and_nothing_else_is_made_up() -> None:
    spec = spec_of({"ping": {}})
    assert (spec.token_version, spec.min_token_version) == (1, None)
    assert (spec.grace, spec.failure_threshold, spec.history_limit) == (
        *(None, None, None),
    )


def test_what_is_not_understood_is_named_and_the_rest_is_used() -> None:
    spec = spec_of(
        {"ping": {}, "interval": "1d", "gracePeriod": "10m", "suspendUntil": "soon"}
    )
    assert spec.problem is not None
    assert "spec.interval: " in spec.problem
    assert "spec.suspendUntil: " in spec.problem
    assert (spec.interval, spec.grace) == (None, timedelta(minutes=10))


def test_texts_that_no_status_has_room_for_are_named_and_left_out() -> None:
    """The schema refuses them; an older one, or a hand in etcd, did not."""
    read = spec_of({"ping": {}, "interval": "24h", "description": "d" * 1025})
    assert read.description is None
    assert read.problem == "spec.description: is longer than 1024 characters"
    assert spec_of({"ping": {}, "owner": "o" * 128}).owner == "o" * 128
