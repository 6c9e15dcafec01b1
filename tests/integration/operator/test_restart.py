"""A restart forgets nothing, repeats nothing, and makes up for what it missed."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.kube import Kube, fresh_namespace, wait_until
from support.own_cluster import Own
from support.processes import ask, until_answers
from support.resources import EVENTS, MONITORS, Object
from support.restarts import (
    Apart,
    Operator,
    last_hour,
    moment,
    outcomes,
    path_of,
    send,
    wait_journal_empty,
    watch_past,
)
from support.workloads import (
    RARELY,
    complete,
    condition_of,
    cron_job,
    failed,
    has_said,
    ping_monitor,
    record_run,
    state_is,
)

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]


@pytest.fixture
def kube(own: Own) -> Kube:
    """Act as the administrator of a cluster whose operator is this test's to kill."""
    return own.kube


@pytest.fixture
def mine(own: Own, tmp_path: Path) -> Iterator[Operator]:
    """Run an operator of the test's own."""
    operator = Operator(own.operator, tmp_path)
    operator.start()
    try:
        yield operator
    finally:
        operator.kill()


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """Make a namespace of the test's own."""
    with fresh_namespace(kube) as name:
        yield name


def test_every_status_is_the_same_after_a_kill_and_nothing_is_told_again(
    kube: Kube, apart: Apart, namespace: str
) -> None:
    """The status alone restores the state; what was told stays told."""
    words = make_one_of_each(kube, apart.url, namespace)
    before = {name: kube.get(MONITORS, namespace, name) for name in words}
    events = identities(kube, namespace)
    lines = {name: apart.line_ids(namespace, name) for name in words}
    for _ in range(2):
        with apart.away():
            pass
        pass_by(kube, namespace)
        for name in words:
            after = kube.get(MONITORS, namespace, name)
            assert after["status"] == before[name]["status"], name
            # Nothing was known better, so nothing was written.
            assert version(after) == version(before[name]), name
            assert apart.line_ids(namespace, name) == lines[name], name
        assert identities(kube, namespace) - fences(kube, namespace) == events


def make_one_of_each(kube: Kube, base: str, namespace: str) -> dict[str, str]:
    """Make a monitor for each word that lasts; return the words by name."""
    words = {"up": "Up", "down": "Down", "new": "New", "paused": "Paused"}
    for name, word in words.items():
        suspend = word == "Paused"
        kube.create(ping_monitor(namespace, name, interval="24h", suspend=suspend))
    kube.create(ping_monitor(namespace, "broken", schedule="61 * * * *"))
    kube.create(cron_job(namespace, "nightly", schedule=RARELY))
    send(kube, base, namespace, "up", "?msg=fine")
    send(kube, base, namespace, "down", "/fail?msg=broken")
    words |= {"broken": "Unknown", "nightly-cronjob": "New"}
    for name, word in words.items():
        wait_until(kube, MONITORS, namespace, name, has_said(word))
    return words


def test_an_open_run_stays_open_and_its_end_closes_it(
    kube: Kube, mine: Operator, namespace: str
) -> None:
    """Its start was told to the operator before: the end is told to another."""
    kube.create(ping_monitor(namespace, "long", interval="24h"))
    run_id = str(uuid4())
    send(kube, mine.url, namespace, "long", f"/start?rid={run_id}")

    def is_running(found: Object | None) -> bool:
        runs = (found or {}).get("status", {}).get("activeRuns", [])
        return [run["id"] for run in runs] == [run_id]

    wait_until(kube, MONITORS, namespace, "long", is_running)
    with mine.away():
        pass
    pass_by(kube, namespace)
    assert is_running(kube.get(MONITORS, namespace, "long"))
    send(kube, mine.url, namespace, "long", f"?rid={run_id}")
    found: Any = wait_until(kube, MONITORS, namespace, "long", has_said("Up"))
    assert "activeRuns" not in found["status"]
    assert found["status"]["lastCheckIn"]["durationMilliseconds"] > 0


def test_runs_that_ended_meanwhile_are_counted_once(
    kube: Kube, mine: Operator, namespace: str
) -> None:
    """The Jobs tell it themselves, by their own times, however often one starts."""
    stored = kube.create(cron_job(namespace, "hourly", schedule="0 * * * *"))
    name = "hourly-cronjob"
    wait_until(kube, MONITORS, namespace, name, state_is("New"))
    slot = last_hour()
    soon = moment(seconds=1)  # what ended before the monitor began is not counted
    record_run(kube, stored, "first", slot, **complete(soon, soon))
    wait_until(kube, MONITORS, namespace, name, has_said("Up"))
    with mine.away():
        second, third = moment(seconds=2), moment(seconds=3)
        record_run(kube, stored, "second", slot, **complete(soon, second))
        record_run(kube, stored, "third", slot, **failed(soon, third))
    found: Any = wait_until(kube, MONITORS, namespace, name, has_said("Down"))
    assert outcomes(found) == ["failure", "success", "success"]
    assert found["status"]["incident"]["reason"] == "RunFailed"
    assert found["status"]["consecutiveFailures"] == 1
    with mine.away():
        pass
    pass_by(kube, namespace)
    again = kube.get(MONITORS, namespace, name)
    assert again["status"] == found["status"]
    assert len(warnings_about(kube, namespace, name)) == 1


