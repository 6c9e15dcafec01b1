"""A ping service on this machine, reached without any proxy."""

from collections.abc import Iterator

import pytest

from support.pings import PingService, ping_service


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[PingService]:
    monkeypatch.setenv("no_proxy", "*")
    with ping_service() as running:
        yield running
