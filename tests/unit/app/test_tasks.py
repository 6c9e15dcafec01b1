"""Work that goes on together ends together, whatever gets in the way."""

import asyncio
from contextlib import suppress

import pytest

from heartbeats.app.tasks import run_together

pytestmark = pytest.mark.looptime


class Work:
    """Goes on until it is told to end; may not listen at once."""

    def __init__(self, *, deaf: int = 0) -> None:
        self.ended = False
        self._deaf = deaf

    async def run(self) -> None:
        try:
            for _ in range(self._deaf):
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def fail() -> None:
    await asyncio.sleep(1)
    raise RuntimeError("a defect")


async def succeed() -> None:
    await asyncio.sleep(1)


async def test_a_failure_ends_all_of_it_and_is_raised() -> None:
    works = [Work(), Work()]
    with pytest.raises(RuntimeError, match="a defect"):
        await run_together(*(each.run for each in works), fail)
    assert all(each.ended for each in works)


async def test_what_ends_by_itself_ends_nothing_else() -> None:
    works = [Work(), Work()]
    task = asyncio.create_task(run_together(succeed, *(each.run for each in works)))
    await asyncio.sleep(10)
    assert not any(each.ended for each in works)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert all(each.ended for each in works)


async def test_all_of_it_may_end() -> None:
    await run_together(succeed, succeed)


async def test_a_cancellation_that_gets_lost_is_repeated() -> None:
    """A task group in one of them may drop it for an error of its own."""
    works = [Work(), Work(deaf=3)]
    task = asyncio.create_task(run_together(*(each.run for each in works)))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
    assert all(each.ended for each in works)


async def test_a_failure_at_the_end_does_not_keep_the_others_going() -> None:
    async def fail_when_cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("a defect at the end")

    work = Work()
    task = asyncio.create_task(run_together(fail_when_cancelled, work.run))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert work.ended
