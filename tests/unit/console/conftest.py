"""A cluster of a few objects in this process, as commands reach it."""

from collections.abc import AsyncIterator

import pytest

from heartbeats.clock import SystemClock
from heartbeats.console.access import Cluster, NeverWrites
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import Credentials, open_session
from support.fakeapi import FakeApi


@pytest.fixture
async def cluster(api: FakeApi) -> AsyncIterator[Cluster]:
    async with await open_session(Credentials(server=api.url)) as session:
        client = Client(session, clock=SystemClock(), fence=NeverWrites())
        yield Cluster(client, "shop", SystemClock())
