"""Finds out what the state machine does: every kind of fact, from every word.

A walk over the real core. From a monitor that was just created it tries each fact
that can happen next, and goes on from wherever that leads until nothing new is
reached. What it saw are edges. It expects nothing and knows no verdicts: what the
edges ought to be is written in docs/states.md.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from heartbeats.core.catchup import Gap, Remains, catch_up, told_once
from heartbeats.core.model import (
    Blindness,
    CheckIn,
    CronJobFacts,
    Judged,
    Kind,
    MonitorKey,
    Reason,
    Source,
    Spec,
    State,
    Trouble,
    Uid,
)
from heartbeats.core.policy import Surroundings, resolve
from heartbeats.core.runs import UNNAMED
from heartbeats.core.schedule import (
    Deadline,
    Expiry,
    deadlines,
    is_judged,
    late_at,
    next_deadline,
)
from heartbeats.core.silence import Hindrances, Missed, blind, expire, is_unseen
from heartbeats.core.transitions import JUDGED_AFTER, Subject, apply, arm
from heartbeats.core.verdict import Verdict, verdict
from heartbeats.edges.eventlog import for_check_in, for_flip, for_missed
from heartbeats.edges.kube.events import is_worth_telling

KEY = MonitorKey("shop", "nightly")
START_AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

HOURLY, HALF_PAST, BROKEN = "0 * * * *", "30 * * * *", "every day at noon"
CRON_JOB = CronJobFacts(
    uid=Uid("cj"), name="nightly", namespace="shop", schedule=HOURLY, time_zone="UTC"
)
WATCHING = Spec(
    source=Source.CRON_JOB, cron_job_name="nightly", max_runtime=62 * MINUTE
)
PINGED = Spec(
    source=Source.PING,
    interval=HOUR,
    max_runtime=10 * MINUTE,
    first_check_in_within=2 * HOUR,
)


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """A word, what happened, the word after it, and who was told of it."""

    before: str
    cause: str
    """The reason before."""
    fact: str
    after: str
    reason: str
    event: str
    """The reason of the Event; empty without one."""
    line: str
    """The `state` in the event log's line; empty without one."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A monitor at an instant, with what its users wrote."""

    spec: Spec
    cron_job: CronJobFacts | None
    state: State
    now: datetime
    count: int = 0
    """Numbers what is reported, so that nothing is reported twice."""

    def rules(self) -> tuple[Subject, Trouble | None]:
        """Return what the monitor is judged by."""
        return _rules(self.spec, self.cron_job, self.state.judged)

    def word(self) -> Verdict:
        """Return what the monitor says now."""
        return verdict(self.state, self.rules()[0].policy, now=self.now)

    def due(self) -> Deadline | None:
        """Return what silence would break next."""
        subject = self.rules()[0]
        return next_deadline(self.state, subject.policy, subject.table)

    def is_clear_until(self, at: datetime) -> bool:
        """Tell whether nothing but a report would change the word until then."""
        late = late_at(self.state, self.rules()[0].policy)
        deadline = self.due()
        return (late is None or not self.now < late <= at) and (
            deadline is None or deadline.at > at - JUDGED_AFTER
        )


@cache
def _rules(
    spec: Spec, cron_job: CronJobFacts | None, judged: Judged
) -> tuple[Subject, Trouble | None]:
    around = Surroundings(cron_job=cron_job, last_known=judged)
    policy, trouble = resolve(spec, around, now=START_AT)
    return Subject.of(Uid("uid"), policy, trouble, cron_job), trouble


@dataclass(frozen=True, slots=True)
class Happening:
    """A fact and the scene that it led to."""

    fact: str
    scene: Scene
    missed: tuple[Missed, ...] = ()
    check_in: CheckIn | None = None


def facts(scene: Scene) -> Iterator[Happening]:
    """Yield whatever may happen next, each with its consequence."""
    yield from _time(scene)
    for fact, check_in in _reports(scene):
        if scene.is_clear_until(check_in.at):
            yield _reported(scene, fact, check_in)
    at = scene.now + SECOND
    if scene.is_clear_until(at):
        for fact, spec, cron_job in _edits(scene):
            edited = replace(scene, spec=spec, cron_job=cron_job, now=at)
            yield Happening(fact, _armed(edited))
        if scene.spec.source is Source.PING:
            deaf = Blindness(began_at=scene.now, ended_at=at)
            state = blind(scene.state, scene.rules()[0], deaf)
            fact = "nobody can hear pings for a while"
            yield Happening(fact, replace(scene, state=state, now=at))
    yield from _unseen(scene)


