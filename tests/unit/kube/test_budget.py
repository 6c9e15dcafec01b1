"""A budget of writes is kept on average, and its unused second may come at once."""

import asyncio

import pytest

from heartbeats.edges.kube.budget import Budget

pytestmark = pytest.mark.looptime


def budget(per_second: float) -> Budget:
    return Budget(per_second, lambda: asyncio.get_running_loop().time())


async def spent(allowance: Budget, writes: int) -> float:
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(allowance.take() for _ in range(writes)))
    return asyncio.get_running_loop().time() - began


async def test_a_second_of_writes_may_come_at_once() -> None:
    assert await spent(budget(50), 50) == pytest.approx(0)


async def test_more_come_at_the_rate_of_the_budget() -> None:
    assert await spent(budget(50), 50 + 200) == pytest.approx(4.0, abs=0.1)


async def test_what_was_not_needed_is_given_back() -> None:
    allowance = budget(1)
    await allowance.take()
    allowance.give_back()
    assert await spent(allowance, 1) == pytest.approx(0)


async def test_nothing_is_written_while_the_api_server_asks_for_a_pause() -> None:
    allowance = budget(50)
    allowance.pause(7)
    assert await spent(allowance, 1) == pytest.approx(7)


async def test_less_than_one_write_a_second_is_a_budget_too() -> None:
    allowance = budget(0.5)
    assert await spent(allowance, 3) == pytest.approx(4, abs=0.1)
