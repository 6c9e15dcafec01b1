"""A restart forgets nothing, repeats nothing, and makes up for what it missed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from signal import SIGKILL
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from heartbeats.clock import SystemClock
from support.kube import Kube, fresh_namespace, wait_until
from support.operators import (
    SYSTEM,
    RunningOperator,
    account_kubeconfig,
    ping_url,
    start_operator,
    stop_operator,
)
from support.own_cluster import own_installation
from support.processes import ask, until_answers
from support.resources import CONFIG_MAPS, EVENTS, MONITORS, Object
from support.workloads import (
    RARELY,
    complete,
    cron_job,
    failed,
    has_said,
    ping_monitor,
    record_run,
    state_is,
)

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("own-restart")]

JOURNAL = "heartbeats-journal-"


@dataclass(slots=True)
class Operator:
    """An operator that is killed and started again on the same folder."""

    kubeconfig: Path
    folder: Path
    running: RunningOperator | None = None

    def start(self) -> RunningOperator:
        """Start it; returns when it is ready."""
        self.running = start_operator(self.kubeconfig, self.folder)
        return self.running

    def kill(self) -> None:
        """End it without a word of warning."""
        if self.running is not None:
            stop_operator(self.running, SIGKILL)
            self.running = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Have no operator for a while, and a new one after."""
        self.kill()
        yield
        self.start()


@pytest.fixture(scope="module")
def kube_and_account(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Kube, Path]]:
    """Start a cluster whose operator is this module's to kill."""
    target = tmp_path_factory.mktemp("restart") / "kubeconfig"
    with own_installation() as (plane, administrator):
        yield (
            administrator,
            account_kubeconfig(
                administrator, plane.kubeconfig, target, "heartbeats-operator"
            ),
        )


@pytest.fixture
def kube(kube_and_account: tuple[Kube, Path]) -> Kube:
    """Act as that cluster's administrator."""
    return kube_and_account[0]


@pytest.fixture
def mine(kube_and_account: tuple[Kube, Path], tmp_path: Path) -> Iterator[Operator]:
    """Run an operator of the test's own."""
    operator = Operator(kube_and_account[1], tmp_path)
    operator.start()
    try:
        yield operator
    finally:
        operator.kill()


@pytest.fixture
def namespace(kube: Kube, mine: Operator) -> Iterator[str]:
    """Make a namespace of the test's own."""
    with fresh_namespace(kube) as name:
        yield name


def test_every_status_is_the_same_after_a_kill_and_nothing_is_told_again(
    kube: Kube, mine: Operator, namespace: str
) -> None:
    """The status alone restores the state; what was told stays told."""
    words = make_one_of_each(kube, mine, namespace)
    before = {name: kube.get(MONITORS, namespace, name) for name in words}
    events = identities(kube, namespace)
    lines = {name: line_ids(mine, namespace, name) for name in words}
    for _ in range(2):
        with mine.away():
            pass
        pass_by(kube, namespace)
        for name, word in words.items():
            after = kube.get(MONITORS, namespace, name)
            assert after["status"] == before[name]["status"], name
            # Nothing was known better, so nothing was written.
            assert version(after) == version(before[name]), name
            assert after["status"]["state"] == word
            assert line_ids(mine, namespace, name) == lines[name]
        assert identities(kube, namespace) - fences(kube, namespace) == events


def make_one_of_each(kube: Kube, mine: Operator, namespace: str) -> dict[str, str]:
    """Make a monitor for each word that lasts; return the words by name."""
    daily = {"interval": "24h"}
    words = {"up": "Up", "down": "Down", "new": "New", "paused": "Paused"}
    for name in words:
        kube.create(
            ping_monitor(namespace, name, **daily, suspend=words[name] == "Paused")
        )
    kube.create(ping_monitor(namespace, "broken", schedule="61 * * * *"))
    kube.create(cron_job(namespace, "nightly", schedule=RARELY))
    send(kube, mine, namespace, "up", "?msg=fine")
    send(kube, mine, namespace, "down", "/fail?msg=broken")
    send(kube, mine, namespace, "up", f"/start?rid={uuid4()}")
    words |= {"broken": "Unknown", "nightly-cronjob": "New"}
    for name, word in words.items():
        wait_until(kube, MONITORS, namespace, name, has_said(word))
    wait_until(
        kube,
        MONITORS,
        namespace,
        "up",
        lambda one: bool(one) and bool(one["status"].get("activeRuns")),
    )
    return words


