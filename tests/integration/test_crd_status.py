"""What a real API server makes of a status: kept, refused, shown in columns."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.full_state import full_status
from support.kube import APPLY, JSON, Kube, RefusedError, fresh_namespace
from support.resources import MONITORS, Object
from support.specs import CRON, PING, monitor
from support.statuses import MAXIMAL, STATES, T, condition, flip, run

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stored(kube: Kube) -> Iterator[Object]:
    """Store a monitor whose status tests apply without storing it."""
    with fresh_namespace(kube) as name:
        yield kube.create(monitor(CRON, name))


def apply_status(kube: Kube, stored: Object, status: Object) -> Object:
    """Apply a status without storing it; returns what would be stored."""
    metadata = stored["metadata"]
    place = {"namespace": metadata["namespace"], "name": metadata["name"]}
    identity = {key: stored[key] for key in ("apiVersion", "kind")}
    manifest = {**identity, "metadata": place, "status": status}
    query = {"fieldManager": "heartbeats-status", "force": "true", "dryRun": "All"}
    path = MONITORS.path(*place.values(), "status")
    found: Object = kube.send(
        "PATCH", path, manifest, query=query, content_type=APPLY
    ).body["status"]
    return found


def test_a_status_at_every_bound_is_kept(kube: Kube, stored: Object) -> None:
    assert apply_status(kube, stored, MAXIMAL) == MAXIMAL


def test_the_bound_status_has_every_field(kube: Kube) -> None:
    """So that a new field cannot be forgotten above."""
    path = "/openapi/v3/apis/heartbeats.dev/v1alpha1"
    schemas = kube.send("GET", path).body["components"]["schemas"]
    schema = schemas["dev.heartbeats.v1alpha1.HeartbeatMonitor"]
    assert missing(schema["properties"]["status"], MAXIMAL) == []


def missing(schema: Object, value: Any, path: str = "status") -> list[str]:
    """Return the paths of the schema's fields that the value lacks."""
    if "items" in schema:
        return missing(schema["items"], value[0], f"{path}[]")
    found: list[str] = []
    for name, inner in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        found += missing(inner, value[name], here) if name in value else [here]
    return found


def test_what_the_operator_writes_is_kept(kube: Kube, stored: Object) -> None:
    assert apply_status(kube, stored, full_status()) == full_status()


@pytest.mark.parametrize("state", STATES)
def test_a_status_knows_this_state(kube: Kube, stored: Object, state: str) -> None:
    assert apply_status(kube, stored, {"state": state}) == {"state": state}


BAD_STATUS: dict[str, tuple[Object, str]] = {
    "an unknown state": ({"state": "Fine"}, "supported values"),
    "an unknown outcome": (
        {"history": [{"outcome": "skipped", "time": T}]},
        "supported values",
    ),
    "an outcome that is only a kind": (
        {"lastCheckIn": {"id": "1", "time": T, "kind": "log", "outcome": "log"}},
        "supported values",
    ),
    "21 runs": ({"history": [run(n) for n in range(21)]}, "at most 20 items"),
    "11 active runs": (
        {"activeRuns": [{"id": str(n), "startTime": T} for n in range(11)]},
        "at most 10 items",
    ),
    "two active runs of one id": (
        {"activeRuns": [{"id": "1", "startTime": T}] * 2},
        "duplicate",
    ),
    "33 settled slots": ({"settledSlots": [T] * 33}, "at most 32 items"),
    "17 pending flips": ({"pendingFlips": [flip(n) for n in range(17)]}, "at most 16"),
    "a run's message of 121 characters": (
        {"history": [run(1) | {"message": "m" * 121}]},
        "may not be more than 120",
    ),
    "an instant without a zone": (
        {"deadline": "2026-11-21T02:00:00"},
        "must be of type date-time",
    ),
    "a condition without a reason": (
        {"conditions": [condition("Ready") | {"reason": ""}]},
        "at least 1 chars",
    ),
    "a negative count": ({"consecutiveFailures": -1}, "equal to 0"),
}


@pytest.mark.parametrize(("status", "text"), BAD_STATUS.values(), ids=list(BAD_STATUS))
def test_a_bad_status_is_refused(
    kube: Kube, stored: Object, status: Object, text: str
) -> None:
    with pytest.raises(RefusedError, match=text):
        apply_status(kube, stored, status)


def test_a_user_cannot_write_the_status_with_the_spec(
    kube: Kube, namespace: str
) -> None:
    created = kube.create(monitor(CRON, namespace) | {"status": {"state": "Up"}})
    assert "status" not in created


SHOWN: Object = {
    "state": "Down",
    "effective": {"schedule": "0 2 * * *", "gracePeriod": "5m"},
    "lastCheckIn": {"id": "1", "time": "2026-11-20T02:00:00Z", "kind": "success"},
    "nextExpectedTime": "2999-11-22T02:00:00Z",
    "deadline": "2999-11-22T02:05:00Z",
    "conditions": [
        {**condition("Ready"), "reason": "Accepted", "message": "Found."},
        {**condition("Healthy"), "reason": "RunMissed", "message": "No run came."},
    ],
}


def row(kube: Kube, namespace: str) -> dict[str, tuple[Any, int]]:
    """Return column name to (cell, priority) as kubectl get shows them."""
    accept = f"{JSON};as=Table;v=v1;g=meta.k8s.io"
    table = kube.send("GET", MONITORS.path(namespace), accept=accept).body
    [cells] = [r["cells"] for r in table["rows"]]
    columns = table["columnDefinitions"]
    return {
        c["name"]: (cell, c["priority"]) for c, cell in zip(columns, cells, strict=True)
    }


def test_the_columns_show_what_is_known(kube: Kube, namespace: str) -> None:
    kube.create(monitor(CRON, namespace))
    kube.apply(
        {**monitor(CRON, namespace), "status": SHOWN},
        subresource="status",
        manager="heartbeats-status",
    )
    cells = row(kube, namespace)
    ago, age = cells.pop("Last check-in"), cells.pop("Age")
    assert cells == {
        "Name": ("nightly", 0),
        "State": ("Down", 0),
        "Schedule": ("0 2 * * *", 0),
        # A date column would say <invalid> of a time to come.
        "Next expected": ("2999-11-22T02:00:00Z", 0),
        "Reason": ("RunMissed", 0),
        "Source": ("nightly", 1),
        "Grace": ("5m", 1),
        "Deadline": ("2999-11-22T02:05:00Z", 1),
        "Message": ("No run came.", 1),
    }
    assert ago[0][-1] in "smhdy"
    assert age[0][-1] == "s"


def test_the_columns_of_a_monitor_nobody_judged_yet_are_empty(
    kube: Kube, namespace: str
) -> None:
    kube.create(monitor(PING, namespace))
    cells = {name: cell for name, (cell, _) in row(kube, namespace).items()}
    assert cells["Name"] == "nightly"
    assert not any(cells[n] for n in cells if n not in {"Name", "Age"})