def test_no_accepted_ping_is_lost_or_counted_twice_by_a_kill(
    kube: Kube, mine: Operator, namespace: str
) -> None:
    """What was answered with 200 is durable; what was not may be, but only once.

    The kill comes while pings are on their way.
    """
    kube.create(ping_monitor(namespace, "busy", interval="24h", historyLimit=20))
    path = path_of(kube, namespace, "busy")
    accepted: list[str] = []
    sent: list[str] = []
    base = mine.url
    until_answers(f"{base}{path}?rid={first_run(accepted, sent)}")
    enough = threading.Event()

    def keep_pinging() -> None:
        while len(sent) < 20:
            run_id = str(uuid4())
            sent.append(run_id)
            try:
                code, _ = ask(f"{base}{path}?rid={run_id}")
            except OSError:
                return
            if code == 200:
                accepted.append(run_id)
            if len(accepted) >= 6:
                enough.set()

    pinging = threading.Thread(target=keep_pinging)
    pinging.start()
    assert enough.wait(60)
    mine.kill()
    pinging.join()
    mine.start()
    check_counted_once(kube, namespace, accepted, sent)
    wait_journal_empty(kube)
    with mine.away():
        pass
    pass_by(kube, namespace)
    check_counted_once(kube, namespace, accepted, sent)


def first_run(accepted: list[str], sent: list[str]) -> str:
    """Name a run that will be accepted."""
    run_id = str(uuid4())
    accepted.append(run_id)
    sent.append(run_id)
    return run_id


def check_counted_once(
    kube: Kube, namespace: str, accepted: list[str], sent: list[str]
) -> None:
    """Check that the runs counted are all accepted ones, and none that was not sent."""

    def has_all(found: Object | None) -> bool:
        history = (found or {}).get("status", {}).get("history", [])
        return set(accepted) <= {run["id"] for run in history}

    found: Any = wait_until(kube, MONITORS, namespace, "busy", has_all)
    counted = [run["id"] for run in found["status"]["history"]]
    assert len(counted) == len(set(counted))
    assert set(counted) <= set(sent)
    assert found["status"]["consecutiveSuccesses"] == len(counted)
    assert found["status"]["lastCheckIn"]["runID"] == counted[0]


def test_pings_wait_in_the_journal_for_whoever_comes(
    kube: Kube, mine: Operator, namespace: str
) -> None:
    """A segment that nobody has applied yet is applied at the start, exactly once."""
    kube.create(ping_monitor(namespace, "slow", interval="24h"))
    send(kube, mine.url, namespace, "slow", f"/fail?rid={uuid4()}&msg=before")
    wait_until(kube, MONITORS, namespace, "slow", has_said("Down"))
    wait_journal_empty(kube)
    path = path_of(kube, namespace, "slow")
    assert ask(f"{mine.url}{path}?msg=last+words") == (200, b"OK")
    mine.kill()  # at once: perhaps before it was applied, certainly before much else
    mine.start()
    found: Any = wait_until(kube, MONITORS, namespace, "slow", has_said("Up"))
    assert found["status"]["lastCheckIn"]["message"] == "last words"
    assert outcomes(found) == ["success", "failure"]
    wait_journal_empty(kube)
    ids = line_ids(mine, namespace, "slow")
    # A line may be repeated after a crash, under the same id.
    assert len(set(ids)) == 2


def test_a_deadline_that_passed_meanwhile_is_down_since_the_deadline(
    kube: Kube, mine: Operator, namespace: str
) -> None:
    """Not since it was noticed: a Job tells by its own times what it did not do."""
    limit = {"heartbeats.dev/max-runtime": "8s"}
    stored = kube.create(
        cron_job(namespace, "hung", schedule=RARELY, annotations=limit)
    )
    name = "hung-cronjob"
    wait_until(kube, MONITORS, namespace, name, state_is("New"))
    soon = moment(seconds=1)
    record_run(kube, stored, "run", last_hour(), startTime=soon, active=1, ready=1)
    deadline = wait_deadline_of_run(kube, namespace, name)
    with mine.away():
        watch_past(kube, namespace, deadline)
    check_down_since(kube, namespace, name, deadline, "RunOverdue")


