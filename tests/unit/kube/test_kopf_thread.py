"""kopf's thread: started again whatever ends it, stopped within its limit."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import kopf
import pytest

from heartbeats.clock import SystemClock
from heartbeats.edges.kube import kopf_thread
from heartbeats.edges.kube.credentials import Credentials
from heartbeats.edges.kube.handlers import NullDiffBase
from heartbeats.edges.kube.kopf_thread import KopfThread
from heartbeats.edges.kube.resources import MONITORS, Resource
from support.roles import let_kopf_start_at_once

CREDENTIALS = Credentials(server="http://127.0.0.1:1")
PATIENCE_SECONDS = 10

Script = Callable[[dict[str, Any]], Awaitable[None]]


async def until_stopped(options: dict[str, Any]) -> None:
    await options["stop_flag"].wait()


class Stage:
    """kopf as a test wants it: each run follows the next script, then until stopped."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.runs: list[dict[str, Any]] = []
        self.threads: list[str] = []
        self._running = threading.Semaphore(0)

    async def operator(self, **options: Any) -> None:
        self.threads.append(threading.current_thread().name)
        self.runs.append(options)
        script = self.scripts.pop(0) if self.scripts else until_stopped
        self._running.release()
        await script(options)

    async def started(self, times: int = 1) -> None:
        """Wait until kopf was started so many times more."""
        for _ in range(times):
            took = await asyncio.to_thread(
                self._running.acquire, timeout=PATIENCE_SECONDS
            )
            assert took, "kopf was not started"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    let_kopf_start_at_once(monkeypatch)


@asynccontextmanager
async def running(
    monkeypatch: pytest.MonkeyPatch, stage: Stage, namespace: str | None = None
) -> AsyncIterator[KopfThread]:
    monkeypatch.setattr(kopf, "operator", stage.operator)
    thread = KopfThread(
        CREDENTIALS, lambda _k, _b: None, clock=SystemClock(), namespace=namespace
    )
    thread.start()
    try:
        yield thread
    finally:
        await thread.stop()
        assert not thread._thread.is_alive()


async def test_a_kopf_that_ends_again_and_again_is_a_problem_until_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a pod without a user name it once did so while the replica said Ready."""

    async def ends(_: dict[str, Any]) -> None:
        raise OSError("no username set in the environment")

    stage = Stage(*[ends] * kopf_thread.SHORT_LIVES)
    async with running(monkeypatch, stage) as thread:
        assert thread.problem is None
        await stage.started(kopf_thread.SHORT_LIVES + 1)
        assert thread.problem == "kopf ended 3 times in a row: see the log"
        monkeypatch.setattr(kopf_thread, "SHORT_SECONDS", 0.0)
        assert thread.problem is None


async def test_kopf_runs_in_a_thread_of_its_own_until_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    async with running(monkeypatch, stage) as thread:
        await stage.started()
        assert (stage.threads, thread.restarts) == (["kopf"], 0)
    assert len(stage.runs) == 1


async def test_kopf_starts_when_monitors_are_served_and_not_once_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It looks for them once, also in an API server that has just started."""
    asked, served = threading.Semaphore(0), threading.Event()

    async def until_served(
        _client: object, resource: Resource, stopping: asyncio.Event
    ) -> None:
        assert resource is MONITORS
        asked.release()
        if served.is_set():
            await stopping.wait()
        else:
            await asyncio.to_thread(served.wait, PATIENCE_SECONDS)

    monkeypatch.setattr(kopf_thread, "until_served", until_served)
    stage = Stage()
    async with running(monkeypatch, stage):
        assert await asyncio.to_thread(asked.acquire, timeout=PATIENCE_SECONDS)
        assert stage.runs == []
        served.set()
        await stage.started()
    async with running(monkeypatch, stage):
        assert await asyncio.to_thread(asked.acquire, timeout=PATIENCE_SECONDS)
    assert len(stage.runs) == 1


async def test_kopf_watches_everything_or_one_namespace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for namespace, expected in ((None, (True, [])), ("shop", (False, ["shop"]))):
        stage = Stage()
        async with running(monkeypatch, stage, namespace):
            await stage.started()
        [options] = stage.runs
        assert (options["clusterwide"], options["namespaces"]) == expected
        assert options["standalone"] is True
        storage = options["settings"].persistence.diffbase_storage
        assert isinstance(storage, NullDiffBase)


