"""Elections over a Lease in memory, for operators whose other API is a fake one.

It holds no expectations.
"""

import pytest

from heartbeats.app import operator
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.election import Election
from support.builders import MemoryApi


def keep_leases_in_memory(monkeypatch: pytest.MonkeyPatch) -> MemoryApi:
    """Have all operators of a test elect their leader there; returns the API."""
    api = MemoryApi()

    def election(client: Client, namespace: str, identity: str) -> Election:
        made = Election(client, namespace, identity)
        made._client = api
        return made

    monkeypatch.setattr(operator, "Election", election)
    return api
