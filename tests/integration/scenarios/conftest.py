"""Fixtures of scenarios: an API server of each worker's own, without controllers.

Only one operator may judge on an API server, and each scenario brings its own.
"""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from heartbeats.cluster.controlplane import remove
from heartbeats.cluster.embedded import start
from heartbeats.cluster.locking import locked
from heartbeats.cluster.paths import cluster_dir, clusters_dir
from heartbeats.cluster.progress import Progress
from heartbeats.cluster.record import API_ONLY, Options
from support.control_plane import install
from support.kube import Kube, fresh_namespace
from support.operators import account_kubeconfig
from support.scenario import Scenario

CLUSTER = f"test-scenario-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
ACCOUNTS = ("heartbeats-operator", "heartbeats-ping")


@pytest.fixture(scope="session")
def api_server(pytestconfig: pytest.Config) -> Iterator[Path]:
    """Bring up etcd and an API server; yields the administrator's kubeconfig."""
    progress = Progress(sys.stderr)
    home = clusters_dir()
    home.mkdir(parents=True, exist_ok=True)

    def waiting() -> None:
        progress.line(f"Another test run uses {CLUSTER!r}: waiting.")

    with locked(home / f".{CLUSTER}.turn", waiting):
        capture = pytestconfig.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            options = Options(components=API_ONLY)
            plane = start(CLUSTER, options=options, progress=progress)
        try:
            with closing(Kube.from_kubeconfig(plane.kubeconfig)) as administrator:
                install(administrator)
            yield plane.kubeconfig
        finally:
            remove(cluster_dir(CLUSTER))


@pytest.fixture(scope="session")
def kube(api_server: Path) -> Iterator[Kube]:
    """Act as the cluster's administrator."""
    with closing(Kube.from_kubeconfig(api_server)) as administrator:
        yield administrator


@pytest.fixture(scope="session")
def accounts(
    kube: Kube, api_server: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Write kubeconfigs of both roles' ServiceAccounts."""
    folder = tmp_path_factory.mktemp("accounts")
    return {
        name: account_kubeconfig(kube, api_server, folder / name, name)
        for name in ACCOUNTS
    }


@pytest.fixture
async def scenario(
    kube: Kube, accounts: dict[str, Path], tmp_path: Path
) -> AsyncIterator[Scenario]:
    """Prepare a namespace with the ServiceAccount that pods need, and a clock."""
    with fresh_namespace(kube) as namespace:
        account = {"name": "default", "namespace": namespace}
        kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        found = Scenario(kube, namespace, accounts, tmp_path)
        try:
            yield found
        finally:
            await found.close()
