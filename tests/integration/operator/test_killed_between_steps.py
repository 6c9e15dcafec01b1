"""Killed between any two steps of the order of effects, on a real control plane.

A ping becomes a segment of the journal, and is answered; then a line of the event
log and a status that holds what it means; a flip in it becomes an Event and a line,
and is cleared by the next write; then the segment goes. At each of these requests the
operator is killed: before the API server has heard of it, and before the operator has
heard that it is done.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from support.kube import Kube, fresh_namespace, wait_until
from support.own_cluster import Own
from support.processes import ask, until_answers
from support.resources import EVENTS, MONITORS, Object
from support.restarts import (
    last_slot,
    moment,
    outcomes,
    path_of,
    quiet_schedule,
    send,
    wait_journal_empty,
)
from support.rigged import (
    Rigged,
    event_posted,
    flips_cleared,
    segment_deleted,
    segment_stored,
    status_stored,
    url_delivered,
)
from support.traps import Rule, When
from support.workloads import (
    complete,
    cron_job,
    cron_job_monitor,
    failed,
    has_said,
    ping_monitor,
    record_run,
    state_is,
)

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

JOB = "job"
HISTORY, NO_HISTORY = 10, 0
"""Nothing may depend on the history: it is the user's to do without."""

STEPS: dict[str, Callable[[str], Rule]] = {
    "status-stored": lambda namespace: status_stored(namespace, JOB),
    "event-posted": event_posted,
    "flips-cleared": lambda namespace: flips_cleared(namespace, JOB),
    "segment-deleted": lambda _: segment_deleted(),
}

whenever = pytest.mark.parametrize("when", When, ids=lambda when: when.name.lower())


@pytest.fixture(scope="module")
def rigged(own: Own, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rigged]:
    """Run both roles behind the rig; each test leaves them running."""
    with Rigged.running(own, tmp_path_factory.mktemp("rigged")) as found:
        yield found


@pytest.fixture
def kube(own: Own) -> Kube:
    """Act as the administrator."""
    return own.kube


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """Make a namespace of the test's own."""
    with fresh_namespace(kube) as name:
        yield name


@whenever
@pytest.mark.parametrize("step", STEPS)
def test_a_failure_that_was_pinged_is_counted_and_told_once(
    kube: Kube, rigged: Rigged, namespace: str, step: str, when: When
) -> None:
    """What was answered with 200 survives every kill, and so does its line."""
    limit = HISTORY if when is When.BEFORE else NO_HISTORY
    kube.create(ping_monitor(namespace, JOB, interval="24h", historyLimit=limit))
    pinged = pings(kube, rigged, namespace)
    rigged.killed_at(STEPS[step](namespace), when, lambda: pinged("/fail"))
    check_down(kube, rigged, namespace, "RunFailed")
    pinged("")
    check_recovered(kube, rigged, namespace, limit, "failure")
    wait_journal_empty(kube)


@whenever
def test_a_ping_without_an_answer_that_comes_again_is_counted_once(
    kube: Kube, rigged: Rigged, namespace: str, when: When
) -> None:
    """Its segment is stored or is not: whoever pings cannot know, nor need to."""
    kube.create(ping_monitor(namespace, JOB, interval="24h"))
    pinged = pings(kube, rigged, namespace)
    ping = f"{path_of(kube, namespace, JOB)}/fail?msg=broken"
    answers: list[int] = []
    client = threading.Thread(target=hear, args=(f"{rigged.apart.url}{ping}", answers))
    rigged.unheard_at(segment_stored(), when, client.start)
    client.join()
    assert answers == []
    assert until_answers(f"{rigged.apart.url}{ping}") == b"OK"
    check_down(kube, rigged, namespace, "RunFailed")
    pinged("")
    # It counts once; that it was reported twice is no secret.
    heard = 1 if when is When.BEFORE else 2
    check_recovered(kube, rigged, namespace, HISTORY, "failure", lines=heard + 1)


@pytest.mark.parametrize(
    ("step", "when"),
    [
        ("event-posted", When.BEFORE),
        ("event-posted", When.AFTER),
        ("flips-cleared", When.BEFORE),
    ],
    ids=["before-its-event", "before-its-line", "after-its-line"],
)
def test_a_silence_is_told_once(
    kube: Kube, rigged: Rigged, namespace: str, step: str, when: When
) -> None:
    """Its line comes after its Event: killed between the two, it is written late."""

    def nobody_pings() -> None:
        kube.create(
            ping_monitor(namespace, JOB, interval="24h", firstCheckInWithin="1s")
        )

    rigged.killed_at(STEPS[step](namespace), when, nobody_pings)
    check_down(kube, rigged, namespace, "RunMissed")
    pings(kube, rigged, namespace)("")
    check_recovered(kube, rigged, namespace, HISTORY, "missed")