def _time(scene: Scene) -> Iterator[Happening]:
    subject, _ = scene.rules()
    late, deadline = late_at(scene.state, subject.policy), scene.due()
    if late is not None and late > scene.now:
        if deadline is None or late < deadline.at:
            later = replace(scene, now=late)
            yield Happening("a run is due, and nothing has appeared", later)
            return
    if deadline is None:
        return
    if _coincides(scene, deadline):
        return
    for fact, known in _expiries(scene, deadline):
        step = expire(scene.state, subject, known, now=deadline.at)
        later = replace(scene, state=step.state, now=max(scene.now, deadline.at))
        yield Happening(fact, later, step.missed)


def _coincides(scene: Scene, deadline: Deadline) -> bool:
    """Tell whether more than one time is up: that tells nothing of either."""
    subject, _ = scene.rules()
    due_at = scene.state.next_expected_at
    everything = deadlines(scene.state, subject.policy, subject.table)
    if sum(each.at <= deadline.at for each in everything) > 1:
        return True
    if due_at is None or deadline.expiry is not Expiry.FINISH:
        return False
    return due_at + subject.policy.grace <= deadline.at


def _expiries(scene: Scene, deadline: Deadline) -> Iterator[tuple[str, Hindrances]]:
    """Name the passing of a deadline by what was awaited."""
    policy = scene.rules()[0].policy
    few = _few(scene)
    if is_unseen(scene.state, deadline):
        yield "a time ends in which nobody could hear", Hindrances()
    elif deadline.expiry is Expiry.FIRST_CHECK_IN:
        yield "nothing came within `firstCheckInWithin`" + few, Hindrances()
    elif deadline.expiry is Expiry.FINISH:
        yield "a started run does not end in time" + few, Hindrances()
    elif policy.orphaned:
        yield "a window expires, the CronJob being gone" + few, Hindrances()
    else:
        yield "a window expires" + few, Hindrances()
        if policy.source is Source.CRON_JOB and deadline.slot_at is not None:
            stuck = Hindrances({deadline.slot_at: "ImagePullBackOff"})
            yield "a window expires, its pod not being ready" + few, stuck


def _reported(scene: Scene, fact: str, check_in: CheckIn) -> Happening:
    step = apply(scene.state, scene.rules()[0], check_in)
    after = replace(
        scene,
        state=step.state,
        now=max(scene.now, check_in.at),
        count=scene.count + 1,
    )
    heard = None if step.state == scene.state else check_in
    return Happening(fact, after, step.missed, heard)


def _reports(scene: Scene) -> Iterator[tuple[str, CheckIn]]:
    run = _new_run(scene)
    yield "a run starts", replace(run, kind=Kind.START)
    for good in (run, *_ends(scene)):
        bad = replace(good, kind=Kind.FAILURE)
        yield from ((_named(scene, each), each) for each in (good, bad))
    if scene.spec.source is Source.PING:
        yield from _pings(scene, run)
    else:
        yield from _jobs(scene, run)
    last = scene.state.last_check_in
    if last is not None and last.revision is None and last.kind.is_outcome:
        yield "a report is seen again", last


def _new_run(scene: Scene) -> CheckIn:
    """Return the success of a run that nothing was heard of before."""
    number = scene.count + 1
    at = scene.now + SECOND
    name = f"run-{number}"
    if scene.spec.source is Source.PING:
        source = f"host-{number}"
        return CheckIn(
            id=name, kind=Kind.SUCCESS, at=at, source=source, revision=number
        )
    slot_at = _slot(scene)
    at = max(at, slot_at + 5 * SECOND)
    return CheckIn(
        id=name,
        kind=Kind.SUCCESS,
        at=at,
        run_id=name,
        slot_at=slot_at,
        started_at=slot_at,
    )


def _slot(scene: Scene) -> datetime:
    subject, _ = scene.rules()
    due_at = scene.state.next_expected_at
    if due_at is not None and due_at + subject.policy.grace > scene.now:
        return due_at
    hour = scene.now.replace(minute=0, second=0, microsecond=0)
    return subject.table.next_after(scene.now) or hour + HOUR


def _ends(scene: Scene) -> Iterator[CheckIn]:
    """Return successes of the Jobs that have started; pings carry no run id here."""
    for run in scene.state.active_runs:
        if scene.spec.source is Source.CRON_JOB and not run.vanished:
            yield CheckIn(
                id=f"{run.id}-end",
                kind=Kind.SUCCESS,
                at=scene.now + SECOND,
                run_id=run.id,
                slot_at=run.slot_at,
                started_at=run.started_at,
            )


