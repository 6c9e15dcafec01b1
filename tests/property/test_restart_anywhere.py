"""An operator that is restarted anywhere ends in the same status as one that is not.

Both start as the operator does: with lists of what still exists, the journal, and
the status that was stored last; what was counted already comes again.
"""

from datetime import datetime
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from heartbeats.core.model import CronJobFacts, Source, Spec
from heartbeats.core.presence import Presence
from support.builders import HOUR, MINUTE, NOW
from support.histories import CRON_JOB, Cluster, Json
from support.restarted import SCHEDULES, Play

Step = tuple[str, int, int]
SECONDS = st.sampled_from([1, 20, 70, 310, 900, 1900, 3600, 7300])
FATES = ("stall", "kill", "revive")
RUNS = ("create", "create", "create", "get_ready", "succeed", "succeed", "fail")
RULES: dict[str, st.SearchStrategy[Any]] = {
    "grace": st.sampled_from([None, MINUTE, 20 * MINUTE]),
    "max_runtime": st.sampled_from([None, None, 10 * MINUTE, HOUR]),
    "failure_threshold": st.sampled_from([1, 1, 2, 3]),
    "recovery_threshold": st.sampled_from([1, 1, 2]),
    "history_limit": st.sampled_from([0, 3, 10]),
}
WATCHED = st.builds(
    Spec, source=st.just(Source.CRON_JOB), cron_job_name=st.just("nightly"), **RULES
)
PINGED = st.builds(
    Spec,
    source=st.just(Source.PING),
    first_check_in_within=st.sampled_from([None, 2 * HOUR]),
    **RULES,
)
CRON_JOBS = st.builds(
    CronJobFacts,
    uid=st.just(CRON_JOB),
    name=st.just("nightly"),
    namespace=st.just("shop"),
    generation=st.just(1),
    schedule=st.sampled_from(SCHEDULES),
    concurrency_policy=st.sampled_from(["Allow", "Forbid"]),
    created_at=st.just(NOW - 10 * MINUTE),
    last_schedule_at=st.just(NOW),
)


def histories(*names: str) -> st.SearchStrategy[list[Step]]:
    step = st.tuples(st.sampled_from(names), SECONDS, st.integers(0, 23))
    return st.lists(step, min_size=10, max_size=40)


def statuses(play: Play) -> tuple[Json, Json]:
    """Return the statuses in the end: of the restarted operator, of the other one."""
    play.revive()
    play.wait(1)
    assert play.restarted is not None
    return play.restarted.status(), play.constant.status()


def assert_told_once(play: Play) -> None:
    """Every flip has the same name for both, and only what nobody stored is lacking.

    What began and ended between two operators is history, and no news.
    """
    told = play.constant.told
    assert play.told <= told.keys()
    for name in told.keys() - play.told:
        at = told[name].at
        assert any(since <= at <= until for since, until in play.unstored)


@settings(deadline=None)
@given(
    spec=WATCHED,
    cron_job=CRON_JOBS,
    steps=histories(*RUNS, "run_by_hand", "remove", "edit", "edit_cron_job", *FATES),
)
def test_a_cron_jobs_status_is_the_same_wherever_the_operator_was_restarted(
    spec: Spec, cron_job: CronJobFacts, steps: list[Step]
) -> None:
    play = Play(Cluster(spec, cron_job, now=NOW + MINUTE))
    play.play(steps)
    restarted, constant = statuses(play)
    assert restarted == constant
    assert_told_once(play)


@settings(deadline=None)
@given(
    spec=PINGED,
    schedule=st.sampled_from([None, None, *SCHEDULES]),
    steps=histories(*["ping"] * 5, "refuse", "refuse", "edit", "kill", *FATES),
)
def test_a_pings_status_is_the_same_wherever_the_operator_was_restarted(
    spec: Spec, schedule: str | None, steps: list[Step]
) -> None:
    spec = replace(spec, schedule=schedule, interval=None if schedule else HOUR)
    play = Play(Cluster(spec, now=NOW, presences=[Presence(NOW, NOW)]))
    play.play(steps)
    restarted, constant = statuses(play)
    assert restarted == constant
    assert_told_once(play)


