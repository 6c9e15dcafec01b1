"""Hostile clients cost no correct one a ping: the ping role beside a running operator.

Whatever is sent, none is answered with an error of ours, a correct client is answered
in time, the process stays small and its log quotes nobody.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support import attacks
from support.attacks import Address, Attack
from support.honest import Honest, resident_bytes
from support.kube import Kube, fresh_namespace
from support.odd_requests import MARK
from support.operators import RunningOperator, account_kubeconfig, ping_url
from support.processes import FREE_PORTS, Process, ask, until_answers
from support.workloads import ping_monitor

pytestmark = pytest.mark.integration

MIB = 1024 * 1024
MOST_GROWTH = 50 * MIB
IN_TIME = 4.0
"""Seconds in which a correct client must have been answered, on a busy machine."""
NOT_READY = 503


@dataclass(frozen=True, slots=True)
class Target:
    """A ping role as a process, and a monitor that it answers for."""

    process: Process
    ping: str
    metrics: str
    token: str

    @property
    def address(self) -> Address:
        url = urlsplit(self.ping)
        return url.hostname or "", url.port or 0

    def codes(self) -> set[str]:
        """Return every status code that it counts answers of."""
        text = ask(f"{self.metrics}/metrics")[1].decode()
        return {
            sample.labels["code"]
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "heartbeat_operator_ping_requests_total"
        }


@pytest.fixture(scope="module")
def target(
    kube: Kube,
    cluster: Path,
    operator: RunningOperator,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Target]:
    """Start one more ping role; the operator goes on judging."""
    folder = tmp_path_factory.mktemp("hostile")
    account = account_kubeconfig(kube, cluster, folder / "ping", "heartbeats-ping")
    flags = ("run", "--role", "ping", "--kubeconfig", str(account), *FREE_PORTS)
    with fresh_namespace(kube) as namespace, Process(*flags) as process:
        kube.create(ping_monitor(namespace, "job", interval="24h"))
        token = ping_url(kube, namespace, "job").rpartition("/")[2]
        ping = process.wait_for(r"Pings are answered on (\S+)")
        metrics = process.wait_for(r"The metrics listener is at (\S+)")
        until_answers(f"{ping}/ping/{token}")
        found = Target(process, ping, metrics, token)
        # What it needs once, for any kind of request, is no growth.
        attacks.attack(attacks.send_odd_requests, found.address, f"/ping/{token}/log")
        yield found
        assert process.end() == 0


def withstand(target: Target, how: Attack) -> tuple[set[int], Honest]:
    """Let it be attacked beside a correct client; returns what was answered."""
    before = resident_bytes(target.process.pid)
    with Honest(target.ping, target.token) as honest:
        answered, _ = attacks.attack(how, target.address, f"/ping/{target.token}/log")
    grown = resident_bytes(target.process.pid) - before
    said = target.process.said
    assert honest.statuses == {200}
    assert honest.slowest < IN_TIME
    assert grown < MOST_GROWTH, f"it grew by {grown / MIB:.0f} MiB"
    assert {each for each in answered if each >= 500} <= {NOT_READY}
    assert "200" in target.codes()
    assert "500" not in target.codes()
    assert MARK not in said.lower()
    assert target.token not in said
    assert not re.search(r"Traceback|ERROR|WARNING", said), said
    return answered, honest


def test_odd_requests_are_answered_and_cost_nobody_anything(target: Target) -> None:
    answered, _ = withstand(target, attacks.send_odd_requests)
    assert answered >= {200, 400, 404, 405}


def test_endless_heads_and_bodies_take_no_room(target: Target) -> None:
    answered, _ = withstand(target, attacks.stream_endlessly)
    assert answered >= {200, 400}


def test_slow_clients_and_five_hundred_idle_ones_are_given_up(target: Target) -> None:
    answered, _ = withstand(target, attacks.stay_slow_or_idle)
    assert answered == {408}


def test_pipelined_requests_are_answered_in_turn(target: Target) -> None:
    answered, _ = withstand(target, attacks.pipeline)
    assert answered == {404}


def test_who_reads_no_answer_fills_no_memory(target: Target) -> None:
    withstand(target, attacks.never_read)


def test_twenty_thousand_wrong_tokens_delay_nobody(target: Target) -> None:
    answered, honest = withstand(target, attacks.guess_tokens)
    assert answered == {404}
    assert honest.share_within(1.0) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        partial(attacks.stream_endlessly, seconds=60),
        partial(attacks.never_read, seconds=60),
        partial(attacks.guess_tokens, count=200_000),
        partial(attacks.stay_idle, connections=900),
    ],
    ids=lambda how: how.func.__name__,
)
def test_it_withstands_more_and_for_longer(target: Target, how: Attack) -> None:
    withstand(target, how)