def _named(scene: Scene, check_in: CheckIn, what: str = "a run") -> str:
    """Name an outcome by what there is to know before it is judged."""
    state, policy = scene.state, scene.rules()[0].policy
    newest = state.applied.newest_run_at
    if newest and check_in.slot_at and check_in.slot_at < newest:
        return "a run ends that is older than the newest"
    if check_in.kind is Kind.SUCCESS:
        good = state.consecutive_successes + 1
        few = state.incident is not None and good < policy.recovery_threshold
        few = few and not policy.suspended
        return f"{what} succeeds" + ", below `recoveryThreshold`" * few
    if _was_counted(scene, check_in):
        return f"{what} fails that counted as missed or overdue"
    return f"{what} fails{_few(scene)}"


def _few(scene: Scene) -> str:
    policy = scene.rules()[0].policy
    few = scene.state.consecutive_failures + 1 < policy.failure_threshold
    return ", below `failureThreshold`" if few and not policy.suspended else ""


def _was_counted(scene: Scene, check_in: CheckIn) -> bool:
    """Tell whether silence was counted against the run that now reports."""
    state = scene.state
    for run in state.active_runs:
        if run.id == (check_in.run_id or UNNAMED) and run.id in state.counted_runs:
            return not run.unseen
    due_at = state.next_expected_at
    if not state.counted_slots or scene.spec.source is Source.CRON_JOB:
        return check_in.slot_at in state.counted_slots
    return due_at is not None and check_in.at < due_at


def _pings(scene: Scene, run: CheckIn) -> Iterator[tuple[str, CheckIn]]:
    yield "a log line comes", replace(run, kind=Kind.LOG)
    echo = replace(run, kind=Kind.FAILURE, ambiguous=True)
    yield "a failure comes that may be the echo of a refused success", echo
    last, incident = scene.state.last_check_in, scene.state.incident
    is_open = bool(scene.state.active_runs)
    if last is not None and last.kind.is_outcome and not is_open:
        again = replace(last, id=run.id, at=run.at, revision=run.revision)
        if run.at - last.at < MINUTE:
            yield "a client repeats its ping within a minute", again
    if incident is not None and incident.reason is Reason.RUN_MISSED:
        in_time = replace(run, at=incident.opened_at - SECOND)
        yield "a ping is found that had come in time", in_time


def _jobs(scene: Scene, run: CheckIn) -> Iterator[tuple[str, CheckIn]]:
    by_hand = replace(run, at=scene.now + SECOND, slot_at=None, scheduled=False)
    yield _named(scene, by_hand, "a run started by hand"), by_hand
    yield "a run started by hand fails", replace(by_hand, kind=Kind.FAILURE)
    if is_judged(scene.state, scene.rules()[0].policy):
        stray = replace(run, slot_at=_slot(scene) + 7 * MINUTE)
        yield (
            _named(scene, stray, "a run of a time that the schedule lacks"),
            stray,
        )
    newest = scene.state.applied.newest_run_at
    if newest is not None:
        older = replace(run, at=scene.now + SECOND, slot_at=newest - HOUR)
        yield (
            "a run ends that is older than the newest",
            replace(older, kind=Kind.FAILURE),
        )
    for active in scene.state.active_runs:
        gone = replace(run, kind=Kind.VANISHED, at=scene.now + SECOND, run_id=active.id)
        yield "a Job is deleted before its end", gone


def _edits(scene: Scene) -> Iterator[tuple[str, Spec, CronJobFacts | None]]:
    spec, cron_job = scene.spec, scene.cron_job
    turned = replace(spec, suspend=not spec.suspend)
    yield "it is resumed" if spec.suspend else "it is suspended", turned, cron_job
    if spec.source is Source.PING:
        yield from ((fact, new, None) for fact, new in _edits_of_interval(spec))
    elif cron_job is None:
        yield "the CronJob is created", spec, CRON_JOB
    else:
        yield "the CronJob is deleted", spec, None
        yield from ((fact, spec, new) for fact, new in _edits_of_schedule(cron_job))


def _edits_of_interval(spec: Spec) -> Iterator[tuple[str, Spec]]:
    if spec.interval is None:
        yield "the timetable is mended", replace(spec, interval=HOUR)
        return
    yield "the timetable is edited", replace(spec, interval=3 * HOUR - spec.interval)
    yield "the timetable is broken", replace(spec, interval=None)


