"""Several operators, one leader: whoever leads tells what happened, exactly once."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.fault_rig import FaultRig
from support.kube import Kube, fresh_namespace, wait_until
from support.operators import LEADER, SYSTEM
from support.own_cluster import Own
from support.processes import ask, until_answers
from support.replicas import FOLLOWS, LOST, Replica, Writes, two, without_leases
from support.resources import EVENTS, LEASES, MONITORS, Object
from support.restarts import path_of, run_role
from support.traps import When, asks
from support.workloads import RARELY, cron_job, has_said, ping_monitor, state_is

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

TAKES_OVER_WITHIN = 20.0
"""Seconds from the death of a leader: fifteen of them are the Lease's."""

TAKES_OVER_AT_ONCE = 6.0
"""Two seconds are promised; a busy machine may take longer to run two processes."""

CROWD = 20
"""Monitors that are due at once: more than are written at once."""


@pytest.fixture
def kube(own: Own) -> Kube:
    """Act as the administrator."""
    return own.kube


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """Make a namespace of the test's own."""
    with fresh_namespace(kube) as name:
        yield name


@pytest.fixture
def rig(own: Own) -> Iterator[FaultRig]:
    """Stand between one of the replicas and the API server."""
    with FaultRig.running(own.admin) as found:
        yield found


# While both are well


@pytest.mark.parametrize("role", ["operator", "all"])
def test_one_leads_and_the_other_is_as_ready_and_says_so(
    own: Own, kube: Kube, namespace: str, tmp_path: Path, role: str
) -> None:
    """A follower is no broken leader: it names who leads, and tells of no monitor."""
    with two(own, tmp_path, "--role", role) as (leader, follower):
        kube.create(ping_monitor(namespace, "job", interval="24h"))
        wait_until(kube, MONITORS, namespace, "job", state_is("New"))
        assert leader.is_ready()
        assert follower.is_ready()
        assert leader.says_it_leads()
        assert not follower.says_it_leads()
        assert "heartbeat_monitor_state{" in leader.scrape()
        assert "heartbeat_monitor_state{" not in follower.scrape()
        held = kube.get(LEASES, SYSTEM, LEADER)["spec"]
        assert follower.process.wait_for(FOLLOWS) == held["holderIdentity"]
        page = ask(follower.page)[1].decode()
        assert f"<code>{held['holderIdentity']}</code> leads" in page
        assert "leads" not in ask(leader.page)[1].decode()


def test_a_follower_writes_nothing(
    own: Own, kube: Kube, namespace: str, rig: FaultRig, tmp_path: Path
) -> None:
    """No status, no Event, no Secret, no monitor, not a segment's end, not a Lease."""
    way = rig.kubeconfig(own.operator, tmp_path / "kubeconfig")
    writes = Writes(rig)
    with two(own, tmp_path) as (leader, _), ExitStack() as stack:
        third = Replica.start(way, tmp_path / "c", "--role", "operator")
        stack.callback(third.process.close)
        third.wait_ready()
        pings = run_role(own.ping, "ping", tmp_path / "pings.jsonl")
        stack.callback(pings.close)
        url = pings.wait_for(r"Pings are answered on (\S+)")
        kube.create(cron_job(namespace, "nightly", schedule=RARELY))
        kube.create(ping_monitor(namespace, "job", interval="24h"))
        path = path_of(kube, namespace, "job")
        for outcome in ("", "/fail", ""):
            until_answers(f"{url}{path}{outcome}", within=60)
        wait_until(kube, MONITORS, namespace, "job", has_said("Up"))
        wait_until(kube, MONITORS, namespace, "nightly-cronjob", state_is("New"))
        kube.delete(MONITORS, namespace, "job")
        assert writes.seen == []
        assert "api_writes_total{" not in third.scrape()
        assert "api_writes_total{" in leader.scrape()


# When the leader goes