@whenever
@pytest.mark.parametrize("step", ["status-stored", "flips-cleared"])
def test_a_job_that_failed_is_counted_and_told_once(
    kube: Kube, rigged: Rigged, namespace: str, step: str, when: When
) -> None:
    """The Job is still there and reports itself again, whatever is remembered."""
    limit = NO_HISTORY if when is When.BEFORE else HISTORY
    stored = monitored(kube, namespace, limit)
    slot = last_slot(stored["spec"]["schedule"])

    def fails() -> None:
        soon = moment(seconds=1)  # what ended before the monitor began is not counted
        record_run(kube, stored, "bad", slot, **failed(soon, soon))

    rigged.killed_at(STEPS[step](namespace), when, fails)
    check_down(kube, rigged, namespace, "RunFailed")
    later = moment(seconds=2)
    record_run(kube, stored, "good", slot, **complete(later, later))
    check_recovered(kube, rigged, namespace, limit, "failure")


@whenever
def test_a_ping_url_is_delivered_and_works(
    kube: Kube, rigged: Rigged, namespace: str, when: When
) -> None:
    """Its Secret was created or was not: the next operator delivers it anyway."""
    monitor = ping_monitor(namespace, JOB, interval="24h")
    rigged.killed_at(url_delivered(namespace), when, lambda: kube.create(monitor))
    pings(kube, rigged, namespace)("")
    wait_until(kube, MONITORS, namespace, JOB, has_said("Up"))


# How


def pings(kube: Kube, rigged: Rigged, namespace: str) -> Callable[[str], None]:
    """Return what sends a ping of a run of its own, once the monitor has a URL."""
    path_of(kube, namespace, JOB)

    def pinged(outcome: str) -> None:
        send(kube, rigged.apart.url, namespace, JOB, f"{outcome}?rid={uuid4()}")

    return pinged


def hear(url: str, answers: list[int]) -> None:
    """Ping, and note the answer if there is one."""
    try:
        answers.append(ask(url)[0])
    except OSError:
        return


def monitored(kube: Kube, namespace: str, limit: int) -> Object:
    """Create a CronJob and a monitor that remembers so many runs; wait for it."""
    stored = kube.create(cron_job(namespace, "hourly", schedule=quiet_schedule()))
    # Now the operator knows the CronJob: a monitor that it finds alone is Unknown.
    wait_until(kube, MONITORS, namespace, "hourly-cronjob", state_is("New"))
    kube.create(cron_job_monitor(namespace, JOB, "hourly", historyLimit=limit))
    wait_until(kube, MONITORS, namespace, JOB, state_is("New"))
    return stored


def check_down(kube: Kube, rigged: Rigged, namespace: str, reason: str) -> None:
    """Check that one bad run is counted, and told by one Event and a line."""
    found: Any = wait_until(kube, MONITORS, namespace, JOB, has_said("Down"))
    status = found["status"]
    assert status["consecutiveFailures"] == 1
    assert status["incident"]["reason"] == reason
    assert events(kube, namespace) == [reason]
    told = rigged.apart.lines(namespace, JOB)
    assert status["incident"]["openedTime"][:19] == told[0]["ts"][:19]


def check_recovered(
    kube: Kube, rigged: Rigged, namespace: str, limit: int, bad: str, *, lines: int = 2
) -> None:
    """Check that after a good run both are counted and told once.

    A line may be repeated after a kill, but only with the same id.
    """
    found: Any = wait_until(kube, MONITORS, namespace, JOB, has_said("Up"))
    status = found["status"]
    assert "incident" not in status
    assert status["consecutiveSuccesses"] == 1
    assert outcomes(found) == ["success", bad][:limit]
    assert len(events(kube, namespace)) == 2
    assert "Recovered" in events(kube, namespace)
    told = rigged.apart.lines(namespace, JOB)
    assert len({line["id"] for line in told}) == lines
    assert told[-1]["status"] == "success"


def events(kube: Kube, namespace: str) -> list[str]:
    """Return the reasons of the Events about the monitor."""
    found = kube.items(EVENTS, namespace)
    return [each["reason"] for each in found if each["regarding"].get("name") == JOB]
