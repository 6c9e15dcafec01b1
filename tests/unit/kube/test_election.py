"""The election: of many replicas one leads, whatever gets lost on the way."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from heartbeats.edges.kube import errors
from heartbeats.edges.kube.candidacy import LEASE, LeaderLease
from heartbeats.edges.kube.election import Election
from heartbeats.edges.kube.mandate import Mandate
from heartbeats.edges.kube.resources import LEASES
from heartbeats.edges.kube.store import Change, ObjectEvent
from support.builders import NOW, MemoryApi, Object

OURS = "ours"
pytestmark = pytest.mark.looptime


class LoopClock:
    """Tells the time of the event loop, which looptime turns."""

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


class Api(MemoryApi):
    """Answers after a while, and loses requests and answers as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = LoopClock()
        self.takes: Callable[[], float] = lambda: 0.01
        self.loses: Callable[[], bool] = lambda: False

    async def request(self, method: str, path: str, **options: Any) -> bytes:
        await self._travel()
        answer = await super().request(method, path, **options)
        await self._travel()
        return answer

    async def _travel(self) -> None:
        await asyncio.sleep(self.takes() / 2)
        if self.loses():
            raise errors.Unreachable("lost")

    @property
    def lease(self) -> Object:
        spec: Object = self.held(LEASES, LEASE, OURS)["spec"]
        return spec


class Replica:
    """A process: it follows, leads while it may, and follows again."""

    def __init__(self, api: MemoryApi, name: str) -> None:
        self.election = Election(api, OURS, name)
        self.name = name
        self.is_ready = True
        self.mandate = Mandate(api.clock.monotonic)
        self.led: list[float] = []
        self.stopped: list[float] = []
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._work = asyncio.create_task(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self.mandate = Mandate(loop.time)
            await self.election.win(self.mandate, is_ready=lambda: self.is_ready)
            self.led.append(loop.time())
            await self.election.keep(self.mandate)
            self.stopped.append(loop.time())

    async def kill(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])

    async def stop(self) -> None:
        await self.kill()
        self.mandate.end()
        await self.election.release()


@pytest.fixture
async def api() -> Api:
    return Api()


@asynccontextmanager
async def replicas(api: MemoryApi, *names: str) -> AsyncIterator[list[Replica]]:
    """Start replicas one after the other, a moment between them."""
    async with AsyncExitStack() as stack:
        found = [Replica(api, name) for name in names]
        for each in found:
            each.start()
            stack.push_async_callback(each.kill)
            await asyncio.sleep(0.1)
        yield found


async def test_a_single_replica_leads_at_once(api: Api) -> None:
    async with replicas(api, "a") as [a]:
        assert a.mandate.holds
        assert a.led[0] < 0.1
        assert a.election.leader == "a"
        assert a.election.problem is None


async def test_the_first_of_two_leads_and_goes_on_leading(api: Api) -> None:
    async with replicas(api, "a", "b") as [a, b]:
        await asyncio.sleep(600)
        assert (len(a.led), len(a.stopped), b.led) == (1, 0, [])
        assert b.election.leader == "a"
        assert api.lease["leaseTransitions"] == 0


async def test_of_two_that_come_at_the_same_moment_one_leads(api: Api) -> None:
    a, b = Replica(api, "a"), Replica(api, "b")
    a.start()
    b.start()
    await asyncio.sleep(60)
    assert [len(each.led) for each in (a, b)] in ([1, 0], [0, 1])
    await a.kill()
    await b.kill()


async def test_a_leader_renews_every_few_seconds_and_a_follower_writes_nothing(
    api: Api,
) -> None:
    async with replicas(api, "a", "b"):
        before = len(api.of("PATCH"))
        await asyncio.sleep(60)
        written = api.of("PATCH")[before:]
        assert 12 <= len(written) <= 30
        assert {each.body["spec"]["holderIdentity"] for each in written} == {"a"}


