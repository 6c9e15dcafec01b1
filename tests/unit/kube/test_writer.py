"""The writer's promises: the order of effects, and nothing lost or told twice."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from heartbeats.core.model import CheckIn, Flip, Health, Kind, Uid
from heartbeats.core.policy import Defaults
from heartbeats.core.transitions import Missed
from heartbeats.edges.kube import errors, writer
from heartbeats.edges.kube.budget import Budget
from heartbeats.edges.kube.monitors import sighting_of
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.edges.kube.telling import FlipTeller
from heartbeats.edges.kube.writer import RETRY_SECONDS, StatusWriter
from heartbeats.ledger import Entry, Ledger
from support.builders import (
    MINUTE,
    NOW,
    MemoryApi,
    Object,
    Sent,
    SetClock,
    monitor_object,
)
from support.ledgers import MemoryRuns

UID = Uid("uid-backup")
STATUS = "/heartbeatmonitors/backup/status"


def plenty() -> Budget:
    """Make a budget that delays nothing."""
    return Budget(10_000, lambda: asyncio.get_running_loop().time())


class KilledError(BaseException):
    """The process ends here."""


class Process:
    """One life of the operator: a ledger and a writer over an API that outlives it."""

    def __init__(self, api: MemoryApi, lines: list[str]) -> None:
        self.api = api
        self.lines = lines
        self.teller = FlipTeller(api, self, SetClock(), plenty())
        self.writer = StatusWriter(api, self.teller, SetClock(), plenty())
        self.ledger = Ledger(MemoryRuns(), self, Defaults())
        self.writer.attach(self.ledger)
        self.teller.attach(self.ledger)
        for body in api.objects.values():
            if body["apiVersion"] == MONITORS.api_version:
                self.ledger.see_monitor(sighting_of(body), now=NOW)
        self.ledger.open(now=NOW)

    # The ledger's listener and the writer's teller

    def changed(self, entry: Entry, *, urgent: bool) -> None:
        self.writer.mark(entry.uid, urgent=urgent)

    def checked_in(self, entry: Entry, check_in: CheckIn) -> None: ...

    def missed(self, entry: Entry, missed: Missed) -> None: ...

    def lost(self, entry: Entry) -> None: ...

    def failed(self, entry: Entry, error: Exception) -> None:
        raise AssertionError(entry.key) from error

    def flipped(self, entry: Entry, flip: Flip) -> None:  # noqa: ARG002 - a Teller
        self.api.step("line")
        self.lines.append(flip.id)
        self.api.step("line")

    # What a test does with it

    def reports(self, kind: Kind, uid: Uid = UID, **fields: Any) -> None:
        at = fields.pop("at", NOW)
        said = CheckIn(id=f"{kind}-{at}", kind=kind, at=at, **fields)
        self.ledger.check_in(uid, said, now=NOW)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(each.run()) for each in (self.writer, self.teller)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def until_killed(self) -> None:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(self.writer.run())
            group.create_task(self.teller.run())

    async def work(self, seconds: float = 60.0) -> None:
        """Write for a while (of looptime's, not of ours)."""
        async with self.running():
            await asyncio.sleep(seconds)


def stored(api: MemoryApi, name: str = "backup") -> Object:
    status: Object = api.held(MONITORS, name)["status"]
    return status


def events(api: MemoryApi) -> list[Object]:
    return [each for path, each in api.objects.items() if "/events/" in path]


def exists(api: MemoryApi, *names: str, **status: Any) -> None:
    """Put monitors into the API."""
    for name in names:
        body = monitor_object(name)
        api.put(MONITORS, {"apiVersion": MONITORS.api_version, **body, **status})


@pytest.fixture
def api() -> MemoryApi:
    api = MemoryApi()
    exists(api, "backup")
    return api


@pytest.fixture
def process(api: MemoryApi) -> Process:
    return Process(api, [])


@pytest.mark.looptime
async def test_a_status_is_applied_with_everything_that_fences_it(
    api: MemoryApi, process: Process
) -> None:
    version = api.held(MONITORS, "backup")["metadata"]["resourceVersion"]
    await process.work()
    [sent] = api.sent
    assert (sent.method, sent.params) == (
        "PATCH",
        {"fieldManager": "heartbeats-status", "force": "true"},
    )
    assert sent.path.endswith(STATUS)
    assert sent.body["metadata"] == {
        "name": "backup",
        "namespace": "shop",
        "uid": UID,
        "resourceVersion": version,
    }
    assert sent.body.keys() == {"apiVersion", "kind", "metadata", "status"}
    assert stored(api)["state"] == "New"


@pytest.mark.looptime
async def test_an_equal_status_is_not_written_again(
    api: MemoryApi, process: Process
) -> None:
    async with process.running():
        await asyncio.sleep(10)
        process.writer.mark(UID, urgent=False)
        await asyncio.sleep(10)
    assert len(api.sent) == 1
    again = Process(api, [])
    await again.work()
    assert len(api.sent) == 1, "a restart writes nothing that is stored already"


@pytest.mark.looptime
async def test_what_is_stored_already_is_looked_at_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten thousand statuses are looked at when work begins."""
    api = MemoryApi()
    exists(api, *(f"job-{number}" for number in range(200)))
    await Process(api, []).work()
    monkeypatch.setattr(writer, "TURN_SECONDS", -1.0)
    process, turns = Process(api, []), 0
    assert process.writer.backlog == 200
    async with process.running():
        while process.writer.backlog:
            turns += 1
            await asyncio.sleep(0)
    assert turns >= 200 / writer.WRITERS


@pytest.mark.looptime
async def test_the_next_write_carries_the_version_of_the_last(
    api: MemoryApi, process: Process
) -> None:
    async with process.running():
        await asyncio.sleep(10)
        version = api.held(MONITORS, "backup")["metadata"]["resourceVersion"]
        process.reports(Kind.SUCCESS)
        await asyncio.sleep(10)
    versions = [sent.body["metadata"]["resourceVersion"] for sent in api.sent]
    assert versions[1] == version
    assert versions == sorted(set(versions)), "no version is written twice"
    assert api.of("GET") == []


# The order of effects

STEPS = ["PATCH", "POST", "line", "PATCH"]
"""A flip: its status, its Event, its line, then the status without it."""


def short(step: str) -> str:
    return step.split(maxsplit=1)[0]


@pytest.mark.looptime
async def test_a_flip_is_stored_then_told_then_cleared(
    api: MemoryApi, process: Process
) -> None:
    steps: list[str] = []
    api.step = steps.append
    process.reports(Kind.FAILURE)
    await process.work()
    assert [short(step) for step in steps[::2]] == STEPS
    first, last = api.of("PATCH")
    [flip] = first.body["status"]["pendingFlips"]
    assert (flip["before"], flip["after"]) == ("New", "Down")
    assert "pendingFlips" not in last.body["status"]
    assert process.lines == [flip["id"]]
    assert [each["metadata"]["name"] for each in events(api)] == [
        f"backup.{flip['id']}"
    ]


@pytest.mark.looptime
@pytest.mark.parametrize("moment", range(2 * len(STEPS)))
async def test_killed_at_any_step_a_restart_loses_nothing(
    api: MemoryApi, moment: int
) -> None:
    """Killed before and after each step takes effect; the failure is replayed."""
    count = 0

    def maybe_die(_step: str) -> None:
        nonlocal count
        count += 1
        if count == moment + 1:
            raise KilledError

    api.step = maybe_die
    lines: list[str] = []
    first = Process(api, lines)
    first.reports(Kind.FAILURE)
    with pytest.raises(BaseExceptionGroup) as caught:
        await first.until_killed()
    assert caught.group_contains(KilledError)
    api.step = lambda _step: None
    second = Process(api, lines)
    if second.ledger.get(UID).state.health is not Health.DOWN:  # type: ignore[union-attr]
        second.reports(Kind.FAILURE)  # not stored: the journal or the Job says it again
    await second.work()
    assert stored(api)["state"] == "Down"
    assert "pendingFlips" not in stored(api)
    [event] = events(api)
    assert {f"backup.{line}" for line in lines} == {event["metadata"]["name"]}
    assert 1 <= len(lines) <= 2


@pytest.mark.looptime
@pytest.mark.parametrize("moment", range(2 * len(STEPS)))
async def test_cancelled_at_any_step_a_restart_loses_nothing(
    api: MemoryApi, moment: int
) -> None:
    count = 0
    reached = asyncio.Event()

    def maybe_stop(_step: str) -> None:
        nonlocal count
        count += 1
        if count == moment + 1:
            reached.set()
            raise asyncio.CancelledError

    api.step = maybe_stop
    lines: list[str] = []
    first = Process(api, lines)
    first.reports(Kind.FAILURE)
    async with first.running():
        await reached.wait()
    api.step = lambda _step: None
    second = Process(api, lines)
    if second.ledger.get(UID).state.health is not Health.DOWN:  # type: ignore[union-attr]
        second.reports(Kind.FAILURE)
    await second.work()
    assert (stored(api)["state"], len(events(api))) == ("Down", 1)
    assert "pendingFlips" not in stored(api)
    assert 1 <= len(lines) <= 2
    assert len(set(lines)) == 1


@pytest.mark.looptime
async def test_an_event_that_is_there_already_was_told_before(
    api: MemoryApi, process: Process
) -> None:
    api.refuse("POST", errors.Unreachable("cut"), too_late=True)
    process.reports(Kind.FAILURE)
    await process.work()
    assert len(api.of("POST")) == 2
    assert len(events(api)) == len(process.lines) == 1


@pytest.mark.looptime
@pytest.mark.parametrize(
    "error",
    [errors.Forbidden("terminating"), errors.NotFound("gone"), errors.Invalid("odd")],
)
async def test_an_event_that_is_refused_for_good_still_has_its_line(
    api: MemoryApi,
    process: Process,
    caplog: pytest.LogCaptureFixture,
    error: errors.ApiError,
) -> None:
    api.refuse("POST", error)
    process.reports(Kind.FAILURE)
    await process.work()
    assert (len(process.lines), events(api)) == (1, [])
    assert "An Event of shop/backup is refused" in caplog.text
    assert "pendingFlips" not in stored(api)


@pytest.mark.looptime
async def test_a_first_success_makes_a_line_of_its_own_and_no_event(
    api: MemoryApi, process: Process
) -> None:
    process.reports(Kind.SUCCESS)
    await process.work()
    assert (stored(api)["state"], events(api)) == ("Up", [])
    assert len(process.lines) == 1
    assert "pendingFlips" not in stored(api)


@pytest.mark.looptime
async def test_flips_are_told_in_their_order_and_none_overtakes(
    api: MemoryApi, process: Process
) -> None:
    api.refuse("POST", errors.ServerError("busy"), times=2)
    process.reports(Kind.FAILURE, at=NOW - 2 * MINUTE, revision=1)
    process.reports(Kind.SUCCESS, at=NOW, revision=2)
    await process.work()
    pending = api.of("PATCH")[0].body["status"]["pendingFlips"]
    assert [flip["after"] for flip in pending] == ["Down", "Up"]
    assert process.lines == [flip["id"] for flip in pending]


# Who comes first


@pytest.mark.looptime
async def test_flips_go_before_routine_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WRITERS", 1)
    api = MemoryApi()
    exists(api, *(f"routine-{number}" for number in range(5)), "backup")
    process = Process(api, [])  # opening marks all of them as routine
    process.reports(Kind.FAILURE)
    await process.work()
    assert api.sent[0].path.endswith(STATUS)
    assert len({sent.path for sent in api.of("PATCH")}) == 6


@pytest.mark.looptime
async def test_a_monitor_is_written_by_one_writer_at_a_time(
    api: MemoryApi, process: Process
) -> None:
    under_way = 0

    def watch(step: str) -> None:
        nonlocal under_way
        assert under_way in {0, 1}
        under_way = 1 - under_way
        process.writer.mark(UID, urgent=True)

    api.step = watch
    for number in range(1, 6):
        process.reports(Kind.SUCCESS, at=NOW + number * MINUTE, revision=number)
    await process.work()
    assert api.of("GET") == [], "no conflict with ourselves"


@pytest.mark.looptime
async def test_many_marks_are_one_write(api: MemoryApi, process: Process) -> None:
    for urgent in (False, True, False, True):
        process.writer.mark(UID, urgent=urgent)
    assert process.writer.backlog == 1
    await process.work()
    assert (len(api.sent), process.writer.backlog) == (1, 0)


@pytest.mark.looptime
async def test_what_changes_during_a_write_is_written_after_it(
    api: MemoryApi, process: Process
) -> None:
    def report(_step: str) -> None:
        api.step = lambda _step: None
        process.reports(Kind.SUCCESS)

    api.step = report
    await process.work()
    assert stored(api)["state"] == "Up"
    assert api.of("GET") == []


# When it fails


@pytest.mark.looptime
async def test_after_a_conflict_it_reads_again_and_writes_the_new_version(
    api: MemoryApi, process: Process
) -> None:
    edited = monitor_object(generation=2)
    edited["spec"]["interval"] = "2h"
    version = api.put(MONITORS, edited)["metadata"]["resourceVersion"]
    process.reports(Kind.SUCCESS)
    await process.work()
    assert [sent.method for sent in api.sent[:3]] == ["PATCH", "GET", "PATCH"]
    assert api.sent[2].body["metadata"]["resourceVersion"] == version
    assert stored(api)["observedGeneration"] == 2
    assert stored(api)["effective"]["interval"] == "2h"
    assert stored(api)["state"] == "Up", "what was heard meanwhile is not lost"


class SharedApi(MemoryApi):
    """Applying leaves alone what others own in a status; replacing does not."""

    def _perform(self, method: str, path: str, body: Any) -> Object:
        if isinstance(body, list):
            [_version, replacement] = body
            stored = {"metadata": {}, "status": replacement["value"]}
            return self._store(path, stored)
        answer = super()._perform(method, path, body)
        if method == "PATCH":
            answer["status"] = {**answer["status"], "lastFailureTime": "of others"}
        return answer


@pytest.mark.looptime
async def test_what_others_have_left_in_a_status_is_taken_out_of_it() -> None:
    """A status alone restores the state: nothing may stay in it that is not known."""
    api = SharedApi()
    exists(api, "backup")
    process = Process(api, [])
    process.reports(Kind.SUCCESS)
    await process.work()
    assert stored(api)["state"] == "Up"
    assert "lastFailureTime" not in stored(api)
    replaced = [isinstance(sent.body, list) for sent in api.of("PATCH")]
    assert not replaced[0]
    assert replaced[-1]


@pytest.mark.looptime
async def test_what_nothing_can_be_applied_to_is_replaced() -> None:
    """Then the API server answers as if it were ill itself, for that one alone."""
    api = SharedApi()
    exists(api, "backup")
    process = Process(api, [])
    odd = errors.ServerError("failed to create typed live object", code=500)
    api.refuse("PATCH", odd, times=2)
    process.reports(Kind.SUCCESS)
    await process.work()
    assert [isinstance(sent.body, list) for sent in api.of("PATCH")][:3] == [
        False,
        False,
        True,
    ]
    assert stored(api)["state"] == "Up"


@pytest.mark.looptime
async def test_a_replacement_that_is_invalid_is_not_read_and_tried_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was never valid as a whole can't be written: it may not eat the budget."""
    api = SharedApi()
    exists(api, "backup")
    process = Process(api, [])
    process.ledger.replace_next(UID)
    cause = errors.Cause("FieldValueInvalid", "must be a string", "spec.interval")
    odd = errors.Invalid("spec is invalid", code=422, causes=(cause,))
    api.refuse("PATCH", odd, times=10_000)
    process.reports(Kind.SUCCESS)
    await process.work(3600)
    assert len(api.of("PATCH")) < 30
    assert caplog.text.count("is not stored yet") == 1


@pytest.mark.looptime
async def test_a_conflict_with_another_monitor_of_the_name_starts_anew(
    api: MemoryApi, process: Process
) -> None:
    process.reports(Kind.FAILURE)
    api.put(MONITORS, monitor_object(uid="another"))
    await process.work()
    assert process.ledger.get(UID) is None
    assert stored(api)["state"] == "New", "a stranger inherits no failure"
    assert api.held(MONITORS, "backup")["metadata"]["uid"] == "another"


@pytest.mark.looptime
async def test_a_monitor_that_is_gone_is_forgotten(
    api: MemoryApi, process: Process
) -> None:
    api.objects.clear()
    await process.work()
    assert (len(process.ledger), len(api.sent)) == (0, 1)


@pytest.mark.looptime
async def test_a_monitor_that_goes_during_a_conflict_is_forgotten(
    api: MemoryApi, process: Process
) -> None:
    api.refuse("PATCH", errors.Conflict("newer"))
    api.refuse("GET", errors.NotFound("gone"))
    await process.work()
    assert (len(process.ledger), len(api.sent)) == (0, 2)


def gaps(requests: list[Sent]) -> list[float]:
    return [after.at - before.at for before, after in pairwise(requests)]


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.TooManyRequests("busy", retry_after=timedelta(seconds=7)), 7.0),
        (errors.TooManyRequests("busy"), RETRY_SECONDS),
        (errors.Unreachable("no answer"), RETRY_SECONDS),
        (errors.ServerError("etcd"), RETRY_SECONDS),
    ],
)
async def test_a_refused_write_is_tried_again_when_it_may_be(
    api: MemoryApi,
    process: Process,
    caplog: pytest.LogCaptureFixture,
    error: errors.ApiError,
    expected: float,
) -> None:
    api.refuse("PATCH", error)
    await process.work()
    assert gaps(api.of("PATCH")) == [expected]
    assert stored(api)["state"] == "New"
    [line] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "The status of shop/backup is not stored yet" in line.message


