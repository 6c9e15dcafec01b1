"""Evidence before judgement: only what is needed, and nothing without it."""

import asyncio
from datetime import timedelta

import pytest

from heartbeats.core.model import CronJobFacts, Source, Uid
from heartbeats.edges.kube.errors import Forbidden, StaleError, Unreachable
from heartbeats.edges.kube.evidence import WITHIN, StreamEvidence
from heartbeats.edges.kube.jobbook import MOST_READ_ALONE, JobBook
from heartbeats.edges.kube.objects import Job, Pod
from heartbeats.edges.kube.presence import Presences
from heartbeats.watchdog import EvidenceError
from support.builders import NOW, SetClock, condition, job, owner
from support.ledgers import Bench


class ScriptedStream:
    """A stream that confirms, fails, or waits for a sign."""

    def __init__(self) -> None:
        self.asked: list[timedelta] = []
        self.error: Exception | None = None
        self.current = asyncio.Event()
        self.current.set()
        self.given_up = False
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    async def confirm(self, *, within: timedelta) -> None:
        self.asked.append(within)
        if self.error is not None:
            raise self.error
        try:
            await self.current.wait()
        except asyncio.CancelledError:
            self.given_up = True
            raise


class Silence:
    """No pods and no refusals; readings may wait for a sign."""

    def __init__(self) -> None:
        self.readable = asyncio.Event()
        self.readable.set()
        self.inspected: list[str] = []

    async def of(self, asked: Job | CronJobFacts) -> list[Pod]:
        name = asked.name if isinstance(asked, CronJobFacts) else asked.metadata.name
        self.inspected.append(name)
        await self.readable.wait()
        return []


class Refused:
    """The controller refuses nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def of(self, cron_job: CronJobFacts) -> str:
        self.asked.append(cron_job.name)
        return ""

    async def of_all(self) -> dict[Uid, str]:
        self.asked.append("all")
        return {Uid("cj-job"): "The controller says FailedCreate: no quota"}


class ScriptedPresences(Presences):
    """Counts how often the ping replicas' presence was looked at."""

    def __init__(self) -> None:
        self.checks = 0
        self.doubt = False

    @property
    def uncertain(self) -> bool:
        return self.doubt

    def check(self) -> None:
        self.checks += 1


class Court:
    """Evidence over streams that a test steers."""

    def __init__(self) -> None:
        self.cron_jobs, self.jobs, self.journal = (ScriptedStream() for _ in range(3))
        self.bench = Bench(NOW)
        self.pods, self.refused = Silence(), Refused()
        self.presences = ScriptedPresences()
        self.book = JobBook(self.pods, self.refused, SetClock())
        self.evidence = StreamEvidence(
            {
                Source.CRON_JOB: (self.cron_jobs, self.jobs),
                Source.PING: (self.journal,),
            },
            self.book,
            self.bench.ledger,
            self.presences,
        )

    @property
    def asked(self) -> list[int]:
        streams = (self.cron_jobs, self.jobs, self.journal)
        return [len(stream.asked) for stream in streams]


@pytest.fixture
def court() -> Court:
    return Court()


async def test_pings_need_the_journal_only(court: Court) -> None:
    await court.evidence.complete([court.bench.pinged("a"), court.bench.pinged("b")])
    assert court.asked == [0, 0, 1]
    assert court.journal.asked == [WITHIN]


async def test_for_pings_it_is_seen_whether_somebody_could_hear_them(
    court: Court,
) -> None:
    court.bench.cron_job()
    await court.evidence.complete([court.bench.watching()])
    assert court.presences.checks == 0
    await court.evidence.complete([court.bench.pinged()])
    assert court.presences.checks == 1


async def test_pings_are_not_judged_while_a_replica_may_have_ended(
    court: Court,
) -> None:
    court.presences.doubt = True
    with pytest.raises(EvidenceError, match="may have ended"):
        await court.evidence.complete([court.bench.pinged()])
    await court.evidence.complete([court.bench.watching()])


async def test_presences_are_looked_at_after_their_stream_was_confirmed(
    court: Court,
) -> None:
    court.journal.error = StaleError("stale")
    with pytest.raises(EvidenceError):
        await court.evidence.complete([court.bench.pinged()])
    assert court.presences.checks == 0


async def test_cronjobs_need_cronjobs_and_jobs(court: Court) -> None:
    court.bench.cron_job()
    await court.evidence.complete([court.bench.watching()])
    assert court.asked == [1, 1, 0]


async def test_a_mixed_batch_asks_each_stream_once(court: Court) -> None:
    court.bench.cron_job()
    entries = [court.bench.watching(), *(court.bench.pinged(n) for n in "abc")]
    await court.evidence.complete(entries)
    assert court.asked == [1, 1, 1]


