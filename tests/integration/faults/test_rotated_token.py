"""A pod's token is refused, and a while later another lies in its place."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from support import in_pod
from support.kube import Kube
from support.operators import SYSTEM
from support.own_cluster import Own
from support.processes import FREE_PORTS, Process
from support.resources import SECRETS, SERVICE_ACCOUNTS
from support.restarts import PATIENCE, PINGS, Apart
from support.scrapes import total
from support.vigil import Vigil, assert_well

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

FIRST, SECOND = "test-token-first", "test-token-second"


@pytest.fixture
def pod(own: Own, kube: Kube, tmp_path: Path) -> Iterator[Path]:
    """Write what the kubelet writes; its tokens hold as long as their Secrets exist."""
    folder = tmp_path / "pod"
    folder.mkdir()
    authority = own.plane.plan.home.pki / "ca.crt"
    (folder / "ca.crt").write_bytes(authority.read_bytes())
    (folder / "namespace").write_text(SYSTEM)
    for name in (FIRST, SECOND):
        metadata = {"name": name, "namespace": SYSTEM}
        kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    put_token(kube, folder, FIRST)
    yield folder
    left = {each["metadata"]["name"] for each in kube.items(SECRETS, SYSTEM)}
    for name in {FIRST, SECOND} & left:
        kube.delete(SECRETS, SYSTEM, name)


def put_token(kube: Kube, folder: Path, secret: str) -> None:
    """Put another token in the place of the one that is there, as the kubelet does."""
    bound = {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "name": secret,
        "uid": kube.get(SECRETS, SYSTEM, secret)["metadata"]["uid"],
    }
    path = SERVICE_ACCOUNTS.path(SYSTEM, "heartbeats-operator", "token")
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"boundObjectRef": bound},
    }
    token = kube.send("POST", path, request).body["status"]["token"]
    partial = folder / "token.new"
    partial.write_text(token)
    partial.replace(folder / "token")


@pytest.fixture
def vigil(
    own: Own,
    kube: Kube,
    namespace: str,
    pod: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Vigil]:
    """Keep a vigil on both roles in one process, which has the pod's credentials."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    port = own.plane.plan.ports.apiserver
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
    log = tmp_path / "events.jsonl"
    script = (str(in_pod.__file__), str(pod))
    flags = ("run", *FREE_PORTS, "--event-log", str(log))
    with Process(*flags, python=script) as process:
        url = process.wait_for(PINGS, within=PATIENCE)
        assert_well(process)
        apart = Apart(own, log, process, process, url)
        with Vigil.kept(kube, apart, namespace) as found:
            yield found


def test_a_token_that_is_refused_and_replaced_needs_no_restart(
    vigil: Vigil, kube: Kube, pod: Path
) -> None:
    """The file is read again at the first refusal, and every minute."""
    process = vigil.apart.operator
    first = (pod / "token").read_text()
    kube.delete(SECRETS, SYSTEM, FIRST)
    vigil.wait_answered(HTTPStatus.SERVICE_UNAVAILABLE)
    vigil.let_run_end_well()
    process.wait_for("Who leads is in doubt: .*Unauthorized", within=PATIENCE)
    put_token(kube, pod, SECOND)
    vigil.check()
    assert "Pings are refused: Unauthorized" in process.said
    assert total(process, "api_writes_total", code="401") > 0
    assert first not in process.said
    assert (pod / "token").read_text() not in process.said