def test_a_killed_leader_is_followed_and_what_expired_meanwhile_is_told_once(
    own: Own, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """Nobody could know that it is dead until its Lease has lapsed."""
    with two(own, tmp_path) as (leader, follower):
        await_silence(kube, namespace, ["job"], within="6s")
        os.kill(leader.process.pid, signal.SIGKILL)
        follower.wait_leads(within=TAKES_OVER_WITHIN)
        assert follower.says_it_leads()
        check_told_once(kube, namespace, ["job"], leader, follower)
        spec = kube.get(LEASES, SYSTEM, LEADER)["spec"]
        assert spec["leaseTransitions"] == 1


def test_a_leader_that_is_told_to_stop_is_followed_at_once(
    own: Own, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """It gives its Lease back, but not before it has written its last word."""
    with two(own, tmp_path) as (leader, follower):
        await_silence(kube, namespace, ["job"], within="2s")
        os.kill(leader.process.pid, signal.SIGTERM)
        follower.wait_leads(within=TAKES_OVER_AT_ONCE)
        assert leader.process.code() == 0
        check_told_once(kube, namespace, ["job"], leader, follower)
        assert "Traceback" not in leader.process.said


def test_a_leader_that_is_cut_off_stops_before_another_leads(
    own: Own, kube: Kube, namespace: str, rig: FaultRig, tmp_path: Path
) -> None:
    """By its own clock, without asking anybody; later it can lead again."""
    with two(own, tmp_path, rig=rig) as (leader, follower):
        await_silence(kube, namespace, ["job"], within="6s")
        with rig.partition():
            leader.process.wait_for(LOST, within=TAKES_OVER_WITHIN)
            assert "Leading\n" not in follower.process.said
            assert not leader.says_it_leads()
            assert "heartbeat_monitor_state{" not in leader.scrape()
            follower.wait_leads(within=TAKES_OVER_WITHIN)
            check_told_once(kube, namespace, ["job"], leader, follower)
        leader.wait_says(FOLLOWS, within=TAKES_OVER_WITHIN)
        until_answers(f"{leader.health}/readyz", within=TAKES_OVER_WITHIN)
        leads_again(leader, follower)
        check_told_once(kube, namespace, ["job"], leader, follower)


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER], ids=["before", "after"])
def test_a_leader_frozen_between_judging_and_writing_writes_nothing_when_it_wakes(
    own: Own, kube: Kube, namespace: str, rig: FaultRig, tmp_path: Path, when: When
) -> None:
    """What it had sent is refused or was stored; what it had not sent stays unsent."""
    names = [f"job-{number}" for number in range(CROWD)]
    with two(own, tmp_path, rig=rig) as (leader, follower):
        await_silence(kube, namespace, names, within="15s")
        status = MONITORS.path(namespace, ".*", "status")
        with rig.trap(asks("PATCH", status, _has_flips), when) as trap:
            trap.wait()
            leader.freeze()
            follower.wait_leads(within=TAKES_OVER_WITHIN)
            check_told_once(kube, namespace, names, leader, follower)
            versions = versions_of(kube, namespace)
            writes = Writes(rig)
            leader.forget()
            leader.thaw()
            trap.let_pass()
        leader.wait_says(FOLLOWS, within=TAKES_OVER_WITHIN)
        # Only those that were held come to their end now, and are refused.
        assert len(writes.seen) < CROWD
        assert not [each for each in writes.seen if "/events" in each]
        assert versions_of(kube, namespace) == versions
        until_answers(f"{leader.health}/readyz", within=TAKES_OVER_WITHIN)
        leads_again(leader, follower)
        check_told_once(kube, namespace, names, leader, follower)


def test_without_the_right_to_the_lease_it_says_so_and_never_leads(
    own: Own, kube: Kube, tmp_path: Path
) -> None:
    """Its readiness and its log name the remedy, once."""
    with without_leases(own, tmp_path) as kubeconfig:
        replica = Replica.start(kubeconfig, tmp_path, "--role", "operator")
        try:
            replica.process.wait_for("Who leads is in doubt: .* apply manifests/base")
            replica.wait_is_not_ready(b"apply manifests/base")
            assert not replica.says_it_leads()
            assert replica.process.said.count("Who leads is in doubt") == 1
        finally:
            replica.process.close()


# How


def await_silence(kube: Kube, namespace: str, names: list[str], *, within: str) -> None:
    """Create monitors that are Down if nothing is heard of them so soon."""
    for name in names:
        spec = {"interval": "24h", "firstCheckInWithin": within}
        kube.create(ping_monitor(namespace, name, **spec))
    for name in names:
        wait_until(kube, MONITORS, namespace, name, has_a_word)


def has_a_word(found: Object | None) -> bool:
    """Tell whether a monitor was judged at all."""
    return bool((found or {}).get("status", {}).get("state"))


def _has_flips(body: Any) -> bool:
    return bool(body["status"].get("pendingFlips"))


def check_told_once(
    kube: Kube, namespace: str, names: list[str], *replicas: Replica
) -> None:
    """Check that each is Down by one missed run, told by one Event and one line."""
    for name in names:
        found: Any = wait_until(kube, MONITORS, namespace, name, has_said("Down"))
        assert found["status"]["consecutiveFailures"] == 1
    told = kube.items(EVENTS, namespace)
    about = [(each["regarding"]["name"], each["reason"]) for each in told]
    assert sorted(about) == sorted((name, "RunMissed") for name in names)
    lines = [
        line
        for each in replicas
        for line in map(json.loads, each.event_log.read_text().splitlines())
        if line["check_in_id"].startswith(f"{namespace}/")
    ]
    assert len({line["payload"]["id"] for line in lines}) == len(names)


def versions_of(kube: Kube, namespace: str) -> dict[str, str]:
    """Return the version of each monitor."""
    found = (each["metadata"] for each in kube.items(MONITORS, namespace))
    return {each["name"]: each["resourceVersion"] for each in found}


def leads_again(follower: Replica, leader: Replica) -> None:
    """Stop who leads; who has led before leads again."""
    follower.forget()
    leader.process.end(signal.SIGTERM)
    follower.wait_leads(within=TAKES_OVER_AT_ONCE)
    assert follower.says_it_leads()
