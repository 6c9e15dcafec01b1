"""Whatever goes wrong in whatever order, the copy ends up equal to the original."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heartbeats.clock import SystemClock
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import Credentials, open_session
from heartbeats.edges.kube.errors import ApiError
from heartbeats.edges.kube.objects import Job
from heartbeats.edges.kube.pace import Pace
from heartbeats.edges.kube.reflector import Reflector, Selection
from heartbeats.edges.kube.resources import JOBS
from heartbeats.edges.kube.store import Change, ObjectEvent
from support.fakeapi import Ending, FakeApi, Fault, line, status

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])

FAULTS = st.builds(
    Fault,
    verb=st.sampled_from(["list", "page", "watch", "watch"]),
    status=st.sampled_from([200, 200, 200, 401, 403, 410, 429, 500, 503]),
    body=st.sampled_from(
        [
            b"",
            b"garbage\n",
            b'{"type": "ADD',
            line("ERROR", status(410)),
            line("ERROR", status(500)),
        ]
    ),
    events=st.integers(min_value=0, max_value=2),
    ending=st.sampled_from(Ending),
    times=st.integers(min_value=1, max_value=3),
)

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES),
        st.tuples(st.just("delete"), NAMES),
        st.tuples(st.just("fail"), FAULTS),
        st.sampled_from([("cut",), ("freeze",), ("compact",), ("turn",), ("turn",)]),
    ),
    min_size=5,
    max_size=40,
)

PACE = Pace(
    page_limit=2,
    first_delay=0.0005,
    most_delay=0.002,
    opening=0.02,
    inactivity=0.02,
    catch_up=0.002,
)


async def act(api: FakeApi, action: tuple[Any, ...]) -> None:
    match action:
        case ("put", name):
            api.put(JOBS, name)
        case ("delete", name):
            if ("jobs", "default", name) in api._objects:
                api.delete(JOBS, name)
        case ("fail", fault):
            # A list that stalls is ended by its request's 30 s: too long for here.
            if fault.verb == "watch" or fault.ending is not Ending.STALL:
                api.fail(replace(fault))
        case ("turn",):
            with suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await api._changed.wait()
        case (simple,):
            getattr(api, simple)()


async def confirmed(reflector: Reflector[Job]) -> None:
    while True:
        # A fault may meet the confirmation's own request: that is for its caller.
        with suppress(ApiError):
            await reflector.confirm(within=timedelta(seconds=5))
            return


async def play(actions: list[tuple[Any, ...]]) -> None:
    api = FakeApi(second=0.002)
    await api.start()
    mirror: dict[str, str] = {}

    def on_event(event: ObjectEvent[Job]) -> None:
        meta = event.object.metadata
        if event.kind is Change.DELETED:
            del mirror[meta.uid]
        else:
            assert (event.kind is Change.ADDED) == (meta.uid not in mirror)
            mirror[meta.uid] = meta.resource_version

    async with await open_session(Credentials(server=api.url)) as session:
        client = Client(session, clock=SystemClock())
        reflector = Reflector(
            client, Selection(JOBS, Job), on_event=on_event, pace=PACE
        )
        task = asyncio.create_task(reflector.run())
        try:
            for action in actions:
                await act(api, action)
            await confirmed(reflector)
        finally:
            task.cancel()
            await asyncio.wait([task])
            await api.stop()
        assert mirror == {
            found["metadata"]["uid"]: found["metadata"]["resourceVersion"]
            for found in api._objects.values()
        }
        assert reflector.callback_errors == 0


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(actions=ACTIONS)
async def test_the_copy_is_confirmed_to_be_the_original(
    actions: list[tuple[Any, ...]],
) -> None:
    await play(actions)
