"""Finds out what the state machine does: every kind of fact, from every word.

A walk over the real core. From a monitor that was just created it tries each fact
that can happen next, and goes on from wherever that leads until nothing new is
reached. What it saw are edges. It expects nothing: what the edges ought to be is
written in docs/states.md.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from msgspec import Struct
from msgspec.structs import replace

from heartbeats.core.catchup import Gap, catch_up, told_once
from heartbeats.core.model import (
    Blindness,
    CheckIn,
    CronJobFacts,
    Judged,
    Kind,
    MonitorKey,
    Policy,
    Reason,
    Source,
    Spec,
    State,
    Trouble,
    Uid,
)
from heartbeats.core.policy import Surroundings, resolve
from heartbeats.core.remains import Remains
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
NEVER = datetime(2100, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DUE = "a run is due, and nothing has appeared"

HOURLY, HALF_PAST, NO_SCHEDULE, NO_ZONE = (
    "0 * * * *",
    "30 * * * *",
    "every day at noon",
    "Mars/Olympus",
)
CRON_JOB = CronJobFacts(
    uid=Uid("cj"), name="nightly", namespace="shop", schedule=HOURLY, time_zone="UTC"
)
# Its limit ends within the window after the next slot: a run can be overdue while
# another is late.
WATCHING = Spec(
    source=Source.CRON_JOB, cron_job_name="nightly", max_runtime=62 * MINUTE
)
PINGED = Spec(
    source=Source.PING,
    interval=HOUR,
    max_runtime=10 * MINUTE,
    first_check_in_within=2 * HOUR,
)


@dataclass(frozen=True, slots=True)
class Edge:
    """What a monitor said, what happened, what it says now, and who was told."""

    before: Verdict | None
    """None: there was no monitor."""
    fact: str
    after: Verdict
    event: Reason | None
    lines: tuple[str, ...]
    """The `state` of each line in the event log."""
    scene: "Scene"
    """The monitor after it."""

    @property
    def stays(self) -> bool:
        """True when the word is the same as before."""
        return self.before is not None and self.before.health is self.after.health


class Scene(Struct, frozen=True):
    """A monitor at an instant, with what its users wrote."""

    spec: Spec
    cron_job: CronJobFacts | None
    state: State
    now: datetime
    count: int = 0
    """Numbers what is reported, so that nothing is reported twice."""

    @property
    def subject(self) -> Subject:
        """What the monitor is judged by."""
        return _rules(self.spec, self.cron_job, self.state.judged)[0]

    @property
    def policy(self) -> Policy:
        """What is really applied to it."""
        return self.subject.policy

    @property
    def says(self) -> Verdict:
        """What it says now."""
        return verdict(self.state, self.policy, now=self.now)

    @property
    def deadline(self) -> Deadline | None:
        """What silence would break next."""
        return next_deadline(self.state, self.policy, self.subject.table)

    @property
    def is_pinged(self) -> bool:
        """True for a monitor of pings."""
        return self.spec.source is Source.PING

    @property
    def is_past_due(self) -> bool:
        """True when a run is late, whatever word is said."""
        late = late_at(self.state, self.policy)
        return late is not None and late <= self.now

    @property
    def changes_at(self) -> datetime:
        """When time alone changes something; reports before it stand alone."""
        late, deadline = late_at(self.state, self.policy), self.deadline
        ends = [deadline.at + JUDGED_AFTER] if deadline is not None else []
        if late is not None and late > self.now:
            ends.append(late)
        return min(ends, default=NEVER)

    def armed(self) -> "Scene":
        """Take over what users wrote."""
        subject, trouble = _rules(self.spec, self.cron_job, self.state.judged)
        state = arm(self.state, subject, trouble, now=self.now)
        return replace(self, state=state)


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


def created() -> Iterator[Scene]:
    """Yield monitors that were just created, each source, usable and not."""
    sources: tuple[tuple[Spec, CronJobFacts | None], ...] = (
        (WATCHING, CRON_JOB),
        (WATCHING, replace(CRON_JOB, schedule=NO_SCHEDULE)),
        (WATCHING, replace(CRON_JOB, time_zone=NO_ZONE)),
        (WATCHING, None),
        (PINGED, None),
        (replace(PINGED, interval=None), None),
    )
    for spec, cron_job in sources:
        for threshold in (1, 2):
            wanted = replace(
                spec, failure_threshold=threshold, recovery_threshold=threshold
            )
            for suspend in (False, True):
                written = replace(wanted, suspend=suspend)
                yield Scene(written, cron_job, State(), START_AT).armed()


def walk() -> list[Edge]:
    """Return every edge that is reached from a monitor's creation."""
    seen: set[Hashable] = set()
    waiting = deque(created())
    edges = [_edge(None, Happening("the monitor is created", one)) for one in waiting]
    while waiting:
        scene = waiting.popleft()
        if _likeness(scene) in seen:
            continue
        seen.add(_likeness(scene))
        scene = replace(scene, state=replace(scene.state, pending_flips=()))
        for happening in facts(scene):
            edges.append(_edge(scene.says, happening))
            waiting.append(happening.scene)
    return edges