def test_runs_that_ended_meanwhile_are_counted_once(
    kube: Kube, mine: Operator, namespace: str
) -> None:
    """The Jobs tell it themselves, by their own times, however often one starts."""
    stored = kube.create(cron_job(namespace, "hourly", schedule="0 * * * *"))
    name = "hourly-cronjob"
    wait_until(kube, MONITORS, namespace, name, state_is("New"))
    slot = last_hour()
    record_run(kube, stored, "first", slot, **complete(moment(), moment()))
    wait_until(kube, MONITORS, namespace, name, has_said("Up"))
    with mine.away():
        began, ended = moment(), moment()
        record_run(kube, stored, "second", slot, **complete(began, ended))
        record_run(kube, stored, "third", slot, **failed(began, moment(seconds=1)))
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
    assert mine.running is not None
    base = mine.running.ping
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
    assert enough.wait(20)
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
    send(kube, mine, namespace, "slow", f"/fail?rid={uuid4()}&msg=before")
    wait_until(kube, MONITORS, namespace, "slow", has_said("Down"))
    wait_journal_empty(kube)
    path = path_of(kube, namespace, "slow")
    assert mine.running is not None
    assert ask(f"{mine.running.ping}{path}?msg=last+words") == (200, b"OK")
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
    """Not since it was noticed: the incident began when nothing was heard in time."""
    kube.create(
        ping_monitor(namespace, "silent", interval="24h", firstCheckInWithin="6s")
    )
    found: Any = wait_until(kube, MONITORS, namespace, "silent", state_is("New"))
    deadline = found["status"]["deadline"]
    with mine.away():
        watch_past(kube, namespace, deadline)
    found = wait_until(kube, MONITORS, namespace, "silent", has_said("Down"))
    assert found["status"]["incident"]["openedTime"] == deadline
    (healthy,) = [
        each for each in found["status"]["conditions"] if each["type"] == "Healthy"
    ]
    assert healthy["lastTransitionTime"][:19] == deadline[:19]
    (event,) = warnings_about(kube, namespace, "silent")
    assert event["eventTime"][:19] == deadline[:19]


def test_a_flip_that_was_stored_but_not_told_is_told_by_the_next(
    kube: Kube, mine: Operator, namespace: str
) -> None:
    """Killed between the status and the Event: the restart makes up for it, once."""
    kube.create(ping_monitor(namespace, "untold", interval="24h"))
    send(kube, mine, namespace, "untold", "/fail?msg=disk+full")
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


def now() -> datetime:
    """Tell the time."""
    return SystemClock().now()


def moment(*, seconds: int = 0) -> str:
    """Write the time, or a time near it, as a Job's status does."""
    return (now() + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def last_hour() -> str:
    """Write the newest full hour."""
    return now().strftime("%Y-%m-%dT%H:00:00Z")


def path_of(kube: Kube, namespace: str, name: str) -> str:
    """Return the path of a ping URL: each start listens on another port."""
    return urlsplit(ping_url(kube, namespace, name)).path


def send(kube: Kube, mine: Operator, namespace: str, name: str, rest: str) -> None:
    """Ping a monitor; it must be answered with success."""
    assert mine.running is not None
    url = f"{mine.running.ping}{path_of(kube, namespace, name)}{rest}"
    assert until_answers(url) == b"OK"


def pass_by(kube: Kube, namespace: str) -> None:
    """Return when a deadline has passed and was told: what was due before is done."""
    name = f"fence-{uuid4().hex[:6]}"
    kube.create(ping_monitor(namespace, name, interval="24h", firstCheckInWithin="1s"))
    wait_until(kube, MONITORS, namespace, name, has_said("Down"))


def watch_past(kube: Kube, namespace: str, instant: str) -> None:
    """Watch the namespace's monitors until an instant has passed."""
    ends = datetime.fromisoformat(instant)
    while (left := (ends - now()).total_seconds()) > 0:
        since = kube.send("GET", MONITORS.path(namespace)).body["metadata"]
        for _ in kube.watch(MONITORS, namespace, since["resourceVersion"], left):
            pass


def wait_journal_empty(kube: Kube) -> None:
    """Wait until every segment was applied and deleted."""
    for each in kube.items(CONFIG_MAPS, SYSTEM):
        name = each["metadata"]["name"]
        if name.startswith(JOURNAL):
            wait_until(kube, CONFIG_MAPS, SYSTEM, name, lambda one: one is None)


def version(item: Object) -> str:
    """Return an object's resourceVersion."""
    found: str = item["metadata"]["resourceVersion"]
    return found


def outcomes(found: Object) -> list[str]:
    """Return how the runs of a monitor ended, the newest first."""
    return [run["outcome"] for run in found["status"]["history"]]


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