def _edits_of_schedule(cron_job: CronJobFacts) -> Iterator[tuple[str, CronJobFacts]]:
    if cron_job.schedule == BROKEN or cron_job.time_zone != CRON_JOB.time_zone:
        yield "the timetable is mended", CRON_JOB
        return
    other = HALF_PAST if cron_job.schedule == HOURLY else HOURLY
    yield "the timetable is edited", replace(cron_job, schedule=other)
    yield "the timetable is broken", replace(cron_job, schedule=BROKEN)
    yield "the timetable is broken", replace(cron_job, time_zone="Mars/Olympus")


def _unseen(scene: Scene) -> Iterator[Happening]:
    """Yield that a Job was made and is gone when the operator looks again."""
    subject, _ = scene.rules()
    state, cron_job, due_at = scene.state, scene.cron_job, scene.state.next_expected_at
    if cron_job is None or due_at is None or not is_judged(state, subject.policy):
        return
    later = due_at + 20 * MINUTE
    if later <= scene.now or state.active_runs:
        return
    for fact, ended_at in (
        ("a Job came and went unseen", None),
        ("a Job came and went unseen, with success", due_at + MINUTE),
    ):
        seen = replace(cron_job, last_schedule_at=due_at, last_success_at=ended_at)
        caught = catch_up(state, subject, Gap(state, Remains(seen)), now=later)
        step = expire(caught, subject, now=later - JUDGED_AFTER)
        after = replace(scene, state=told_once(state, step.state), now=later)
        yield Happening(fact, after, step.missed)


def _armed(scene: Scene) -> Scene:
    subject, trouble = scene.rules()
    return replace(scene, state=arm(scene.state, subject, trouble, now=scene.now))


def created() -> list[Scene]:
    """Return monitors that were just created, each source, good and bad."""
    broken = replace(CRON_JOB, schedule=BROKEN)
    stray = replace(CRON_JOB, time_zone="Mars/Olympus")
    sources: list[tuple[Spec, CronJobFacts | None]] = [
        *((WATCHING, cron_job) for cron_job in (CRON_JOB, broken, stray, None)),
        *((spec, None) for spec in (PINGED, replace(PINGED, interval=None))),
    ]
    return [
        _armed(
            Scene(
                replace(
                    spec,
                    failure_threshold=threshold,
                    recovery_threshold=threshold,
                    suspend=suspend,
                ),
                cron_job,
                State(),
                START_AT,
            )
        )
        for spec, cron_job in sources
        for threshold in (1, 2)
        for suspend in (False, True)
    ]


def walk() -> set[Edge]:
    """Return every edge that is reached from a monitor's creation."""
    seen: set[Hashable] = set()
    waiting = deque(created())
    edges = {_edge(None, Happening("it is created", scene)) for scene in waiting}
    while waiting:
        scene = waiting.popleft()
        if _likeness(scene) in seen:
            continue
        seen.add(_likeness(scene))
        scene = replace(scene, state=replace(scene.state, pending_flips=()))
        before = scene.word()
        for happening in facts(scene):
            edges.add(_edge(before, happening))
            waiting.append(happening.scene)
    return edges


def _edge(before: Verdict | None, happening: Happening) -> Edge:
    word = happening.scene.word()
    flips = happening.scene.state.pending_flips
    assert len(flips) <= 1, f"one fact made several flips: {happening}"
    lines = [for_flip(KEY, flip, "") for flip in flips]
    lines += [for_missed(KEY, missed, "") for missed in happening.missed]
    if happening.check_in is not None:
        lines.append(for_check_in(KEY, happening.check_in, ""))
    return Edge(
        before=before.health if before else "",
        cause=before.reason if before else "",
        fact=happening.fact,
        after=word.health,
        reason=word.reason,
        event="".join(flip.reason for flip in flips if is_worth_telling(flip)),
        line=" and ".join(str(line["state"]) for line in lines if line),
    )


def _likeness(scene: Scene) -> Hashable:
    """Return what two scenes share from which the same edges lead on."""
    state, word = scene.state, scene.word()
    return (
        (scene.spec.source, scene.spec.suspend, scene.spec.failure_threshold),
        (word.health, word.reason),
        state.incident and state.incident.reason,
        state.trouble and state.trouble.reason,
        (state.mismatch_at, state.ambiguous_at, state.blind_at).count(None),
        state.unseen_slot_at is None,
        state.consecutive_failures > 0,
        state.consecutive_successes > 0,
        len(state.active_runs) > 0,
        any(run.vanished or run.unseen for run in state.active_runs),
        len(state.counted_runs) > 0,
        state.last_success_at is None and state.last_failure_at is None,
        scene.due() is None,
    )