def _edge(before: Verdict | None, happening: Happening) -> Edge:
    flips = happening.scene.state.pending_flips
    assert len(flips) <= 1, f"one fact made several flips: {happening}"
    lines = [for_flip(KEY, flip, "") for flip in flips]
    lines += [for_missed(KEY, missed, "") for missed in happening.missed]
    if happening.check_in is not None:
        lines.append(for_check_in(KEY, happening.check_in, ""))
    told = [flip.reason for flip in flips if is_worth_telling(flip)]
    return Edge(
        before=before,
        fact=happening.fact,
        after=happening.scene.says,
        event=told[0] if told else None,
        lines=tuple(str(line["state"]) for line in lines if line),
        scene=happening.scene,
    )


def _likeness(scene: Scene) -> Hashable:
    """Return what two scenes share from which the same edges lead on."""
    state, says = scene.state, scene.says
    return (
        (scene.spec.source, scene.spec.suspend, scene.spec.failure_threshold),
        (says.health, says.reason),
        state.incident and state.incident.reason,
        state.trouble and state.trouble.reason,
        (state.mismatch_at, state.ambiguous_at, state.blind_at).count(None),
        state.unseen_slot_at is None,
        state.consecutive_failures > 0,
        state.consecutive_successes > 0,
        len(state.active_runs) > 0,
        any(run.vanished or run.unseen for run in state.active_runs),
        (len(state.counted_runs) > 0, len(state.counted_slots) > 0),
        state.last_success_at is None and state.last_failure_at is None,
        scene.deadline is None,
        scene.is_past_due,
    )


# What may happen next


def facts(scene: Scene) -> Iterator[Happening]:
    """Yield whatever may happen next, each with its consequence."""
    yield from _time(scene)
    yield from _unwatched(scene)
    at, end = scene.now + SECOND, scene.changes_at
    for fact, check_in in _reports(scene):
        if check_in.at < end:
            yield _reported(scene, fact, check_in)
    if at >= end:
        return
    for fact, spec, cron_job in _edits(scene):
        edited = replace(scene, spec=spec, cron_job=cron_job, now=at)
        yield Happening(fact, edited.armed())
    if scene.is_pinged:
        deaf = Blindness(began_at=scene.now, ended_at=at)
        state = blind(scene.state, scene.subject, deaf)
        fact = "pings cannot be heard for a while"
        yield Happening(fact, replace(scene, state=state, now=at))


def _time(scene: Scene) -> Iterator[Happening]:
    late, deadline = late_at(scene.state, scene.policy), scene.deadline
    soon = late is not None and (deadline is None or late < deadline.at)
    if late is not None and soon and late > scene.now:
        later = replace(scene, now=late)
        yield Happening(DUE, later)
    elif deadline is not None and not _coincides(scene, deadline):
        for fact, known in _expiries(scene, deadline):
            step = expire(scene.state, scene.subject, known, now=deadline.at)
            later = replace(scene, state=step.state, now=max(scene.now, deadline.at))
            yield Happening(fact, later, step.missed)


def _coincides(scene: Scene, deadline: Deadline) -> bool:
    """Tell whether more than one time is up: that shows nothing of either."""
    everything = deadlines(scene.state, scene.policy, scene.subject.table)
    return sum(each.at <= deadline.at for each in everything) > 1


def _expiries(scene: Scene, deadline: Deadline) -> Iterator[tuple[str, Hindrances]]:
    """Name the passing of a deadline by what was awaited."""
    few = _few(scene)
    if is_unseen(scene.state, deadline):
        yield "a deadline passes, but pings could not be heard", Hindrances()
    elif deadline.expiry is Expiry.FIRST_CHECK_IN:
        yield "nothing has come within `firstCheckInWithin`" + few, Hindrances()
    elif deadline.expiry is Expiry.FINISH:
        yield "a started run has not ended in time" + few, Hindrances()
    elif few:
        yield "a window expires" + few, Hindrances()
    elif scene.policy.orphaned:
        yield "a window expires, and the CronJob is gone", Hindrances()
    else:
        yield "a window expires", Hindrances()
        if not scene.is_pinged and deadline.slot_at is not None:
            stuck = Hindrances({deadline.slot_at: "ImagePullBackOff"})
            yield "a window expires, and the Job's pod is not ready", stuck


