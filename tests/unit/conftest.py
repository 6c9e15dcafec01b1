"""What unit tests of several packages have in common."""

from collections.abc import AsyncIterator

import pytest

from support.fakeapi import FakeApi


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    """Run a fake API server."""
    api = FakeApi()
    await api.start()
    yield api
    await api.stop()
