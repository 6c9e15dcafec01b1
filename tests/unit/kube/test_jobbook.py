"""What the book of Jobs reports, when, and what it forgets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from heartbeats.core.model import CheckIn, CronJobFacts, Kind, Uid
from heartbeats.edges.kube import jobbook
from heartbeats.edges.kube.errors import Forbidden
from heartbeats.edges.kube.jobbook import (
    MAX_DELETED_SLOTS,
    JobBook,
)
from heartbeats.edges.kube.jobs import MANUAL_ANNOTATION, facts_of
from heartbeats.edges.kube.objects import Job, Pod
from heartbeats.edges.kube.reports import READ_SECONDS, READERS
from heartbeats.edges.kube.store import Change, ObjectEvent
from support.builders import (
    MINUTE,
    NOW,
    SetClock,
    condition,
    cron_job,
    job,
    owner,
    pod,
    text,
)

CRON_JOB = Uid("cj-nightly")
FACTS = facts_of(cron_job())
OTHER = replace(FACTS, uid=Uid("cj-unknown"), name="unknown")
RUNNING = {"active": 1, "ready": 1, "startTime": text(NOW - MINUTE)}
FAILED = {"conditions": [condition("Failed", reason="BackoffLimitExceeded")]}
COMPLETE = {"conditions": [condition("Complete")]}


def exited(code: int, message: str) -> Pod:
    state = {"terminated": {"exitCode": code, "message": message}}
    return pod(status={"containerStatuses": [{"state": state}]})


class ScriptedPods:
    """Pods as a test wants them; reading may wait for a sign, or fail."""

    def __init__(self) -> None:
        self.pods: list[Pod] = [exited(3, "disk full")]
        self.error: Exception | None = None
        self.readable = asyncio.Event()
        self.readable.set()
        self.asked: list[str] = []

    async def of(self, job: Job) -> list[Pod]:
        self.asked.append(job.metadata.uid)
        await self.readable.wait()
        if self.error is not None:
            raise self.error
        return self.pods


class ScriptedRefusals:
    """What the controller says about Jobs that it does not create."""

    def __init__(self) -> None:
        self.said = ""
        self.error: Exception | None = None

    async def of(self, cron_job: CronJobFacts) -> str:
        assert cron_job == FACTS
        if self.error is not None:
            raise self.error
        return self.said

    async def of_all(self) -> dict[Uid, str]:
        if self.error is not None:
            raise self.error
        return {FACTS.uid: self.said}


class Desk:
    """A book, its pods and whoever hears of its reports."""

    def __init__(self) -> None:
        self.pods = ScriptedPods()
        self.refusals = ScriptedRefusals()
        self.book = JobBook(self.pods, self.refusals, SetClock())
        self.heard: list[tuple[Uid, CheckIn]] = []
        self.gaps: list[set[Uid]] = []
        self.book.report_to(
            lambda uid, said: self.heard.append((uid, said)), self.gaps.append
        )

    @property
    def said(self) -> list[tuple[str, Kind]]:
        return [(said.id, said.kind) for _, said in self.heard]

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.book.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
def desk() -> Desk:
    return Desk()


def slot(minutes: int) -> datetime:
    return datetime.fromtimestamp(minutes * 60, UTC)


def test_starts_and_successes_are_reported_at_once(desk: Desk) -> None:
    desk.book.see(job(status={}, uid="j-1"))
    assert desk.said == []
    desk.book.see(job(status=RUNNING, uid="j-1"))
    desk.book.see(job(status=COMPLETE, uid="j-1"))
    assert desk.said == [("j-1-start", Kind.START), ("j-1-end", Kind.SUCCESS)]
    assert {uid for uid, _ in desk.heard} == {CRON_JOB}
    assert desk.pods.asked == []


async def test_a_failure_is_reported_once_its_pods_were_read(desk: Desk) -> None:
    desk.pods.readable.clear()
    async with desk.reading():
        desk.book.see(job(status=FAILED, uid="j-1"))
        settled = asyncio.create_task(desk.book.settled())
        await asyncio.wait([settled], timeout=0.01)
        assert desk.said == []
        assert list(desk.book.check_ins(CRON_JOB)) == []
        assert not settled.done()
        desk.pods.readable.set()
        await settled
    [(_, said)] = desk.heard
    assert (said.kind, said.exit_code) == (Kind.FAILURE, 3)
    assert said.message == "BackoffLimitExceeded: disk full"
    assert list(desk.book.check_ins(CRON_JOB)) == [said]


async def test_pods_that_may_not_be_read_delay_no_failure(desk: Desk) -> None:
    desk.pods.error = Forbidden("pods are forbidden")
    async with desk.reading():
        desk.book.see(job(status=FAILED))
        await desk.book.settled()
    [(_, said)] = desk.heard
    assert (said.kind, said.exit_code) == (Kind.FAILURE, None)
    assert said.message == "BackoffLimitExceeded"


@pytest.mark.looptime
async def test_pods_that_do_not_answer_delay_a_failure_a_few_seconds(
    desk: Desk,
) -> None:
    desk.pods.readable.clear()
    async with desk.reading():
        desk.book.see(job(status=FAILED))
        await desk.book.settled()
        assert asyncio.get_running_loop().time() == READ_SECONDS
    assert [said.kind for _, said in desk.heard] == [Kind.FAILURE]


async def test_settled_returns_at_once_when_nothing_failed(desk: Desk) -> None:
    desk.book.see(job(status=COMPLETE))
    async with asyncio.timeout(1):
        await desk.book.settled()


async def test_several_pods_are_read_at_a_time_and_no_more(desk: Desk) -> None:
    desk.pods.readable.clear()
    async with desk.reading():
        for number in range(READERS + 2):
            mine = [owner(uid=f"cj-{number}")]
            desk.book.see(job(status=FAILED, uid=f"j-{number}", ownerReferences=mine))
        await asyncio.wait([asyncio.create_task(desk.book.settled())], timeout=0.01)
        assert len(desk.pods.asked) == READERS
        desk.pods.readable.set()
        await desk.book.settled()
    assert len(desk.heard) == READERS + 2


async def test_the_pods_of_a_failure_are_read_once(desk: Desk) -> None:
    async with desk.reading():
        for _ in range(3):
            desk.book.see(job(status=FAILED, uid="j-1"))
            await desk.book.settled()
    assert desk.pods.asked == ["j-1"]
    assert {said.exit_code for _, said in desk.heard} == {3}


async def test_one_reading_that_fails_does_not_end_the_others(desk: Desk) -> None:
    desk.pods.error = Forbidden("not now")
    async with desk.reading():
        for number in range(2 * READERS):
            desk.book.see(job(status=FAILED, uid=f"j-{number}"))
        await desk.book.settled()
        desk.pods.error = None
        desk.book.see(job(status=FAILED, uid="last"))
        await desk.book.settled()
    assert desk.heard[-1][1].exit_code == 3


def test_an_unfinished_job_that_is_deleted_has_vanished(desk: Desk) -> None:
    desk.book.see(job(status=RUNNING, uid="j-1"))
    desk.book.lose(job(status=RUNNING, uid="j-1"))
    assert desk.said[-1] == ("j-1-vanished", Kind.VANISHED)
    assert desk.heard[-1][1].at == NOW
    assert list(desk.book.check_ins(CRON_JOB)) == []


def test_a_finished_job_that_is_deleted_still_reports_its_end(desk: Desk) -> None:
    desk.book.see(job(status=RUNNING, uid="j-1"))
    desk.book.lose(job(status=COMPLETE, uid="j-1"))
    assert desk.said[-1] == ("j-1-end", Kind.SUCCESS)
    assert list(desk.book.check_ins(CRON_JOB)) == []


async def test_a_failed_job_that_is_deleted_keeps_what_its_pods_said(
    desk: Desk,
) -> None:
    async with desk.reading():
        desk.book.see(job(status=FAILED, uid="j-1"))
        await desk.book.settled()
        desk.book.lose(job(status=FAILED, uid="j-1"))
    assert [said.exit_code for _, said in desk.heard] == [3, 3]


async def test_a_job_deleted_while_its_pods_are_read_is_not_explained_for_ever(
    desk: Desk,
) -> None:
    desk.pods.readable.clear()
    async with desk.reading():
        desk.book.see(job(status=FAILED, uid="j-1"))
        await asyncio.sleep(0)
        desk.book.lose(job(status=FAILED, uid="j-1"))
        desk.pods.readable.set()
        await desk.book.settled()
    assert {said.id for _, said in desk.heard} == {"j-1-end"}
    assert desk.book._reports._explained == {}


async def test_a_job_deleted_while_its_pods_are_read_tells_its_exit_code(
    desk: Desk,
) -> None:
    """Whoever hears the same id twice counts the first: it must be the full one."""
    desk.pods.readable.clear()
    async with desk.reading():
        desk.book.see(job(status=FAILED, uid="j-1"))
        await asyncio.sleep(0)
        desk.book.lose(job(status=FAILED, uid="j-1"))
        desk.pods.readable.set()
        await desk.book.settled()
    assert desk.heard[0][1].exit_code == 3


def test_jobs_of_nobody_are_none_of_ours(desk: Desk) -> None:
    alone = job(status=RUNNING, ownerReferences=[])
    workflow = job(status=COMPLETE, ownerReferences=[owner("Workflow")])
    for each in (alone, workflow):
        desk.book.see(each)
        desk.book.lose(each)
    assert desk.heard == []


def test_an_unknown_job_may_be_lost(desk: Desk) -> None:
    desk.book.lose(job(status=COMPLETE, uid="j-1"))
    assert desk.said == [("j-1-end", Kind.SUCCESS)]


def test_check_ins_come_oldest_first_and_of_one_cronjob_only(desk: Desk) -> None:
    for minutes in (1, 3, 2):
        end = condition("Complete", lastTransitionTime=text(NOW - minutes * MINUTE))
        desk.book.see(job(status={"conditions": [end]}, uid=f"j-{minutes}"))
    other = [owner(uid="cj-other")]
    desk.book.see(job(status=COMPLETE, uid="other", ownerReferences=other))
    desk.book.see(job(status={}, uid="pending"))
    found = list(desk.book.check_ins(CRON_JOB))
    assert [said.run_id for said in found] == ["j-3", "j-2", "j-1"]
    assert list(desk.book.check_ins(Uid("cj-unknown"))) == []


def test_pending_jobs_are_stuck_by_their_slot(desk: Desk) -> None:
    desk.book.see(job("nightly-29000000", {"active": 1}))
    desk.book.see(job("nightly-29000060", RUNNING))
    desk.book.see(job("nightly-29000120", COMPLETE))
    manual = {MANUAL_ANNOTATION: "manual"}
    desk.book.see(job("by-hand", {"active": 1}, annotations=manual))
    assert desk.book.hindrances(FACTS).pending == {
        slot(29_000_000): "its pod is not ready."
    }
    assert desk.book.hindrances(OTHER).pending == {}


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([], "the Job has no pod."),
        (
            [
                pod(
                    status={
                        "containerStatuses": [
                            {"state": {"waiting": {"reason": "ImagePullBackOff"}}}
                        ]
                    }
                )
            ],
            "ImagePullBackOff",
        ),
        (
            [
                pod(
                    status={
                        "conditions": [
                            condition(
                                "PodScheduled",
                                "False",
                                reason="Unschedulable",
                                message="no node",
                            )
                        ]
                    }
                )
            ],
            "Unschedulable: no node",
        ),
    ],
)
async def test_inspecting_says_why_a_job_is_stuck(
    desk: Desk, pods: list[Pod], expected: str
) -> None:
    desk.pods.pods = pods
    desk.book.see(job("nightly-29000000", {"active": 1}, uid="j-1"))
    desk.book.see(job("nightly-29000060", RUNNING, uid="j-2"))
    await desk.book.inspect([FACTS])
    assert desk.book.hindrances(FACTS).pending == {slot(29_000_000): expected}
    assert desk.pods.asked == ["j-1"]


async def test_pods_that_cannot_be_inspected_are_a_reason_too(desk: Desk) -> None:
    desk.pods.error = Forbidden("no right")
    desk.book.see(job("nightly-29000000", {"active": 1}))
    await desk.book.inspect([FACTS])
    [why] = desk.book.hindrances(FACTS).pending.values()
    assert why == "its pods cannot be read: no right"


@pytest.mark.looptime
async def test_inspecting_is_not_held_up_by_silence(desk: Desk) -> None:
    desk.pods.readable.clear()
    desk.book.see(job("nightly-29000000", {"active": 1}))
    await desk.book.inspect([FACTS])
    assert asyncio.get_running_loop().time() == READ_SECONDS
    [why] = desk.book.hindrances(FACTS).pending.values()
    assert why.startswith("its pods cannot be read")


async def test_a_reason_is_forgotten_when_the_job_changes(desk: Desk) -> None:
    desk.pods.pods = []
    desk.book.see(job("nightly-29000000", {"active": 1}))
    await desk.book.inspect([FACTS])
    desk.book.see(job("nightly-29000000", {"active": 2}))
    assert set(desk.book.hindrances(FACTS).pending.values()) == {
        "its pod is not ready."
    }


@pytest.mark.parametrize("end", [RUNNING, COMPLETE], ids=["unfinished", "finished"])
def test_nothing_is_kept_of_deleted_jobs(desk: Desk, end: dict[str, object]) -> None:
    for number in range(3):
        desk.book.see(job(status=end, uid=f"j-{number}"))
    for number in range(3):
        desk.book.lose(job(status=end, uid=f"j-{number}"))
    assert desk.book._jobs == {}


# Order


async def test_jobs_of_a_cronjob_are_reported_in_their_order(desk: Desk) -> None:
    desk.pods.readable.clear()
    async with desk.reading():
        desk.book.see(job(status=FAILED, uid="j-1"))
        desk.book.see(job(status=RUNNING, uid="j-2"))
        desk.book.see(job(status=COMPLETE, uid="j-2"))
        other = [owner(uid="cj-other")]
        desk.book.see(job(status=COMPLETE, uid="else", ownerReferences=other))
        assert desk.said == [("else-end", Kind.SUCCESS)]
        desk.pods.readable.set()
        await desk.book.settled()
    assert [id_ for id_, _ in desk.said[1:]] == ["j-1-end", "j-2-start", "j-2-end"]


async def test_a_job_that_vanishes_does_not_overtake_its_own_start(desk: Desk) -> None:
    """Told the other way round its run would stay open for ever."""
    desk.pods.readable.clear()
    async with desk.reading():
        desk.book.see(job(status=FAILED, uid="j-1"))
        desk.book.see(job(status=RUNNING, uid="j-2"))
        desk.book.lose(job(status=RUNNING, uid="j-2"))
        desk.pods.readable.set()
        await desk.book.settled()
    assert [id_ for id_, _ in desk.said] == ["j-1-end", "j-2-start", "j-2-vanished"]


async def test_an_explained_job_that_goes_while_another_is_read_is_forgotten(
    desk: Desk,
) -> None:
    async with desk.reading():
        desk.book.see(job(status=FAILED, uid="j-1"))
        await desk.book.settled()
        desk.pods.readable.clear()
        desk.book.see(job(status=FAILED, uid="j-2"))
        desk.book.lose(job(status=FAILED, uid="j-1"))
        desk.pods.readable.set()
        await desk.book.settled()
    assert set(desk.book._reports._explained) == {"j-2"}


# What the reflector tells


def told(kind: Change, item: Job, *, initial: bool = False) -> ObjectEvent[Job]:
    return ObjectEvent(kind, item, initial)


def ended(minutes: int) -> dict[str, object]:
    at = text(NOW - minutes * MINUTE)
    return {"conditions": [condition("Complete", lastTransitionTime=at)]}


def test_jobs_of_a_list_are_told_in_the_order_of_time_at_its_end(desk: Desk) -> None:
    for name, minutes in (("a", 1), ("b", 3), ("c", 2)):
        found = job(status=ended(minutes), uid=name)
        desk.book.take(told(Change.ADDED, found, initial=True))
    assert desk.said == []
    desk.book.listed("7")
    assert [id_ for id_, _ in desk.said] == ["b-end", "c-end", "a-end"]
    desk.book.listed("8")
    assert len(desk.said) == 3


def test_jobs_of_the_watch_are_told_at_once(desk: Desk) -> None:
    desk.book.take(told(Change.ADDED, job(status=RUNNING, uid="j-1")))
    desk.book.take(told(Change.MODIFIED, job(status=COMPLETE, uid="j-1")))
    desk.book.take(told(Change.DELETED, job(status=COMPLETE, uid="j-1")))
    assert [id_ for id_, _ in desk.said] == ["j-1-start", "j-1-end", "j-1-end"]


def test_a_job_that_went_while_nobody_watched_is_a_gap_and_no_vanishing(
    desk: Desk,
) -> None:
    desk.book.take(told(Change.ADDED, job(status=RUNNING, uid="j-1")))
    gone = job(status=RUNNING, uid="j-1")
    desk.book.take(told(Change.DELETED, gone, initial=True))
    assert desk.gaps == [], "what a list says counts at its end"
    desk.book.listed("7")
    assert desk.gaps == [{CRON_JOB}]
    assert [kind for _, kind in desk.said] == [Kind.START]
    desk.book.listed("8")
    assert len(desk.gaps) == 1


def test_a_job_of_a_list_that_broke_off_and_went_is_no_ghost(desk: Desk) -> None:
    """Page one told of it, page two failed; the next list lacks it."""
    ghost = job(status=RUNNING, uid="j-1")
    desk.book.take(told(Change.ADDED, ghost, initial=True))
    desk.book.take(told(Change.DELETED, ghost, initial=True))
    desk.book.listed("7")
    assert list(desk.book.check_ins(CRON_JOB)) == []
    assert not desk.book.remains(FACTS).jobs


def test_what_is_left_of_a_cronjobs_runs(desk: Desk) -> None:
    desk.book.see(job("nightly-29000000", COMPLETE, uid="j-1"))
    desk.book.see(job("nightly-29000060", {"active": 1}, uid="j-2"))
    by_hand = {MANUAL_ANNOTATION: "manual"}
    desk.book.see(job("by-hand", RUNNING, uid="j-3", annotations=by_hand))
    left = desk.book.remains(FACTS)
    assert (left.cron_job, left.jobs) == (FACTS, {"j-1", "j-2", "j-3"})
    assert left.slots == {slot(29_000_000), slot(29_000_060)}
    assert left.pending == {slot(29_000_060)}


# Why there is no run


async def test_a_job_deleted_before_it_was_ready_keeps_its_reason(desk: Desk) -> None:
    desk.pods.pods = []
    desk.book.see(job("nightly-29000000", {"active": 1}))
    await desk.book.inspect([FACTS])
    desk.book.lose(job("nightly-29000000", {"active": 1}))
    [why] = desk.book.hindrances(FACTS).pending.values()
    assert why == "the Job has no pod; its Job was deleted before it was ready."


def test_a_job_that_goes_with_its_cronjob_explains_the_next_one_s_silence(
    desk: Desk,
) -> None:
    """As by `kubectl replace --force`: Jobs are deleted after their CronJob."""
    desk.book.see(job("nightly-29000000", {"active": 1}))
    desk.book.forget(CRON_JOB)
    desk.book.lose(job("nightly-29000000", {"active": 1}))
    again = replace(FACTS, uid=Uid("cj-again"))
    expected = "its pod is not ready; its Job was deleted before it was ready."
    assert desk.book.hindrances(again).pending == {slot(29_000_000): expected}
    assert desk.book.hindrances(OTHER).pending == {}


def test_not_every_cronjob_that_was_ever_deleted_is_remembered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobbook, "MAX_DELETED_NAMES", 2)
    for number, name in enumerate(["a", "b", "a", "c"]):
        refs = [owner(uid=f"cj-{name}", name=name)]
        gone = job(f"{name}-{29_000_000 + number}", {}, ownerReferences=refs)
        desk.book.lose(gone)
    left = {
        name: desk.book.hindrances(replace(FACTS, name=name)).pending for name in "abc"
    }
    assert [len(left[name]) for name in "abc"] == [2, 0, 1]


def test_the_newest_of_many_deleted_jobs_are_remembered(desk: Desk) -> None:
    for number in range(MAX_DELETED_SLOTS + 5):
        desk.book.lose(job(f"nightly-{29_000_000 + number}", {"active": 1}))
    found = desk.book.hindrances(FACTS).pending
    assert len(found) == MAX_DELETED_SLOTS
    assert min(found) == slot(29_000_005)


async def test_without_a_job_the_controller_is_asked(desk: Desk) -> None:
    desk.refusals.said = "The controller says FailedCreate: exceeded quota"
    await desk.book.inspect([FACTS])
    assert desk.book.hindrances(FACTS).refused == desk.refusals.said
    desk.refusals.error = Forbidden("no right")
    await desk.book.inspect([FACTS])
    said = desk.book.hindrances(FACTS).refused
    assert said == "Its Events cannot be read: no right"
    desk.book.forget(CRON_JOB)
    assert desk.book.hindrances(FACTS).refused == ""