UNDOUBTED = ("state", "nextExpectedTime", "consecutiveFailures", "incident")
"""What two good runs make certain again, whatever was lost before."""


HOURLY = Spec(source=Source.CRON_JOB, cron_job_name="nightly", failure_threshold=1)
FORBIDDING = CronJobFacts(
    uid=CRON_JOB,
    name="nightly",
    namespace="shop",
    generation=1,
    schedule="0 * * * *",
    concurrency_policy="Forbid",
    created_at=NOW - 10 * MINUTE,
    last_schedule_at=NOW,
)
HELD_UP: list[Step] = [
    *[("create", 1, 0)] * 5,
    *[("create", 1900, 0), ("kill", 1900, 0), ("create", 1, 0), ("succeed", 7300, 0)],
]
"""A run of 13:00 begins and ends at 15:06 while nobody watches."""
HOLDING_UP: list[Step] = [
    *[("create", 1, 0)] * 4,
    *[("kill", 3600, 0), ("create", 1, 0), ("succeed", 7300, 0), ("create", 1, 0)],
    *[("remove", 1, 0), ("remove", 7300, 0)],
]
"""A run of 15:00, begun behind one that succeeded, is deleted at 17:04, unfinished."""


@settings(deadline=None, max_examples=60)
@given(
    spec=WATCHED,
    cron_job=CRON_JOBS,
    steps=histories(*RUNS, *["remove"] * 3, "kill", *FATES),
)
@example(HOURLY, FORBIDDING, [*HELD_UP, ("remove", 1, 0)])
@example(HOURLY, FORBIDDING, [*HELD_UP, ("create", 1, 0), ("remove", 1, 0)])
@example(HOURLY, FORBIDDING, HOLDING_UP)
def test_what_was_deleted_unseen_is_never_bad_and_soon_forgotten(
    spec: Spec, cron_job: CronJobFacts, steps: list[Step]
) -> None:
    """The two may differ in everything else until a run was seen again.

    No newer Job comes before the restart: it would hide that a Job was deleted.
    """
    spec = replace(spec, history_limit=100)
    play = Play(Cluster(spec, cron_job, now=NOW + MINUTE), is_careful=False)
    play.play(steps)
    restarted, constant = statuses(play)
    held, known = bad_runs(restarted), set(bad_runs(constant).values())
    # One incident stands for all that expires in it.
    alone = {line for at, line in held.items() if not play.constant.was_down(at)}
    # How long a run may take depends on runs that one of them never saw: the same
    # hang may show as the run's or as that of a slot that it holds up.
    assert len(alone - known) <= len(known - set(held.values()))
    play.recover()
    restarted, constant = statuses(play)
    for name in UNDOUBTED:
        assert restarted.get(name) == constant.get(name), name


def test_a_success_deleted_unseen_is_the_newest_slots() -> None:
    """The CronJob still tells it: under Forbid too the monitor has its history."""
    play = Play(Cluster(HOURLY, FORBIDDING, now=NOW + MINUTE), is_careful=False)
    play.play([*HELD_UP, ("remove", 1, 0)])
    restarted, constant = statuses(play)
    assert restarted["state"] == constant["state"] == "Up"
    (run,) = restarted["history"]
    assert (run["outcome"], run["inferred"]) == ("success", True)
    assert run["time"] == constant["history"][0]["time"]


def bad_runs(status: Json) -> dict[datetime, tuple[str, str]]:
    """Return what is held against a monitor, each bad line by its run or its slot."""
    lines = (run for run in status.get("history", ()) if run["outcome"] != "success")
    return {
        datetime.fromisoformat(run["time"]): (
            run["outcome"],
            run.get("id") or run["slotTime"],
        )
        for run in lines
    }