async def test_nothing_due_needs_nothing(court: Court) -> None:
    await court.evidence.complete([])
    assert court.asked == [0, 0, 0]


@pytest.mark.parametrize(
    "error", [StaleError("jobs are stale"), Unreachable("gone"), Forbidden("no right")]
)
async def test_a_stream_that_cannot_confirm_is_no_evidence(
    court: Court, error: Exception
) -> None:
    court.bench.cron_job()
    court.jobs.error = error
    with pytest.raises(EvidenceError, match=str(error)):
        await court.evidence.complete([court.bench.watching()])


async def test_only_the_streams_that_are_needed_are_prepared(court: Court) -> None:
    court.bench.cron_job()
    court.evidence.prepare([court.bench.watching(), court.bench.watching("other")])
    assert (court.cron_jobs.prepared, court.jobs.prepared) == (1, 1)
    assert court.journal.prepared == 0
    court.evidence.prepare([court.bench.pinged()])
    assert (court.jobs.prepared, court.journal.prepared) == (1, 1)


async def test_several_that_cannot_are_one_error(court: Court) -> None:
    court.bench.cron_job()
    for stream in (court.cron_jobs, court.jobs, court.journal):
        stream.error = StaleError("stale")
    with pytest.raises(EvidenceError, match="stale"):
        await court.evidence.complete([court.bench.watching(), court.bench.pinged()])


async def test_the_others_are_given_up_with_the_first(court: Court) -> None:
    court.bench.cron_job()
    court.cron_jobs.current.clear()
    court.jobs.error = StaleError("stale")
    with pytest.raises(EvidenceError):
        await court.evidence.complete([court.bench.watching()])
    assert court.cron_jobs.given_up


async def test_a_bug_is_not_taken_for_missing_evidence(court: Court) -> None:
    court.journal.error = RuntimeError("a bug")
    with pytest.raises(ExceptionGroup) as caught:
        await court.evidence.complete([court.bench.pinged()])
    assert caught.group_contains(RuntimeError)


async def test_failed_jobs_are_explained_before_anything_is_judged(
    court: Court,
) -> None:
    court.bench.cron_job()
    court.pods.readable.clear()
    reading = asyncio.create_task(court.book.run())
    mine = [owner(uid="cj-job")]
    failed = {"conditions": [condition("Failed")]}
    court.book.see(job(status=failed, ownerReferences=mine))
    complete = asyncio.create_task(court.evidence.complete([court.bench.watching()]))
    await asyncio.wait([complete], timeout=0.01)
    assert not complete.done()
    court.pods.readable.set()
    await complete
    reading.cancel()
    await asyncio.wait([reading])


async def test_what_is_stuck_is_explained_for_each_due_cronjob(court: Court) -> None:
    court.bench.cron_job()
    court.bench.cron_job("other")
    pending = job("job-29000000", {"active": 1}, ownerReferences=[owner(uid="cj-job")])
    court.book.see(pending)
    entries = [court.bench.watching(), court.bench.watching("other")]
    await court.evidence.explain([*entries, court.bench.pinged()])
    assert court.pods.inspected == ["job-29000000"]
    assert court.refused.asked == ["other"]
    facts = court.bench.ledger.cron_job_of(entries[0])
    assert facts is not None
    assert list(court.book.hindrances(facts).pending.values())


async def test_a_missing_cronjob_has_nothing_to_explain(court: Court) -> None:
    await court.evidence.explain([court.bench.watching("gone")])
    assert (court.pods.inspected, court.refused.asked) == ([], [])


async def test_many_silent_cronjobs_are_explained_by_one_list(court: Court) -> None:
    names = ["job", *(f"job-{number}" for number in range(MOST_READ_ALONE))]
    for name in names:
        court.bench.cron_job(name)
    entries = [court.bench.watching(name) for name in names]
    await court.evidence.explain(entries)
    assert court.refused.asked == ["all"]
    facts = map(court.bench.ledger.cron_job_of, entries)
    told = [court.book.hindrances(each).refused for each in facts if each]
    assert told == ["The controller says FailedCreate: no quota"] + [""] * (
        len(names) - 1
    )


async def test_readings_that_are_given_up_leave_nothing_behind(court: Court) -> None:
    court.pods.readable.clear()
    for number in range(20):
        name = f"job-{number}"
        court.bench.cron_job(name)
        mine = [owner(uid=f"cj-{name}")]
        court.book.see(job(f"{name}-29000000", {"active": 1}, ownerReferences=mine))
    entries = [court.bench.watching(f"job-{number}") for number in range(20)]
    reading = asyncio.create_task(court.evidence.explain(entries))
    await asyncio.wait([reading], timeout=0.01)
    assert 1 < len(court.pods.inspected) < 20
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
