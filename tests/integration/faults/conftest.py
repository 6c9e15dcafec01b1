"""Fixtures of tests of faults: a cluster of the worker's own, and a vigil on it.

The test modules name `support.own_fixture` as their plug-in.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.kube import Kube, fresh_namespace
from support.own_cluster import Own
from support.rigged import Rigged
from support.vigil import Vigil


@pytest.fixture
def kube(own: Own) -> Kube:
    """Act as the administrator, past the rig."""
    return own.kube


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """Make a namespace of the test's own."""
    with fresh_namespace(kube) as name:
        yield name


@pytest.fixture
def rigged(own: Own, tmp_path: Path) -> Iterator[Rigged]:
    """Run both roles behind a rig."""
    with Rigged.running(own, tmp_path) as found:
        yield found


@pytest.fixture
def vigil(kube: Kube, rigged: Rigged, namespace: str) -> Iterator[Vigil]:
    """Keep a vigil on both roles."""
    with Vigil.kept(kube, rigged.apart, namespace) as found:
        yield found
