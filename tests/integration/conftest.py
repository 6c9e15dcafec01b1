"""Fixtures of tests that need a real control plane.

HEARTBEATS_TEST_KUBECONFIG names one that runs already (what is not yet there gets
installed, nothing is stopped). Without it, the project's own is brought up as the
cluster "test" and stopped after.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.control_plane import SYSTEM, install, shared_control_plane
from support.kube import Kube, as_service_account, fresh_namespace
from support.specs import monitor


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A cluster with the definition and the base manifests in it."""

    kubeconfig: Path


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> Iterator[ControlPlane]:
    with ExitStack() as stack:
        if given := os.environ.get("HEARTBEATS_TEST_KUBECONFIG"):
            kubeconfig = Path(given)
        else:
            capture = pytestconfig.pluginmanager.getplugin("capturemanager")
            # The first start builds for minutes: a person must see that.
            with capture.global_and_fixture_disabled():
                cluster = shared_control_plane("test", sys.stderr)
                kubeconfig = stack.enter_context(cluster)
        with closing(Kube.from_kubeconfig(kubeconfig)) as administrator:
            install(administrator)
        yield ControlPlane(kubeconfig)


@pytest.fixture(scope="session")
def kube(control_plane: ControlPlane) -> Iterator[Kube]:
    """Act as the cluster's administrator."""
    with closing(Kube.from_kubeconfig(control_plane.kubeconfig)) as administrator:
        yield administrator


@pytest.fixture(scope="session")
def operator_account(kube: Kube) -> Iterator[Kube]:
    """Act as the operator's ServiceAccount."""
    with as_service_account(kube, SYSTEM, "heartbeats-operator") as account:
        yield account


@pytest.fixture(scope="session")
def ping_account(kube: Kube) -> Iterator[Kube]:
    """Act as the ping service's ServiceAccount."""
    with as_service_account(kube, SYSTEM, "heartbeats-ping") as account:
        yield account


@pytest.fixture
def namespace(kube: Kube) -> Iterator[str]:
    """Make a namespace of the test's own."""
    with fresh_namespace(kube) as name:
        yield name


@pytest.fixture
def uid(kube: Kube, namespace: str) -> str:
    """Make the ping monitor `nightly`; return its uid, for what it owns."""
    stored = kube.create(monitor({"ping": {}, "interval": "24h"}, namespace))
    found: str = stored["metadata"]["uid"]
    return found