def _few(scene: Scene) -> str:
    bad = scene.state.consecutive_failures + 1
    few = bad < scene.policy.failure_threshold and not scene.policy.suspended
    return ", below `failureThreshold`" if few else ""


def _reported(scene: Scene, fact: str, check_in: CheckIn) -> Happening:
    step = apply(scene.state, scene.subject, check_in)
    later = replace(
        scene,
        state=step.state,
        now=max(scene.now, check_in.at),
        count=scene.count + 1,
    )
    # What changes nothing was counted before, and is not told.
    told = None if step.state == scene.state else check_in
    return Happening(fact, later, step.missed, told)


def _reports(scene: Scene) -> Iterator[tuple[str, CheckIn]]:
    run = _new_run(scene)
    yield "a run starts", replace(run, kind=Kind.START)
    for good in (run, *_ends(scene)):
        yield _ended(scene, good), good
        bad = replace(good, kind=Kind.FAILURE)
        yield _ended(scene, bad), bad
    yield from _pings(scene, run) if scene.is_pinged else _jobs(scene, run)


def _new_run(scene: Scene) -> CheckIn:
    """Return the success of a run that nothing was heard of before."""
    number, at = scene.count + 1, scene.now + SECOND
    name, host = f"run-{number}", f"host-{number}"
    run = CheckIn(id=name, kind=Kind.SUCCESS, at=at, source=host)
    if scene.is_pinged:
        return replace(run, revision=number)
    slot_at = _slot(scene)
    at = max(at, slot_at + 5 * SECOND)
    return replace(run, at=at, run_id=name, slot_at=slot_at, started_at=slot_at)


def _slot(scene: Scene) -> datetime:
    due_at = scene.state.next_expected_at
    if due_at is not None and due_at + scene.policy.grace > scene.now:
        return due_at
    hour = scene.now.replace(minute=0, second=0, microsecond=0)
    return scene.subject.table.next_after(scene.now) or hour + HOUR


def _ends(scene: Scene) -> Iterator[CheckIn]:
    """Yield the ends of started Jobs; the pings here carry no run id."""
    for run in scene.state.active_runs:
        if not scene.is_pinged and not run.vanished:
            yield CheckIn(
                id=f"{run.id}-end",
                kind=Kind.SUCCESS,
                at=scene.now + SECOND,
                run_id=run.id,
                slot_at=run.slot_at,
                started_at=run.started_at,
            )


def _ended(scene: Scene, check_in: CheckIn, what: str = "a run") -> str:
    """Name an outcome by what is known before it is judged."""
    state, newest = scene.state, scene.state.applied.newest_run_at
    if newest and check_in.slot_at and check_in.slot_at < newest:
        return "a run ends that is older than the newest"
    if check_in.kind is Kind.FAILURE:
        if _was_counted(scene, check_in):
            return f"{what} fails that counts as bad already"
        return f"{what} fails{_few(scene)}"
    good = state.consecutive_successes + 1
    few = state.incident and good < scene.policy.recovery_threshold
    few = few and not scene.policy.suspended
    return f"{what} succeeds" + (", below `recoveryThreshold`" if few else "")


def _was_counted(scene: Scene, check_in: CheckIn) -> bool:
    """Tell whether silence was counted against the run that now reports."""
    if not scene.state.consecutive_failures:
        return False  # a success since then has made up for it
    state, name = scene.state, check_in.run_id or UNNAMED
    missed = [run for run in state.history if run.outcome == "missed"]
    for run in state.active_runs:
        if run.id == name and any(
            each.id == name and each.at > run.started_at for each in missed
        ):
            return True
    if not scene.is_pinged:
        return any(each.slot_at == check_in.slot_at for each in missed)
    # What was missed before a pause or an edit is no longer any ping's window.
    missed = [each for each in missed if state.armed_at and each.at > state.armed_at]
    due_at = state.next_expected_at
    if due_at is None or not missed or missed[0] != state.history[0]:
        return False
    # What never came at all, `firstCheckInWithin`, was no window of a run.
    return check_in.at < due_at


