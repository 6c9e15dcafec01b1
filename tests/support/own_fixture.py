"""The fixture `own`: one cluster without an operator for all tests of a pytest worker.

`apart` runs both roles on it, for one test. Each test has a namespace in it, starts
what it needs and leaves no process. A test module gets it by
`pytest_plugins = ["support.own_fixture"]`, which works only while nobody imports this
module.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.own_cluster import Own, furnished_cluster
from support.restarts import Apart


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """Start the worker's own cluster."""
    with furnished_cluster(tmp_path_factory.mktemp("own")) as found:
        yield found


@pytest.fixture
def apart(own: Own, tmp_path: Path) -> Iterator[Apart]:
    """Run both roles of the test's own."""
    with Apart.running(own, tmp_path / "events.jsonl") as running:
        yield running