@pytest.mark.looptime
async def test_a_refused_event_waits_as_long_as_it_is_told(
    api: MemoryApi, process: Process
) -> None:
    after = timedelta(seconds=9)
    api.refuse("POST", errors.TooManyRequests("busy", retry_after=after))
    process.reports(Kind.FAILURE)
    await process.work()
    assert gaps(api.of("POST")) == [9.0]
    assert len(process.lines) == 1


@pytest.mark.looptime
async def test_a_status_whose_answer_was_lost_is_not_lost(
    api: MemoryApi, process: Process
) -> None:
    api.refuse("PATCH", errors.Unreachable("cut"), too_late=True)
    process.reports(Kind.FAILURE)
    await process.work()
    assert (stored(api)["state"], len(events(api))) == ("Down", 1)
    assert len(process.lines) == 1


@pytest.mark.looptime
async def test_a_surprise_costs_one_try_and_not_the_writer(
    api: MemoryApi, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    api.refuse("PATCH", RuntimeError("a bug"))
    await process.work()
    assert stored(api)["state"] == "New"
    assert "A status could not be written" in caplog.text


@pytest.mark.looptime
async def test_one_monitor_that_fails_does_not_hold_up_the_others(
    api: MemoryApi,
) -> None:
    exists(api, *(f"other-{number}" for number in range(20)))
    process = Process(api, [])
    api.refuse("PATCH", errors.ServerError("odd"), path=STATUS, times=1_000)
    async with process.running():
        await asyncio.sleep(RETRY_SECONDS / 2)
        assert all(stored(api, f"other-{number}") for number in range(20))


@pytest.mark.looptime
async def test_a_status_that_is_refused_for_good_is_not_told_every_second(
    api: MemoryApi, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    api.refuse("PATCH", errors.Invalid("status.state: odd"), times=10_000)
    await process.work(seconds=600)
    assert 1 <= len(caplog.records) <= 20


@pytest.mark.looptime
async def test_a_mark_of_a_forgotten_monitor_writes_nothing(
    api: MemoryApi, process: Process
) -> None:
    process.ledger.lose_monitor(UID)
    process.writer.mark(UID, urgent=True)
    await process.work()
    assert api.sent == []


@pytest.mark.looptime
async def test_without_a_ledger_it_waits_for_one() -> None:
    api = MemoryApi()
    process = Process(MemoryApi(), [])
    alone = StatusWriter(api, process.teller, SetClock(), plenty())
    alone.mark(UID, urgent=True)
    task = asyncio.create_task(alone.run())
    await asyncio.sleep(10)
    task.cancel()
    await asyncio.wait([task])
    assert api.sent == []


@pytest.mark.looptime
async def test_the_budget_is_kept_whatever_there_is_to_write() -> None:
    api = MemoryApi()
    exists(api, *(f"routine-{number}" for number in range(100)))
    process = Process(api, [])
    process.writer = StatusWriter(
        api,
        process.teller,
        SetClock(),
        Budget(10, lambda: asyncio.get_running_loop().time()),
    )
    process.writer.attach(process.ledger)
    for entry in process.ledger:
        process.writer.mark(entry.uid, urgent=False)
    await process.work(seconds=5)
    assert 50 <= len(api.of("PATCH")) <= 60 + writer.WRITERS


@pytest.mark.looptime
async def test_too_many_requests_make_all_statuses_wait() -> None:
    api = MemoryApi()
    exists(api, *(f"routine-{number}" for number in range(30)))
    process = Process(api, [])
    busy = errors.TooManyRequests("busy", code=429, retry_after=timedelta(seconds=20))
    api.refuse("PATCH", busy, times=1)
    await process.work(seconds=15)
    before = len(api.of("PATCH"))
    assert before <= 2 * writer.WRITERS
    await process.work(seconds=60)
    assert {stored(api, f"routine-{n}")["state"] for n in range(30)} == {"New"}