async def test_kopf_need_not_ask_for_the_name_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a pod the user has a number only, and kopf would end."""
    stage = Stage()
    async with running(monkeypatch, stage):
        await stage.started()
    assert stage.runs[0]["identity"]


async def test_kopf_is_started_again_when_it_ends_by_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def end(_options: dict[str, Any]) -> None:
        return

    stage = Stage(end, end)
    async with running(monkeypatch, stage) as thread:
        await stage.started(3)
        assert thread.restarts == 2
    assert caplog.text.count("kopf ended by itself") == 2
    assert len({id(options["registry"]) for options in stage.runs}) == 3


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("a watch-stream ended"),
        ExceptionGroup("tasks", [OSError("cut")]),
        TimeoutError(),
    ],
)
async def test_kopf_is_started_again_when_it_ends_with_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async def fail(_options: dict[str, Any]) -> None:
        raise error

    stage = Stage(fail)
    async with running(monkeypatch, stage) as thread:
        await stage.started(2)
        assert thread.restarts == 1
    [record] = [each for each in caplog.records if each.exc_info]
    assert record.levelno == logging.ERROR
    assert "it is started again" in record.message


async def test_kopf_is_started_again_when_it_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def cancel(_options: dict[str, Any]) -> None:
        raise asyncio.CancelledError

    stage = Stage(cancel)
    async with running(monkeypatch, stage) as thread:
        await stage.started(2)
        assert thread.restarts == 1
    assert "kopf was cancelled; it is started again" in caplog.text


async def test_a_kopf_that_does_not_look_at_its_flag_is_cancelled_without_a_word(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kopf_thread, "STOP_SECONDS", 0.2)

    async def retry(_options: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    stage = Stage(retry)
    async with running(monkeypatch, stage):
        await stage.started()
    assert [each for each in caplog.records if each.name.startswith("heartbeats")] == []


async def test_a_stop_before_kopf_is_up_ends_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage()
    async with running(monkeypatch, stage):
        pass
    assert len(stage.runs) <= 1


async def test_a_stop_during_the_pause_does_not_wait_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kopf_thread, "PAUSE_SECONDS", 3600.0)

    async def end(_options: dict[str, Any]) -> None:
        return

    stage = Stage(end)
    async with running(monkeypatch, stage):
        await stage.started()
    assert len(stage.runs) == 1


async def test_a_kopf_that_does_not_stop_is_left_behind_after_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kopf_thread, "STOP_SECONDS", 0.05)
    release = threading.Event()

    async def hang(_options: dict[str, Any]) -> None:
        release.wait(PATIENCE_SECONDS)  # as if it held its loop

    stage = Stage(hang)
    monkeypatch.setattr(kopf, "operator", stage.operator)
    thread = KopfThread(CREDENTIALS, lambda _k, _b: None, clock=SystemClock())
    thread.start()
    await stage.started()
    async with asyncio.timeout(PATIENCE_SECONDS / 2):
        await thread.stop()
    assert thread._thread.is_alive()
    assert thread._thread.daemon, "the process must be able to end"
    release.set()
    await thread.stop()
    assert not thread._thread.is_alive()


async def test_a_probe_is_answered_by_kopfs_loop_when_it_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, turned = threading.Event(), threading.Event()

    async def hold_then_turn(options: dict[str, Any]) -> None:
        held.wait(PATIENCE_SECONDS)
        await asyncio.sleep(0)
        turned.set()
        await until_stopped(options)

    stage = Stage(hold_then_turn)
    clock = SystemClock()
    async with running(monkeypatch, stage) as thread:
        await stage.started()
        before = clock.monotonic()
        thread.probe()
        assert thread.last_turn is None
        held.set()
        assert await asyncio.to_thread(turned.wait, PATIENCE_SECONDS)
        assert thread.last_turn is not None
        assert before <= thread.last_turn <= clock.monotonic()


def test_a_probe_before_the_start_and_after_the_end_does_nothing() -> None:
    thread = KopfThread(CREDENTIALS, lambda _k, _b: None, clock=SystemClock())
    thread.probe()
    loop = asyncio.new_event_loop()
    loop.close()
    thread._loop = loop
    thread.probe()
    assert thread.last_turn is None