async def test_a_killed_leader_is_followed_within_seventeen_seconds(api: Api) -> None:
    for phase in range(8):
        async with replicas(api, f"a{phase}", "b") as [a, b]:
            await asyncio.sleep(phase * 0.4)
            killed = asyncio.get_running_loop().time()
            await a.kill()
            await asyncio.sleep(20)
            assert 12 < b.led[0] - killed < 17
        api.objects.clear()


async def test_a_leader_that_stops_in_order_is_followed_at_the_next_look(
    api: Api,
) -> None:
    async with replicas(api, "a", "b") as [a, b]:
        stopped = asyncio.get_running_loop().time()
        await a.stop()
        assert api.lease["holderIdentity"] == ""
        await asyncio.sleep(5)
        assert b.led[0] - stopped < 1.1
        assert api.lease["leaseTransitions"] == 1


async def test_a_hint_that_the_lease_was_given_back_hurries_the_next_look(
    api: Api,
) -> None:
    async with replicas(api, "a", "b") as [a, b]:
        await asyncio.sleep(0.85)
        await a.stop()
        stopped = asyncio.get_running_loop().time()
        b.election._hear(seen(api))
        await asyncio.sleep(0.1)
        assert b.led[0] - stopped < 0.1


def seen(api: Api) -> ObjectEvent[LeaderLease]:
    held = msgspec.convert(api.held(LEASES, LEASE, OURS), LeaderLease)
    return ObjectEvent(Change.MODIFIED, held)


async def test_a_renewal_is_no_hint(api: Api) -> None:
    async with replicas(api, "a", "b") as [_, b]:
        b.election._news.clear()
        b.election._hear(seen(api))
        assert not b.election._news.is_set()


async def test_a_renewal_under_way_does_not_keep_a_lease_from_being_given_back(
    api: Api,
) -> None:
    """Its answer is not awaited, so the version that is known is an old one."""
    async with replicas(api, "a") as [a]:
        await a.kill()
        api.put(LEASES, {**api.held(LEASES, LEASE, OURS)})
        a.mandate.end()
        await a.election.release()
        assert api.lease["holderIdentity"] == ""


async def test_another_s_lease_is_not_given_back(api: Api) -> None:
    async with replicas(api, "a", "b") as [a, b]:
        await a.kill()
        await asyncio.sleep(20)
        assert b.mandate.holds
        await a.election.release()
        assert api.lease["holderIdentity"] == "b"


async def test_who_is_not_ready_does_not_run_but_knows_who_leads(api: Api) -> None:
    async with replicas(api, "a", "b") as [a, b]:
        b.is_ready = False
        await asyncio.sleep(2)
        await a.kill()
        await asyncio.sleep(60)
        assert b.led == []
        assert b.election.leader == "a"
        b.is_ready = True
        b.election.wake()
        await asyncio.sleep(0.1)
        assert b.mandate.holds


# Losing it