def test_a_silence_that_the_ping_service_witnessed_is_down_since_the_deadline(
    kube: Kube, apart: Apart, namespace: str
) -> None:
    """The operator was away, the pings' listener was not: nobody called it."""
    kube.create(
        ping_monitor(namespace, "silent", interval="24h", firstCheckInWithin="8s")
    )
    found: Any = wait_until(kube, MONITORS, namespace, "silent", state_is("New"))
    deadline = found["status"]["deadline"]
    with apart.away():
        watch_past(kube, namespace, deadline)
    check_down_since(kube, namespace, "silent", deadline, "RunMissed")


def wait_deadline_of_run(kube: Kube, namespace: str, name: str) -> str:
    """Return until when the open run of a monitor must have ended."""
    found: Any = wait_until(
        kube,
        MONITORS,
        namespace,
        name,
        lambda one: one is not None and bool(one["status"].get("activeRuns")),
    )
    deadline: str = found["status"]["deadline"]
    return deadline


def check_down_since(
    kube: Kube, namespace: str, name: str, deadline: str, reason: str
) -> None:
    """Check that incident, condition and Event all name the deadline."""
    found: Any = wait_until(
        kube, MONITORS, namespace, name, has_said("Down"), timeout=60
    )
    assert found["status"]["incident"]["openedTime"] == deadline
    healthy = condition_of(found, "Healthy")
    assert healthy["reason"] == reason
    assert healthy["lastTransitionTime"][:19] == deadline[:19]
    (event,) = warnings_about(kube, namespace, name)
    assert event["eventTime"][:19] == deadline[:19]


def test_a_flip_that_was_stored_but_not_told_is_told_by_the_next(
    kube: Kube, mine: Operator, namespace: str
) -> None:
    """Killed between the status and the Event: the restart makes up for it, once."""
    kube.create(ping_monitor(namespace, "untold", interval="24h"))
    send(kube, mine.url, namespace, "untold", "/fail?msg=disk+full")
    found: Any = wait_until(kube, MONITORS, namespace, "untold", has_said("Down"))
    flip = {
        "id": "0123456789abcdef0123",
        "time": found["status"]["incident"]["openedTime"],
        "before": "New",
        "after": "Down",
        "reason": "RunFailed",
        "message": "disk full",
    }
    with mine.away():
        kube.apply(
            {
                "apiVersion": found["apiVersion"],
                "kind": found["kind"],
                "metadata": {"name": "untold", "namespace": namespace},
                "status": {**found["status"], "pendingFlips": [flip]},
            },
            subresource="status",
            manager="heartbeats-status",
        )
    wait_until(kube, MONITORS, namespace, "untold", has_said("Down"))
    for _ in range(2):
        events = [e["metadata"]["name"] for e in kube.items(EVENTS, namespace)]
        assert events.count(f"untold.{flip['id']}") == 1
        assert len(warnings_about(kube, namespace, "untold")) == 2
        with mine.away():
            pass
        pass_by(kube, namespace)


# How


def pass_by(kube: Kube, namespace: str) -> None:
    """Return when a deadline has passed and was told: what was due before is done."""
    name = f"fence-{uuid4().hex[:6]}"
    kube.create(ping_monitor(namespace, name, interval="24h", firstCheckInWithin="1s"))
    wait_until(kube, MONITORS, namespace, name, has_said("Down"))


def version(item: Object) -> str:
    """Return an object's resourceVersion."""
    found: str = item["metadata"]["resourceVersion"]
    return found


def identities(kube: Kube, namespace: str) -> set[tuple[str, str]]:
    """Return the Events about monitors, with their versions: none was touched."""
    return {
        (each["metadata"]["name"], version(each))
        for each in kube.items(EVENTS, namespace)
        if each["regarding"].get("kind") == MONITORS.kind
    }


def fences(kube: Kube, namespace: str) -> set[tuple[str, str]]:
    """Return those of them that are about fences."""
    found = identities(kube, namespace)
    return {each for each in found if each[0].startswith("fence-")}


def warnings_about(kube: Kube, namespace: str, name: str) -> list[Object]:
    """Return the Warning Events about a monitor."""
    return [
        each
        for each in kube.items(EVENTS, namespace)
        if each["regarding"].get("name") == name and each["type"] == "Warning"
    ]


def line_ids(mine: Operator, namespace: str, name: str) -> list[str]:
    """Return the ids of a monitor's lines in the event log."""
    assert mine.running is not None
    lines = mine.running.lines(namespace, name)
    return [each["payload"]["id"] for each in lines]