def _pings(scene: Scene, run: CheckIn) -> Iterator[tuple[str, CheckIn]]:
    state, last = scene.state, scene.state.last_check_in
    yield "a log line comes", replace(run, kind=Kind.LOG)
    echo = replace(run, kind=Kind.FAILURE, ambiguous=True)
    yield "a failure comes that may be the echo of a refused success", echo
    is_told = last is not None and last.kind.is_outcome and not state.active_runs
    if last is not None and is_told and run.at - last.at < MINUTE:
        again = replace(last, id=run.id, at=run.at, revision=run.revision)
        yield "a client repeats its ping within a minute", again
    if state.incident is not None and state.incident.reason is Reason.RUN_MISSED:
        in_time = replace(run, at=state.incident.opened_at - SECOND)
        yield "a ping is found that had come in time", in_time


def _jobs(scene: Scene, run: CheckIn) -> Iterator[tuple[str, CheckIn]]:
    state, now = scene.state, replace(run, at=scene.now + SECOND)
    by_hand = replace(now, slot_at=None, scheduled=False)
    yield _ended(scene, by_hand, "a run started by hand"), by_hand
    yield "a run started by hand fails", replace(by_hand, kind=Kind.FAILURE)
    if is_judged(state, scene.policy):
        stray = replace(run, slot_at=_slot(scene) + 7 * MINUTE)
        what = "a run for a time that the schedule lacks"
        yield _ended(scene, stray, what), stray
    if scene.says.reason is Reason.SCHEDULE_MISMATCH:
        slot_at = _slot(scene) + DAY
        known = replace(run, at=slot_at, slot_at=slot_at, started_at=slot_at)
        yield "a run succeeds as scheduled, a day after the last odd one", known
    newest = state.applied.newest_run_at
    if newest is not None:
        older = replace(now, slot_at=newest - HOUR, kind=Kind.FAILURE)
        yield _ended(scene, older), older
    for active in state.active_runs:
        gone = replace(now, kind=Kind.VANISHED, run_id=active.id)
        yield "a Job is deleted before its end", gone
    if state.last_check_in is not None and state.last_check_in.kind.is_outcome:
        yield "a Job that was counted is seen again", state.last_check_in


def _edits(scene: Scene) -> Iterator[tuple[str, Spec, CronJobFacts | None]]:
    spec, cron_job = scene.spec, scene.cron_job
    turned = replace(spec, suspend=not spec.suspend)
    fact = "the suspension ends" if spec.suspend else "it or its CronJob is suspended"
    yield fact, turned, cron_job
    if scene.is_pinged:
        yield from ((fact, new, None) for fact, new in _edits_of_interval(spec))
    elif cron_job is None:
        yield "the CronJob is created, or created again", spec, CRON_JOB
    else:
        yield "the CronJob is deleted", spec, None
        yield from ((fact, spec, new) for fact, new in _edits_of_schedule(cron_job))


def _edits_of_interval(spec: Spec) -> Iterator[tuple[str, Spec]]:
    if spec.interval is None:
        yield "an unusable timetable is mended", replace(spec, interval=HOUR)
        return
    yield "the timetable is edited", replace(spec, interval=3 * HOUR - spec.interval)
    yield "the timetable becomes unusable", replace(spec, interval=None)


def _edits_of_schedule(cron_job: CronJobFacts) -> Iterator[tuple[str, CronJobFacts]]:
    if cron_job.schedule == NO_SCHEDULE or cron_job.time_zone == NO_ZONE:
        yield "an unusable timetable is mended", CRON_JOB
        return
    other = HALF_PAST if cron_job.schedule == HOURLY else HOURLY
    yield "the timetable is edited", replace(cron_job, schedule=other)
    yield "the timetable becomes unusable", replace(cron_job, schedule=NO_SCHEDULE)
    yield "the timetable becomes unusable", replace(cron_job, time_zone=NO_ZONE)


def _unwatched(scene: Scene) -> Iterator[Happening]:
    """Yield that a Job was made and is gone when the operator looks again."""
    state, cron_job, due_at = scene.state, scene.cron_job, scene.state.next_expected_at
    if cron_job is None or due_at is None or not is_judged(state, scene.policy):
        return
    later = due_at + 20 * MINUTE
    if later <= scene.now or state.active_runs:
        return
    fact = "a Job came and went while nobody watched"
    for how, ended_at in (("", None), (", and succeeded", due_at + MINUTE)):
        seen = replace(cron_job, last_schedule_at=due_at, last_success_at=ended_at)
        gap = Gap(state, Remains(seen))
        caught = catch_up(state, scene.subject, gap, now=later)
        step = expire(caught, scene.subject, now=later - JUDGED_AFTER)
        told = told_once(state, step.state)
        yield Happening(fact + how, replace(scene, state=told, now=later), step.missed)