async def test_a_leader_that_cannot_renew_stops_after_ten_seconds(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    async with replicas(api, "a") as [a]:
        await asyncio.sleep(5)
        lost = asyncio.get_running_loop().time()
        api.loses = lambda: True
        await asyncio.sleep(11)
        assert not a.mandate.holds
        assert 6 < a.stopped[0] - lost <= 10
        assert "cannot be read and written" in str(a.election.problem)
        assert caplog.text.count("Who leads is in doubt") == 1
        assert caplog.text.count("Leading no more") == 1
        api.loses = lambda: False
        await asyncio.sleep(2)
        assert a.mandate.holds, "nobody else came, so it leads again"
        assert api.lease["leaseTransitions"] == 0
        assert a.election.problem is None


async def test_an_answer_that_was_lost_costs_nothing(api: Api) -> None:
    lost = iter([False, True])  # the request arrives, its answer does not
    async with replicas(api, "a") as [a]:
        api.loses = lambda: next(lost, False)
        await asyncio.sleep(30)
        assert a.stopped == []


async def test_a_leader_whose_lease_another_has_stops_at_its_next_renewal(
    api: Api,
) -> None:
    async with replicas(api, "a") as [a]:
        held = api.held(LEASES, LEASE, OURS)
        api.put(LEASES, {**held, "spec": {**held["spec"], "holderIdentity": "x"}})
        await asyncio.sleep(3.5)
        assert not a.mandate.holds
        assert a.election.leader == "x"
        await asyncio.sleep(20)
        assert a.mandate.holds, "x never renewed"


async def test_a_leader_whose_lease_was_deleted_stops_and_may_lead_again(
    api: Api,
) -> None:
    async with replicas(api, "a") as [a]:
        api.objects.clear()
        await asyncio.sleep(10)
        assert (len(a.led), len(a.stopped)) == (2, 1)


async def test_a_server_that_does_not_answer_is_not_waited_for(api: Api) -> None:
    async with replicas(api, "a") as [a]:
        api.takes = lambda: 3600.0
        await asyncio.sleep(14)
        assert not a.mandate.holds
        assert a.stopped[0] <= 10.1
        assert "did not answer in time" in str(a.election.problem)


async def test_a_server_that_takes_two_seconds_is_led_and_followed(api: Api) -> None:
    api.takes = lambda: 2.1
    async with replicas(api, "a", "b") as [a, b]:
        await asyncio.sleep(600)
        assert (len(a.led), a.stopped, b.led) == (1, [], [])
        await a.kill()
        await asyncio.sleep(22)
        assert b.mandate.holds


# What is said


async def test_without_the_right_it_says_so_once_and_never_leads(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.refuse("GET", errors.Forbidden("leases is forbidden"), times=100)
    async with replicas(api, "a") as [a]:
        await asyncio.sleep(30)
        assert a.led == []
        assert "apply manifests/base" in str(a.election.problem)
        assert "leases is forbidden" in str(a.election.problem)
        assert caplog.text.count("apply manifests/base") == 1


async def test_who_may_read_but_not_write_the_lease_says_so_too(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    api.refuse("POST", errors.Forbidden("leases is forbidden"), times=100)
    async with replicas(api, "a") as [a]:
        await asyncio.sleep(30)
        assert a.led == []
        assert "apply manifests/base" in str(a.election.problem)
        assert caplog.text.count("apply manifests/base") == 1


async def test_it_says_who_leads_once(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with replicas(api, "a", "b") as [a, b]:
        await asyncio.sleep(30)
        said = [each.message for each in caplog.records]
        assert said == ["Leading", "Following: a leads"]
        assert b.election.problem is None
        await a.kill()


# Whatever happens


@pytest.mark.parametrize("seed", range(6))
async def test_two_never_may_write_at_once(api: Api, seed: int) -> None:
    """Requests and answers are late or lost; replicas stop, or fall silent for good."""
    dice = random.Random(seed)  # noqa: S311 - what goes wrong is no secret
    trouble = (0.02, 0.2, 0.5)[seed % 3]
    api.takes = lambda: dice.choice([0.01, 0.1, 1.0, 4.0]) * dice.random()
    api.loses = lambda: dice.random() < trouble
    found = [Replica(api, f"{number}") for number in range(3)]
    for each in found:
        each.start()
    led: set[str] = set()
    for turn in range(1500):
        await asyncio.sleep(dice.random() / 2)
        leading = {each.name for each in found if each.mandate.holds}
        assert len(leading) <= 1, turn
        led |= leading
        if turn % 100 == 99:
            victim = next((each for each in found if each.mandate.holds), found[-1])
            # Who is killed may have been stopped just before it writes.
            await (victim.kill if turn % 200 == 99 else victim.stop)()
            found.append(Replica(api, f"late-{turn}"))
            found[-1].start()
    assert len(led) > 2
    for each in found:
        await each.kill()
