"""Work that goes on together, and of which nothing is left when it is to end.

It may not know what the work is, nor swallow how it failed.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

AGAIN_SECONDS: Final = 0.5

Work = Callable[[], Coroutine[Any, Any, None]]


async def run_together(*works: Work) -> None:
    """Run all of these until one fails, or until cancelled; raises its error.

    A task group would do, but that a cancellation can get lost: a group inside of one
    of these drops it when something of its own fails in the same moment, as Python
    before 3.13 does. Here it is repeated until every one has ended.
    """
    tasks = {asyncio.create_task(work()) for work in works}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await _end(tasks)
    for task in done:
        task.result()


async def _end(tasks: set["asyncio.Task[None]"]) -> None:
    while left := {task for task in tasks if not task.done()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_SECONDS)
