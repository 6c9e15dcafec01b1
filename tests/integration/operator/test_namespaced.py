"""An install for one namespace works with Roles alone, and sees no other namespace.

The manifests are rendered by the kustomize in kubectl, as whoever installs them does.
"""

import base64
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from heartbeats.cluster import annotations
from heartbeats.core.model import MonitorKey
from heartbeats.core.tokens import Key, mint
from support.control_plane import ROOT
from support.keys import KEY_SECRET, fresh_key
from support.kube import Kube, RefusedError, apply_all, fresh_namespace, wait_until
from support.kubectl import rendered
from support.own_cluster import Own
from support.processes import FREE_PORTS, Process, ask, until_answers
from support.resources import (
    CONFIG_MAPS,
    CRON_JOBS,
    MONITORS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Object,
)
from support.restarts import HEALTH, PINGS
from support.workloads import (
    RARELY,
    condition_of,
    cron_job,
    cron_job_monitor,
    has_said,
    ping_monitor,
    state_is,
    told,
)

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

A_MINUTE = 100.0
"""Seconds in which a minutely CronJob has certainly run."""

METRICS = r"The metrics listener is at (\S+)"
OVERLAY = ROOT / "manifests" / "overlays" / "namespaced"


@dataclass(frozen=True, slots=True)
class Narrow:
    """Both roles at work in one namespace, as accounts that have rights there only."""

    kube: Kube
    """Acts as the administrator."""
    namespace: str
    account: Kube
    """Acts as the operator."""
    operator: Process
    pings: Process


def rendered_for(namespace: str, folder: Path) -> list[Object]:
    """Render the overlay for a namespace, as a kustomization of somebody's own does."""
    folder.mkdir()
    entry = os.path.relpath(OVERLAY, folder.resolve())
    mine = {"namespace": namespace, "resources": [entry]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(mine))
    # Its pods are processes here: see run_in.
    return [each for each in rendered(folder) if each["kind"] != "Deployment"]


def install_in(kube: Kube, namespace: str, folder: Path) -> None:
    """Install as the overlay says: its objects, and a key that its owner makes."""
    apply_all(kube, rendered_for(namespace, folder))
    key: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": KEY_SECRET, "namespace": namespace},
        "data": {"current": fresh_key()},
    }
    kube.create(key)


def kubeconfig_of(own: Own, namespace: str, role: str, folder: Path) -> Path:
    """Write a kubeconfig that acts as an account of the namespace."""
    path = SERVICE_ACCOUNTS.path(namespace, f"heartbeats-{role}", "token")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    answer = own.kube.send("POST", path, {**request, "spec": {}}).body
    text: Object = yaml.safe_load(own.admin.read_text())
    for user in text["users"]:
        user["user"] = {"token": answer["status"]["token"]}
    file = folder / role
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(text))
    return file


@contextmanager
def run_in(namespace: str, role: str, kubeconfig: Path) -> Iterator[Process]:
    """Run a role that knows no namespace but this."""
    where = ("--namespace", namespace, "--operator-namespace", namespace)
    flags = ("--role", role, "--kubeconfig", str(kubeconfig), "--log-level", "DEBUG")
    with Process("run", *flags, *where, *FREE_PORTS) as process:
        until_answers(f"{process.wait_for(HEALTH)}/readyz", within=60)
        yield process


@pytest.fixture
def narrow(own: Own, tmp_path: Path) -> Iterator[Narrow]:
    """Install and run both roles in a namespace of the test's own."""
    with fresh_namespace(own.kube) as namespace:
        install_in(own.kube, namespace, tmp_path / "overlay")
        files = [
            kubeconfig_of(own, namespace, role, tmp_path)
            for role in ("operator", "ping")
        ]
        with (
            closing(Kube.from_kubeconfig(files[0])) as account,
            run_in(namespace, "operator", files[0]) as operator,
            run_in(namespace, "ping", files[1]) as pings,
        ):
            yield Narrow(own.kube, namespace, account, operator, pings)


