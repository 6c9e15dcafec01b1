"""Fixtures of tests that watch the operator at work on a full control plane.

It has a cluster of its own: on the one of the other tests it would write over the
statuses they write by hand. All workers share both; every test has a namespace.
"""

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from heartbeats.cluster.paths import clusters_dir
from support.control_plane import install, shared_control_plane
from support.kube import Kube, fresh_namespace
from support.operators import RunningOperator, shared_operator

CLUSTER = "test-operator"


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Iterator[Path]:
    """Bring the cluster up; yields its kubeconfig."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        shared = shared_control_plane(CLUSTER, sys.stderr)
        kubeconfig = shared.__enter__()
    try:
        with closing(Kube.from_kubeconfig(kubeconfig)) as administrator:
            install(administrator)
        yield kubeconfig
    finally:
        shared.__exit__(None, None, None)


@pytest.fixture(scope="session")
def kube(cluster: Path) -> Iterator[Kube]:
    """Act as the cluster's administrator."""
    with closing(Kube.from_kubeconfig(cluster)) as administrator:
        yield administrator


@pytest.fixture(scope="session")
def operator(kube: Kube, cluster: Path) -> Iterator[RunningOperator]:
    """Run the operator as its ServiceAccount, one for all workers."""
    folder = clusters_dir() / f".{CLUSTER}.operator"
    with shared_operator(kube, cluster, folder) as running:
        yield running


@pytest.fixture
def namespace(kube: Kube, operator: RunningOperator) -> Iterator[str]:
    """Make a namespace of the test's own, watched by the operator."""
    with fresh_namespace(kube) as name:
        yield name
