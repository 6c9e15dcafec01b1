"""What a real API server makes of specs: accepted, refused, kept as written."""

from typing import Any

import pytest

from support.kube import MERGE, Kube, RefusedError
from support.resources import MONITORS, Object
from support.specs import ACCEPTED, CRON, DAILY, PING, REFUSED, monitor

pytestmark = pytest.mark.integration


def refusal_of(kube: Kube, manifest: Object) -> str:
    """Return why a creation is refused; nothing is stored either way."""
    with pytest.raises(RefusedError) as caught:
        kube.create(manifest, dryRun="All")
    assert caught.value.reason == "Invalid"
    return caught.value.message


@pytest.mark.parametrize(("spec", "text"), REFUSED.values(), ids=list(REFUSED))
def test_refused_with_a_word_about_it(kube: Kube, spec: Object, text: str) -> None:
    assert text in refusal_of(kube, monitor(spec))


def test_a_monitor_without_a_spec_is_refused(kube: Kube) -> None:
    manifest = monitor({})
    del manifest["spec"]
    assert "spec: Required value" in refusal_of(kube, manifest)


def test_a_ping_monitor_leaves_room_for_the_name_of_its_secret(kube: Kube) -> None:
    text = refusal_of(kube, monitor(PING, name="n" * 249))
    assert "the name of a ping monitor has at most 248 characters" in text
    kube.create(monitor(PING, name="n" * 248), dryRun="All")
    kube.create(monitor(CRON, name="n" * 249), dryRun="All")


def test_a_refusal_says_one_thing_once(kube: Kube) -> None:
    """One mistake, one sentence: the user need not guess which of three to follow."""
    for spec in ({}, {**PING, "interval": "1d"}, {**CRON, "timeZone": "UTC"}):
        assert refusal_of(kube, monitor(spec)).count("Invalid value") == 1


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=list(ACCEPTED))
def test_accepted_and_kept_as_written(kube: Kube, spec: Object) -> None:
    """No default is added, no duration rewritten."""
    assert kube.create(monitor(spec), dryRun="All")["spec"] == spec


def test_an_applied_monitor_is_stored_as_written(kube: Kube, namespace: str) -> None:
    kube.apply(monitor(CRON, namespace))
    assert kube.get(MONITORS, namespace, "nightly")["spec"] == CRON


def change(kube: Kube, namespace: str, patch: Any) -> Object:
    """Merge into the monitor of that namespace."""
    path = MONITORS.path(namespace, "nightly")
    body: Object = kube.send("PATCH", path, patch, content_type=MERGE).body
    return body


@pytest.mark.parametrize(
    ("before", "patch"),
    [
        pytest.param(
            CRON, {"cronJob": None, "ping": {}, "interval": "24h"}, id="CronJob to ping"
        ),
        pytest.param(
            PING,
            {"ping": None, "interval": None, "cronJob": {"name": "nightly"}},
            id="ping to CronJob",
        ),
    ],
)
def test_the_kind_of_source_cannot_change(
    kube: Kube, namespace: str, before: Object, patch: Object
) -> None:
    kube.create(monitor(before, namespace))
    with pytest.raises(RefusedError, match="the kind of source cannot change"):
        change(kube, namespace, {"spec": patch})


def test_the_spec_cannot_be_taken_away(kube: Kube, namespace: str) -> None:
    kube.create(monitor(CRON, namespace))
    with pytest.raises(RefusedError, match="spec: Required value"):
        change(kube, namespace, {"spec": None})


def test_everything_else_can_change(kube: Kube, namespace: str) -> None:
    kube.create(monitor(CRON, namespace))
    spec = {"cronJob": {"name": "hourly"}, "gracePeriod": "1m"}
    assert change(kube, namespace, {"spec": spec})["spec"] == spec


def test_a_schedule_can_take_the_place_of_an_interval(
    kube: Kube, namespace: str
) -> None:
    kube.create(monitor(PING, namespace))
    patch = {"interval": None, "schedule": "0 2 * * *"}
    assert change(kube, namespace, {"spec": patch})["spec"] == DAILY


def test_an_unknown_field_is_dropped_with_a_warning(kube: Kube) -> None:
    body = monitor({**CRON, "gracePeriodd": "5m"})
    query = {"fieldValidation": "Warn", "dryRun": "All"}
    answer = kube.send("POST", MONITORS.path("default"), body, query=query)
    assert answer.body["spec"] == CRON
    assert 'unknown field \\"spec.gracePeriodd\\"' in answer.warnings[0]


def test_an_unknown_field_is_refused_when_strict(kube: Kube) -> None:
    body = monitor({**CRON, "gracePeriodd": "5m"})
    with pytest.raises(RefusedError, match=r"unknown field \"spec.gracePeriodd\""):
        kube.create(body, fieldValidation="Strict", dryRun="All")


def test_kubectl_finds_the_kind_by_its_short_name_and_category(kube: Kube) -> None:
    resources = kube.send("GET", "/apis/heartbeats.dev/v1alpha1").body["resources"]
    found = {r["name"]: r for r in resources}
    assert set(found) == {"heartbeatmonitors", "heartbeatmonitors/status"}
    assert found["heartbeatmonitors"]["shortNames"] == ["hbm"]
    assert found["heartbeatmonitors"]["categories"] == ["heartbeats"]
