"""What is waited for is seen, however short it lasts, and nothing else is."""

import asyncio
from datetime import timedelta

import pytest

from heartbeats.console.access import Cluster, SaidError
from heartbeats.console.monitors import Monitor, read_one
from heartbeats.console.waiting import Goal, TooLateError, _Waiting, _Whole, wait_for
from heartbeats.core.model import Health, Incident, MonitorKey, Reason, State
from heartbeats.edges.kube.decode import decode
from heartbeats.edges.kube.errors import Forbidden
from heartbeats.edges.kube.resources import MONITORS
from heartbeats.edges.kube.store import Change, ObjectEvent
from support.builders import NOW, SECOND, check_in, state
from support.fakeapi import FakeApi, Fault
from support.shown import stored

KEY = MonitorKey("shop", "nightly")
LONG = timedelta(seconds=30)
DOWN = state(
    health=Health.DOWN,
    incident=Incident(opened_at=NOW, reason=Reason.RUN_FAILED, message="Exit 3."),
)
UP = state(next_expected_at=None)


def write(api: FakeApi, known: State, *, judged: bool = True) -> None:
    body = stored("nightly", known, judged=judged)
    meta = body["metadata"]
    kept = {"generation": 1, "creationTimestamp": meta["creationTimestamp"]}
    more = {key: value for key, value in body.items() if key != "metadata"}
    api.put(MONITORS, "nightly", namespace="shop", metadata=kept, **more)


def is_watched(api: FakeApi) -> bool:
    """Tell whether the watch is open: before it comes one that only tries the right."""
    return api.count("watch") > 1


async def while_waiting(
    api: FakeApi, cluster: Cluster, goal: Goal, *states: State
) -> Monitor:
    """Wait, and let these states follow one another once the watch is open."""
    waiting = asyncio.create_task(wait_for(cluster, KEY, goal, within=LONG))
    await api.until(lambda: is_watched(api))
    for known in states:
        write(api, known)
    return await waiting


async def test_a_state_that_is_there_is_not_waited_for(
    api: FakeApi, cluster: Cluster
) -> None:
    write(api, UP)
    found = await wait_for(cluster, KEY, Goal.UP, within=timedelta())
    assert found.key == KEY
    assert api.count("watch") == api.count("list") == 0


async def test_a_state_that_lasts_for_a_moment_counts(
    api: FakeApi, cluster: Cluster
) -> None:
    write(api, UP)
    found = await while_waiting(api, cluster, Goal.DOWN, DOWN, UP)
    assert found.seen.state.incident is not None


@pytest.mark.parametrize(
    ("goal", "first", "then"),
    [
        (Goal.CHECK_IN, UP, {"last_check_in": check_in(id="c-2", at=NOW)}),
        (Goal.SUCCESS, UP, {"last_success_at": NOW}),
        (Goal.FAILURE, UP, {"last_failure_at": NOW}),
        (Goal.PAUSED, UP, {"paused": True}),
    ],
)
async def test_only_what_comes_from_now_on_counts(
    api: FakeApi, cluster: Cluster, goal: Goal, first: State, then: dict[str, object]
) -> None:
    write(api, first)
    with pytest.raises(TooLateError):
        await wait_for(cluster, KEY, goal, within=timedelta())
    after = state(**{"next_expected_at": None, **then})
    found = await while_waiting(api, cluster, goal, after)
    assert found.seen.state != first


async def test_what_comes_by_time_alone_is_seen_though_nobody_writes(
    api: FakeApi, cluster: Cluster
) -> None:
    write(api, state(next_expected_at=cluster.clock.now() + SECOND))
    found = await while_waiting(api, cluster, Goal.LATE)
    assert found.says(now=cluster.clock.now()).health is Health.LATE


async def test_the_time_may_be_up(api: FakeApi, cluster: Cluster) -> None:
    write(api, UP)
    with pytest.raises(TooLateError) as caught:
        await wait_for(cluster, KEY, Goal.DOWN, within=timedelta(milliseconds=50))
    assert caught.value.last.key == KEY


@pytest.mark.parametrize("goal", [Goal.DELETED, Goal.DOWN])
async def test_a_monitor_may_be_deleted_meanwhile(
    api: FakeApi, cluster: Cluster, goal: Goal
) -> None:
    write(api, UP)
    waiting = asyncio.create_task(wait_for(cluster, KEY, goal, within=LONG))
    await api.until(lambda: is_watched(api))
    api.delete(MONITORS, "nightly", namespace="shop")
    if goal is Goal.DELETED:
        assert (await waiting).key == KEY
        return
    with pytest.raises(SaidError, match="was deleted before it came to down"):
        await waiting


async def test_a_monitor_that_nobody_judged_says_nothing_yet(
    api: FakeApi, cluster: Cluster
) -> None:
    write(api, UP, judged=False)
    with pytest.raises(TooLateError):
        await wait_for(cluster, KEY, Goal.NEW, within=timedelta())


async def test_a_right_that_is_missing_is_said_at_once(
    api: FakeApi, cluster: Cluster
) -> None:
    write(api, UP)
    for verb in ("list", "watch"):
        api.fail(Fault(verb, status=403))
        with pytest.raises(Forbidden):
            await wait_for(cluster, KEY, Goal.DOWN, within=LONG)


async def test_whoever_is_unknown_is_told_who_was_perhaps_meant(
    api: FakeApi, cluster: Cluster
) -> None:
    write(api, UP)
    with pytest.raises(SaidError, match=r"in namespace shop. Did you mean nightly\?"):
        await wait_for(cluster, MonitorKey("shop", "nightl"), Goal.UP, within=LONG)
    with pytest.raises(SaidError, match="There is shop/nightly: write it so"):
        await wait_for(cluster, MonitorKey("default", "nightly"), Goal.UP, within=LONG)
    api.fail(Fault("list", status=403, times=2))
    with pytest.raises(SaidError, match="`kubectl heartbeats list -A` shows"):
        await wait_for(cluster, MonitorKey("shop", "nightl"), Goal.UP, within=LONG)


async def test_two_states_that_come_at_once_are_both_seen(
    api: FakeApi, cluster: Cluster
) -> None:
    write(api, UP)
    waiting = _Waiting(cluster, Goal.DOWN, await read_one(cluster, KEY))
    for known in (DOWN, UP):
        write(api, known)
        path = MONITORS.path("shop", "nightly")
        body = await cluster.client.request("GET", path)
        waiting._take(ObjectEvent(Change.MODIFIED, decode(body, _Whole)))
    assert waiting.result().seen.state.incident is not None
