"""Pings and proofs of presence count in the operator's own namespace only.

Elsewhere anybody may create ConfigMaps and Leases, whatever labels they carry.
"""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from heartbeats.app.operator import OperatorRole
from heartbeats.clock import CorrectedClock
from heartbeats.config import Config
from heartbeats.edges.kube.credentials import Credentials
from heartbeats.edges.metrics.operator import OperatorMetrics
from support.builders import SetClock

ENTRUSTED = {"configmaps", "leases"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("watched", [None, "shop"])
async def test_journal_and_leases_are_read_at_home_only(
    session: aiohttp.ClientSession, watched: str | None
) -> None:
    role = OperatorRole(
        Config(namespace=watched, own_namespace="home", ping_secrets=False),
        Credentials(server="http://127.0.0.1:1"),
        session,
        CorrectedClock(SetClock()),
        OperatorMetrics("1"),
        "http://ping",
    )
    read = {
        stream.selection.resource.plural: stream.selection.namespace
        for stream in role.streams
    }
    assert {read[each] for each in ENTRUSTED} == {"home"}
    assert {read[each] for each in read.keys() - ENTRUSTED} == {watched}