def test_one_namespace_is_served_with_roles_alone(narrow: Narrow) -> None:
    kube, mine = narrow.kube, narrow.namespace
    with fresh_namespace(kube) as theirs:
        kube.create(cron_job(theirs, "theirs", schedule=RARELY))
        kube.create(ping_monitor(theirs, "theirs", interval="24h"))
        check_a_failure_is_told(narrow)
        check_a_ping_is_heard(narrow)
        # What came before ours would have been seen before ours.
        [other] = kube.items(MONITORS, theirs)
        assert "status" not in other
        assert 'cronjobs{monitored="true",reason="Default"} 1.0' in metrics(narrow)
    for process in (narrow.operator, narrow.pings):
        assert "orbidden" not in process.said
        assert "Traceback" not in process.said
        assert process.end() == 0
    assert [each["metadata"]["name"] for each in kube.items(SECRETS, mine)] == [
        KEY_SECRET
    ]


def check_a_failure_is_told(narrow: Narrow) -> None:
    """Check all that a failed run leads to: its pods are read, an Event is posted."""
    pod = {annotations.EXIT_CODE: "3", annotations.MESSAGE: "disk full"}
    narrow.kube.create(cron_job(narrow.namespace, "bad", pod_annotations=pod))
    where = (MONITORS, narrow.namespace, "bad-cronjob")
    wait_until(narrow.kube, *where, has_said("Down"), timeout=A_MINUTE)
    event = told(narrow.kube, narrow.namespace, "bad-cronjob", "RunFailed")
    assert "disk full" in event["note"]


def check_a_ping_is_heard(narrow: Narrow) -> None:
    """Check that a URL that is computed from the key is heard and applied."""
    kube, namespace = narrow.kube, narrow.namespace
    kube.create(ping_monitor(namespace, "ping", interval="24h"))
    path = path_from_key(kube, namespace, "ping")
    assert until_answers(narrow.pings.wait_for(PINGS) + path) == b"OK"
    wait_until(kube, MONITORS, namespace, "ping", has_said("Up"))
    for each in kube.items(CONFIG_MAPS, namespace):
        name = each["metadata"]["name"]
        if name.startswith("heartbeats-journal-"):
            wait_until(kube, CONFIG_MAPS, namespace, name, lambda one: one is None)


def path_from_key(kube: Kube, namespace: str, name: str) -> str:
    """Compute a URL as `heartbeats url` does, and return its path."""
    data = kube.get(SECRETS, namespace, KEY_SECRET)["data"]["current"]
    token = mint(Key.of(base64.b64decode(data)), MonitorKey(namespace, name), 1)
    return f"/ping/{token}"


def metrics(narrow: Narrow) -> str:
    """Read the operator's metrics when it has counted CronJobs."""
    url = f"{narrow.operator.wait_for(METRICS)}/metrics"
    while "heartbeat_operator_cronjobs{" not in (text := ask(url)[1].decode()):
        pass
    return text


def test_its_account_can_do_nothing_elsewhere_and_mint_nothing_at_home(
    narrow: Narrow,
) -> None:
    for path in (
        MONITORS.path(),
        CRON_JOBS.path(),
        MONITORS.path("default"),
        CRON_JOBS.path("default"),
        SECRETS.path(narrow.namespace),
    ):
        with pytest.raises(RefusedError, match="orbidden"):
            narrow.account.send("GET", path)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "minted"}}
    with pytest.raises(RefusedError, match="orbidden"):
        narrow.account.send("POST", SECRETS.path(narrow.namespace), secret)


# A CronJob of another namespace, where the operator sees all of them


def test_a_monitor_names_no_cron_job_of_another_namespace(
    kube: Kube, namespace: str
) -> None:
    """The schema has no place for a namespace, so nobody can look into another's."""
    with fresh_namespace(kube) as theirs:
        kube.create(cron_job(theirs, "secretive", schedule=RARELY))
        source = {"name": "secretive", "namespace": theirs}
        asked = cron_job_monitor(namespace, "curious", "secretive")
        asked["spec"]["cronJob"] = source
        with pytest.raises(RefusedError, match=r'unknown field "spec.cronJob.names'):
            kube.create(asked, fieldValidation="Strict")
        stored = kube.create(asked)
        assert stored["spec"]["cronJob"] == {"name": "secretive"}
        found = wait_until(kube, MONITORS, namespace, "curious", state_is("Unknown"))
        assert found is not None
        assert condition_of(found, "Ready")["reason"] == "CronJobNotFound"


@pytest.mark.parametrize("name", ["theirs/job", "../theirs/job", "theirs%2Fjob"])
def test_a_path_is_no_name_of_a_cron_job(kube: Kube, namespace: str, name: str) -> None:
    with pytest.raises(RefusedError, match="write the name of a CronJob"):
        kube.create(cron_job_monitor(namespace, "curious", name))
