"""The reflector's promises, against an API server that breaks its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from heartbeats.edges.kube.errors import KubeError, StaleError, Unreachable
from heartbeats.edges.kube.pace import Pace
from heartbeats.edges.kube.resources import JOBS
from heartbeats.edges.kube.store import Change
from support.fakeapi import Ending, FakeApi, Fault, line, status

Start = Callable[..., Awaitable[Any]]

SOON = timedelta(seconds=10)
GONE = line("ERROR", status(410, "Expired"))


def fill(api: FakeApi, count: int) -> None:
    for number in range(count):
        api.put(JOBS, f"job-{number}")


async def test_lists_all_pages_then_watches(api: FakeApi, start: Start) -> None:
    fill(api, 5)
    running = await start()
    assert running.witness.told == [(Change.ADDED, f"job-{n}") for n in range(5)]
    assert all(event.initial for event in running.witness.events)
    assert [seen.verb for seen in api.seen[:3]] == ["list", "page", "page"]

    api.put(JOBS, "late")
    api.put(JOBS, "job-0")
    api.delete(JOBS, "job-1")
    await running.witness.sees(Change.DELETED, "job-1")
    assert running.witness.told[5:] == [
        (Change.ADDED, "late"),
        (Change.MODIFIED, "job-0"),
        (Change.DELETED, "job-1"),
    ]
    assert not any(event.initial for event in running.witness.events[5:])
    assert running.reflector.resource_version == api.version


async def test_a_list_tells_its_version_once_all_is_delivered(
    api: FakeApi, start: Start
) -> None:
    fill(api, 3)
    running = await start()
    assert running.witness.synced == [str(api.version)]
    assert running.reflector.synced.is_set()
    assert len(running.reflector.objects) == 3


async def test_selects_by_namespace_and_label(api: FakeApi, start: Start) -> None:
    api.put(JOBS, "mine", metadata={"labels": {"app": "x"}})
    api.put(JOBS, "other-label")
    api.put(JOBS, "other-namespace", namespace="b", metadata={"labels": {"app": "x"}})
    running = await start(namespace="default", label_selector="app=x")
    api.put(JOBS, "unlabelled")
    api.put(JOBS, "second", metadata={"labels": {"app": "x"}})
    await running.witness.sees(Change.ADDED, "second")
    assert running.names == {"mine", "second"}


async def test_resumes_without_a_list_after_a_cut(api: FakeApi, start: Start) -> None:
    fill(api, 3)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    api.cut()
    api.put(JOBS, "meanwhile")
    await running.witness.sees(Change.ADDED, "meanwhile")
    assert running.reflector.lists == 1
    assert running.reflector.restarts == 1
    assert running.reflector.synced.is_set()


async def test_resumes_after_the_version_of_the_last_bookmark(
    api: FakeApi, start: Start
) -> None:
    running = await start(Pace(watch=(3.0, 3.0), first_delay=0.001, most_delay=0.01))
    api.elsewhere()
    await api.until(lambda: api.count("watch") == 2)
    watches = [seen for seen in api.seen if seen.verb == "watch"]
    assert watches[1].query["resourceVersion"] == str(api.version)
    assert watches[0].query["allowWatchBookmarks"] == "true"
    assert running.reflector.restarts == 0


async def test_asks_for_watches_of_four_to_five_minutes(
    api: FakeApi, start: Start
) -> None:
    await start(Pace())
    await api.until(lambda: api.count("watch") == 1)
    assert 240 <= int(api.seen[-1].query["timeoutSeconds"]) <= 300


@pytest.mark.parametrize("as_http", [True, False], ids=["http", "in the stream"])
async def test_what_went_during_a_gap_is_swept(
    api: FakeApi, start: Start, as_http: bool
) -> None:
    fill(api, 5)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    api.gone_as_http = as_http
    api.delete(JOBS, "job-1", silent=True)
    api.delete(JOBS, "job-4", silent=True)
    api.put(JOBS, "new")
    await running.witness.sees(Change.ADDED, "new")
    api.compact()
    api.elsewhere()
    api.compact()
    api.cut()
    await running.witness.lists(2)
    deleted = [e for e in running.witness.events if e.kind is Change.DELETED]
    assert [e.object.metadata.name for e in deleted] == ["job-1", "job-4"]
    assert running.names == {"job-0", "job-2", "job-3", "new"}


async def test_a_second_list_tells_only_what_changed(
    api: FakeApi, start: Start
) -> None:
    fill(api, 3)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    api.freeze()
    api.put(JOBS, "job-1")
    api.compact()
    api.elsewhere()
    api.compact()
    api.cut()
    await running.witness.lists(2)
    assert running.witness.told[3:] == [(Change.MODIFIED, "job-1")]


async def test_a_continue_token_that_expires_starts_the_list_anew(
    api: FakeApi, start: Start
) -> None:
    fill(api, 5)
    api.fail(Fault("page", status=410))
    running = await start()
    assert running.names == {f"job-{n}" for n in range(5)}
    assert running.reflector.lists == 1
    assert [seen.verb for seen in api.seen[:3]] == ["list", "page", "list"]


async def test_objects_gone_between_two_half_lists_are_swept(
    api: FakeApi, start: Start
) -> None:
    fill(api, 5)
    api.fail(Fault("page", ending=Ending.CUT, times=100))
    running = await start(waits=False)
    await running.witness.sees(Change.ADDED, "job-0")
    await api.until(lambda: api.count("page") >= 1)
    assert not running.reflector.synced.is_set()
    api.delete(JOBS, "job-0")
    api._faults.clear()
    await running.witness.lists(1)
    assert running.names == {f"job-{n}" for n in range(1, 5)}
    assert (Change.DELETED, "job-0") in running.witness.told


FAULTS = {
    "in-stream 500": Fault("watch", body=line("ERROR", status(500))),
    "in-stream 429": Fault("watch", body=line("ERROR", status(429))),
    "in-stream 410": Fault("watch", body=GONE),
    "in-stream error without a code": Fault("watch", body=line("ERROR", {})),
    "HTTP 410": Fault("watch", status=410),
    "HTTP 500": Fault("watch", status=500, times=3),
    "HTTP 503": Fault("watch", status=503, times=3),
    "HTTP 429": Fault("watch", status=429, times=3),
    "HTTP 401": Fault("watch", status=401, times=3),
    "HTTP 403": Fault("watch", status=403, times=3),
    "HTTP 400": Fault("watch", status=400, times=3),
    "garbage": Fault("watch", body=b"<html>not JSON</html>\n", times=5),
    "binary": Fault("watch", body=b'{"type": "\xff\xfe"}\n'),
    "a line without an object": Fault("watch", body=b'{"type": "ADDED"}\n'),
    "an unknown type": Fault("watch", body=line("SURPRISE", {})),
    "a bookmark without a version": Fault("watch", body=line("BOOKMARK", {})),
    "half a line": Fault("watch", body=b'{"type": "ADD', ending=Ending.CUT),
    "a cut after an event": Fault("watch", events=1, ending=Ending.CUT),
    "an empty stream": Fault("watch", times=5),
    "list 500": Fault("list", status=500, times=3),
    "list 401": Fault("list", status=401, times=3),
    "list 403": Fault("list", status=403, times=3),
    "list 404": Fault("list", status=404, times=3),
    "list 429": Fault("list", status=429, times=3),
    "list cut in the middle": Fault("list", ending=Ending.CUT, times=3),
    "page cut in the middle": Fault("page", ending=Ending.CUT, times=3),
    "list of a proxy": Fault("list", body=b"<html></html>", times=3),
    "list without a version": Fault("list", body=b'{"metadata": {}, "items": []}'),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_survives(api: FakeApi, start: Start, fault: Fault) -> None:
    fill(api, 3)
    api.fail(replace(fault))
    running = await start()
    api.put(JOBS, "after")
    await running.witness.sees(Change.ADDED, "after")
    async with asyncio.timeout(10):
        await running.reflector.synced.wait()
    assert running.names == {"job-0", "job-1", "job-2", "after"}


async def test_a_stream_that_falls_silent_is_given_up(
    api: FakeApi, start: Start, quick: Pace
) -> None:
    running = await start(replace(quick, inactivity=0.05))
    await api.until(lambda: api.count("watch") == 1)
    api.freeze()
    api.put(JOBS, "unseen")
    await running.witness.sees(Change.ADDED, "unseen")
    assert running.reflector.restarts >= 1


async def test_a_watch_that_is_never_accepted_is_given_up(
    api: FakeApi, start: Start, quick: Pace
) -> None:
    api.fail(Fault("watch", status=500, ending=Ending.STALL))
    running = await start(replace(quick, opening=0.05))
    api.put(JOBS, "after")
    await running.witness.sees(Change.ADDED, "after")


async def test_watches_that_bring_nothing_lead_to_a_new_list(
    api: FakeApi, start: Start
) -> None:
    api.fail(Fault("watch", body=line("ERROR", status(500)), times=3))
    running = await start()
    await running.witness.lists(2)
    assert api.count("watch") == 3


async def test_an_outage_costs_no_list_and_ends_within_a_back_off(
    api: FakeApi, start: Start
) -> None:
    fill(api, 3)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    await api.stop()
    with pytest.raises(Unreachable):
        await running.reflector.confirm(within=SOON)
    assert not running.reflector.streaming
    api.put(JOBS, "meanwhile")
    await api.start()
    loop = asyncio.get_running_loop()
    returned_at = loop.time()
    await running.witness.sees(Change.ADDED, "meanwhile")
    assert loop.time() - returned_at < 1.0
    assert running.reflector.lists == 1


async def test_honours_retry_after_within_reason(
    api: FakeApi, start: Start, quick: Pace
) -> None:
    api.fail(Fault("watch", status=429, headers={"Retry-After": "3600"}))
    loop = asyncio.get_running_loop()
    await start(replace(quick, most_retry_after=0.1))
    await api.until(lambda: api.count("watch") == 1)
    refused_at = loop.time()
    await api.until(lambda: api.count("watch") == 2)
    assert 0.09 <= loop.time() - refused_at < 1.0


async def test_a_recreated_object_survives_the_late_end_of_its_forerunner(
    api: FakeApi, start: Start
) -> None:
    old = api.put(JOBS, "nightly")
    running = await start()
    new = {"name": "nightly", "namespace": "default", "uid": "new"}
    added = {"metadata": {**new, "resourceVersion": "900"}}
    deleted = {"metadata": {**old["metadata"], "resourceVersion": "901"}}
    body = line("ADDED", added) + line("DELETED", deleted)
    api.fail(Fault("watch", body=body, ending=Ending.STALL))
    await api.until(lambda: api.count("watch") == 1)
    api.cut()
    await running.witness.sees(Change.DELETED, "nightly")
    assert list(running.reflector.objects) == ["new"]
    assert [e.object.metadata.uid for e in running.witness.events] == [
        old["metadata"]["uid"],
        "new",
        old["metadata"]["uid"],
    ]


async def test_one_odd_object_costs_only_itself(
    api: FakeApi, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    fill(api, 2)
    api.put(JOBS, "odd", status={"ready": "many"})
    running = await start()
    assert running.names == {"job-0", "job-1"}
    api.put(JOBS, "job-1", status={"active": []})
    api.put(JOBS, "after")
    await running.witness.sees(Change.ADDED, "after")
    assert running.reflector.skipped == 2
    named = {vars(record).get("object_name") for record in caplog.records}
    assert named == {"odd", "job-1"}


async def test_an_object_that_becomes_odd_is_not_swept_but_its_end_is_told(
    api: FakeApi, start: Start
) -> None:
    fill(api, 2)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    api.put(JOBS, "job-1", status={"active": []})
    api.fail(Fault("watch", body=GONE))
    api.cut()
    await running.witness.lists(2)
    assert running.names == {"job-0", "job-1"}
    api.delete(JOBS, "job-1")
    await running.witness.sees(Change.DELETED, "job-1")
    assert running.witness.events[-1].object.status.active == 0


async def test_a_raising_callback_is_counted_and_told_again_by_the_next_list(
    api: FakeApi, start: Start, witness: Any
) -> None:
    fill(api, 3)
    witness.refuses = lambda event: event.object.metadata.name == "job-1"
    running = await start(witness=witness)
    assert running.reflector.callback_errors == 1
    witness.refuses = lambda _event: False
    api.fail(Fault("watch", body=GONE))
    await api.until(lambda: api.count("watch") == 1)
    api.cut()
    await witness.sees(Change.MODIFIED, "job-1")
    assert len(witness.told) == 3


async def test_many_objects_do_not_stall_the_loop(
    api: FakeApi, start: Start, witness: Any
) -> None:
    fill(api, 500)
    turns: list[int] = [0]

    async def count_turns() -> None:
        while True:
            await asyncio.sleep(0)
            turns[0] += 1

    during: list[int] = []
    witness.refuses = lambda _event: during.append(turns[0])
    counter = asyncio.create_task(count_turns())
    await start(Pace(turn=0.0), witness=witness)
    counter.cancel()
    assert api.count("page") == 0, "it was one page"
    assert len(set(during)) == 500


async def test_cancelling_ends_it_at_once(api: FakeApi, start: Start) -> None:
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task
    assert not running.reflector.streaming


async def test_activity_is_noted(api: FakeApi, start: Start, client: Any) -> None:
    running = await start()
    before = running.reflector.last_activity
    assert before is not None
    api.put(JOBS, "new")
    await running.witness.sees(Change.ADDED, "new")
    assert before < running.reflector.last_activity <= client.clock.monotonic()


async def test_confirm_waits_for_what_the_open_watch_is_about_to_bring(
    api: FakeApi, start: Start, quick: Pace
) -> None:
    running = await start(replace(quick, catch_up=5.0))
    await api.until(lambda: api.count("watch") == 1)
    api.put(JOBS, "new")
    await running.reflector.confirm(within=SOON)
    assert running.names == {"new"}
    assert api.count("watch") == 1


async def test_a_prepared_stream_is_confirmed_without_another_one(
    api: FakeApi, start: Start
) -> None:
    fill(api, 5)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    running.reflector.prepare()
    await api.until(lambda: api.count("watch") == 2)
    api.elsewhere()
    await running.reflector.confirm(within=SOON)
    assert running.reflector.resource_version == api.version
    assert api.count("watch") == 2
    assert running.reflector.lists == 1


async def test_what_is_listed_in_one_page_is_not_prepared(
    api: FakeApi, start: Start, quick: Pace
) -> None:
    running = await start(replace(quick, page_limit=500))
    await api.until(lambda: api.count("watch") == 1)
    running.reflector.prepare()
    api.put(JOBS, "new")
    await running.witness.sees(Change.ADDED, "new")
    assert api.count("watch") == 1


async def test_what_one_object_speaks_of_is_waited_for(
    api: FakeApi, start: Start
) -> None:
    fill(api, 5)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    newest = running.reflector.newest()
    assert newest == api.version
    await running.reflector.reach(newest, within=SOON)
    assert api.count("watch") == 1
    api.freeze()
    api.put(JOBS, "unseen")
    await running.reflector.reach(api.version, within=SOON)
    assert "unseen" in running.names
    assert running.reflector.newest() == api.version


@pytest.mark.parametrize("page_limit", [2, 500], ids=["by a probe", "by a list"])
async def test_confirm_sees_through_a_half_open_stream(
    api: FakeApi, start: Start, quick: Pace, page_limit: int
) -> None:
    fill(api, 5)
    running = await start(replace(quick, page_limit=page_limit, inactivity=70.0))
    await api.until(lambda: api.count("watch") == 1)
    api.freeze()
    api.put(JOBS, "unseen")
    api.delete(JOBS, "job-0")
    assert running.reflector.synced.is_set()
    await running.reflector.confirm(within=SOON)
    assert running.names == {"job-1", "job-2", "job-3", "job-4", "unseen"}
    assert running.reflector.lists == (1 if page_limit == 2 else 2)
    assert running.reflector.restarts == 0


async def test_confirm_lists_when_a_probe_cannot_prove_it(
    api: FakeApi, start: Start
) -> None:
    fill(api, 5)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    api.delete(JOBS, "job-3", silent=True)
    api.fail(Fault("watch"))
    await running.reflector.confirm(within=SOON)
    assert running.names == {"job-0", "job-1", "job-2", "job-4"}
    assert running.reflector.lists == 2


async def test_confirm_answers_many_at_once(api: FakeApi, start: Start) -> None:
    fill(api, 5)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    api.freeze()
    api.put(JOBS, "unseen")
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(running.reflector.confirm(within=SOON))
    assert "unseen" in running.names
    assert api.count("watch") <= 3


async def test_confirm_fails_loudly_when_the_copy_stays_behind(
    api: FakeApi, start: Start
) -> None:
    fill(api, 5)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    api.freeze()
    api.elsewhere()
    api.fail(Fault("watch", status=503, times=1_000_000))
    api.fail(Fault("page", status=503, times=1_000_000))
    with pytest.raises(StaleError, match="jobs could not be confirmed"):
        await running.reflector.confirm(within=timedelta(seconds=0.1))


async def test_confirm_before_the_first_list_waits_for_it(
    api: FakeApi, start: Start
) -> None:
    fill(api, 3)
    running = await start(waits=False)
    await running.reflector.confirm(within=SOON)
    assert len(running.names) == 3
    assert running.reflector.synced.is_set()


async def test_no_confirmation_without_the_server(api: FakeApi, start: Start) -> None:
    running = await start()
    await api.stop()
    with pytest.raises(KubeError):
        await running.reflector.confirm(within=SOON)


@pytest.mark.parametrize("asked", [True, False], ids=["confirming", "reconnecting"])
async def test_a_restored_backup_is_noticed(
    api: FakeApi, start: Start, asked: bool
) -> None:
    fill(api, 5)
    running = await start()
    await api.until(lambda: api.count("watch") == 1)
    api.freeze()
    api.delete(JOBS, "job-2", silent=True)
    api._history.clear()
    api.version = 50
    if asked:
        await running.reflector.confirm(within=SOON)
    else:
        api.cut()
        await running.witness.lists(2)
    assert running.names == {"job-0", "job-1", "job-3", "job-4"}
    assert running.reflector.resource_version == 50
