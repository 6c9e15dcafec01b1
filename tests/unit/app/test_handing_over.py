"""Monitors on their way from kopf's thread to our loop: all of them, in their order."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from heartbeats.app import facts as facts_module
from heartbeats.app.facts import Facts
from heartbeats.clock import SystemClock


class Heard(Facts):
    """Facts that only note which monitors came, and fail for one of them."""

    def __init__(self) -> None:
        none = cast("Any", None)
        urls = cast("Any", type("Urls", (), {})())
        super().__init__(none, none, urls, SystemClock(), none)
        self.came: list[int] = []

    def _read(self, _kind: str | None, body: Any) -> Callable[[], None]:
        def take() -> None:
            if body["number"] < 0:
                raise RuntimeError("a surprise")
            self.came.append(body["number"])

        return take


async def heard(facts: Heard, count: int) -> None:
    async with asyncio.timeout(10):
        while len(facts.came) < count:  # noqa: ASYNC110 - a fact, not an event
            await asyncio.sleep(0)


async def test_all_come_in_their_order_from_another_thread() -> None:
    facts = Heard()
    facts.listen(asyncio.get_running_loop())

    def tell() -> None:
        for number in range(5000):
            facts.hand_over("ADDED", {"number": number})

    await asyncio.to_thread(tell)
    await heard(facts, 5000)
    assert facts.came == list(range(5000))


async def test_a_surprise_costs_one_monitor_and_not_those_after_it() -> None:
    facts, loop = Heard(), asyncio.get_running_loop()
    surprises: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: surprises.append(context))
    facts.listen(loop)
    for number in (1, -1, 2):
        facts.hand_over("ADDED", {"number": number})
    await heard(facts, 2)
    assert facts.came == [1, 2]
    assert len(surprises) == 1


async def test_the_loop_does_other_things_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(facts_module, "TURN_SECONDS", 0.0)
    facts = Heard()
    facts.listen(asyncio.get_running_loop())
    for number in range(3):
        facts.hand_over("ADDED", {"number": number})
    turns = 0
    while len(facts.came) < 3:
        await asyncio.sleep(0)
        turns += 1
        assert turns < 100
    assert turns >= 3


async def test_after_the_end_nothing_is_taken() -> None:
    facts = Heard()
    facts.hand_over("ADDED", {"number": 1})
    facts.listen(asyncio.get_running_loop())
    facts.listen(None)
    facts.hand_over("ADDED", {"number": 2})
    await asyncio.sleep(0)
    assert facts.came == []
