"""The image: built from the Dockerfile, looked into, and run as a pod would be.

Needs root and Debian's package manager, and skips where they are missing: see
`support.image.debian`. The base is a Debian of our own, for there may be no registry.
"""

import base64
import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from heartbeats import __version__
from heartbeats.cluster.paths import cache_dir
from heartbeats.cluster.progress import Progress
from support.control_plane import ROOT, SYSTEM, install
from support.image.archive import Archive
from support.image.build import BASE
from support.image.buildah import Buildah
from support.image.containers import Bundle
from support.image.debian import Debian, DebianError, missing
from support.kube import Kube, fresh_namespace, wait_until
from support.operators import ping_url
from support.own_cluster import own_control_plane
from support.processes import FREE_PORTS, Process, until_answers
from support.resources import MONITORS, SERVICE_ACCOUNTS, read_manifests
from support.restarts import HEALTH, OPENED, PATIENCE, PINGS
from support.shipped import arguments_of
from support.workloads import has_said, ping_monitor

pytestmark = pytest.mark.image

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Image:
    """The built image."""

    archive: Archive
    bundle: Bundle

    @property
    def files(self) -> Path:
        """The root file system."""
        return self.bundle.folder / "rootfs"


@pytest.fixture(scope="module")
def image(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Image:
    """Build it; the first time, what builds it is fetched for minutes."""
    if why_not := missing():
        pytest.skip(f"the image is not built here: {why_not}")
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        progress = Progress(sys.stderr)
        cache = cache_dir() / "image"
        debian = Debian.fetched(cache, progress)
        buildah = Buildah(debian, cache / "store")
        buildah.build(ROOT, f"heartbeats:{__version__}", BASE, cache, progress)
    folder = tmp_path_factory.mktemp("image")
    archive = Archive(folder / "image.tar")
    buildah.save(f"heartbeats:{__version__}", archive.path)
    archive.unpack(folder / "rootfs")
    return Image(archive, Bundle(debian, folder, archive.config()["config"]))


def test_the_base_is_that_of_the_dockerfile() -> None:
    assert f"\nARG BASE={BASE}\n" in (ROOT / "Dockerfile").read_text()


def test_it_is_small(image: Image) -> None:
    own = sum(layer.unpacked for layer in image.archive.own_layers())
    whole = sum(layer.compressed for layer in image.archive.layers())
    assert 10 * MEGABYTE < own < 45 * MEGABYTE
    assert own < whole < 120 * MEGABYTE


def test_it_says_how_it_is_run_and_what_it_is(image: Image) -> None:
    config = image.bundle.config
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["heartbeats"]
    assert {"PYTHONSAFEPATH=1", "PYTHONDONTWRITEBYTECODE=1"} <= set(config["Env"])
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert set(config["ExposedPorts"]) == {"8080/tcp", "8081/tcp", "9090/tcp"}


def test_it_holds_what_is_locked_and_nothing_else(image: Image) -> None:
    """No pip that could add to it, and no client of 126 MB."""
    pins = re.findall(
        r"^([a-z0-9-]+)==\S+( ; python_full_version < '3.13')?",
        (ROOT / "requirements.lock").read_text(),
        re.MULTILINE,
    )
    wanted = {name for name, older in pins if not older} | {"heartbeats"}
    listed = image.files.glob("opt/heartbeats/lib/python3*/site-packages/*.dist-info")
    found = {each.name.split("-")[0].lower().replace("_", "-") for each in listed}
    assert found == wanted
    assert "kubernetes" not in found


def test_it_holds_every_file_of_the_package(image: Image) -> None:
    """Those that are no code too: the page's, the control plane's."""
    here = ROOT / "operator" / "heartbeats"
    [there] = image.files.glob("opt/heartbeats/lib/python3*/site-packages/heartbeats")
    wanted = {name for name in files_in(here) if not name.endswith(".pyc")}
    found = {name for name in files_in(there) if not name.endswith(".pyc")}
    assert found == wanted


def files_in(folder: Path) -> set[str]:
    """Return the names of all files in a folder."""
    return {str(e.relative_to(folder)) for e in folder.rglob("*") if e.is_file()}


def test_nothing_of_ours_can_be_changed_by_who_runs_it(image: Image) -> None:
    ours = [image.files / "opt", *(image.files / "opt").rglob("*")]
    assert len(ours) > 1000
    for each in ours:
        status = each.lstat()
        assert status.st_uid == 0, each
        assert each.is_symlink() or not status.st_mode & 0o6022, each


LOOK = """
import json, os
status = dict(l.split(":\\t", 1) for l in open("/proc/self/status") if ":\\t" in l)
try:
    open("/tmp/x", "w")
except OSError as error:
    refused = error.strerror
print(json.dumps([os.getuid(), os.getgid(), status["CapEff"], status["NoNewPrivs"],
                  refused]))
"""


def test_it_runs_without_rights_on_a_read_only_root(image: Image) -> None:
    said = image.bundle.output("-c", LOOK, entrypoint=["python"])
    nothing = "0" * 16
    refused = "Read-only file system"
    assert [str(each).strip() for each in json.loads(said)] == [
        *("65532", "65532", nothing, "1", refused)
    ]
    assert image.bundle.output("version").strip() == __version__


def test_the_health_check_fails_while_nothing_is_healthy(image: Image) -> None:
    with pytest.raises(DebianError, match="Connection refused"):
        image.bundle.output(entrypoint=health_check(image, "http://127.0.0.1:1"))


def health_check(image: Image, address: str) -> list[str]:
    """Return the image's health check, for a process at another address."""
    kind, *command = image.bundle.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    return [each.replace("http://127.0.0.1:8081", address) for each in command]


# Both roles, as their pods would be


@dataclass(frozen=True, slots=True)
class Pods:
    """Where the image runs, and by which API server."""

    image: Image
    kube: Kube
    kubeconfig: Path

    @contextmanager
    def running(self, role: str, folder: Path) -> Iterator[Process]:
        """Run a role as its Deployment does, on free ports."""
        shipped = read_manifests(ROOT / "manifests" / "base")
        cluster = yaml.safe_load(self.kubeconfig.read_text())["clusters"][0]["cluster"]
        server = urlsplit(cluster["server"])
        environment = {
            "KUBERNETES_SERVICE_HOST": str(server.hostname),
            "KUBERNETES_SERVICE_PORT": str(server.port),
        }
        started = self.image.bundle.container(
            *arguments_of(shipped, role),
            *FREE_PORTS,
            environment=environment,
            account=self.account(role, cluster, folder),
        )
        with started as command, Process(program=command) as process:
            yield process

    def account(self, role: str, cluster: dict[str, str], folder: Path) -> Path:
        """Write what the kubelet mounts of a ServiceAccount."""
        path = SERVICE_ACCOUNTS.path(SYSTEM, f"heartbeats-{role}", "token")
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        answer = self.kube.send("POST", path, {**request, "spec": {}}).body
        mounted = folder / role
        mounted.mkdir()
        (mounted / "token").write_text(answer["status"]["token"])
        (mounted / "namespace").write_text(SYSTEM)
        (mounted / "ca.crt").write_bytes(authority(cluster))
        return mounted


def authority(cluster: dict[str, str]) -> bytes:
    """Return the certificate that a kubeconfig trusts."""
    if data := cluster.get("certificate-authority-data"):
        return base64.b64decode(data)
    return Path(cluster["certificate-authority"]).read_bytes()


@pytest.fixture
def pods(image: Image) -> Iterator[Pods]:
    """Have a cluster with the rights in it."""
    with (
        own_control_plane() as plane,
        closing(Kube.from_kubeconfig(plane.kubeconfig)) as kube,
    ):
        install(kube)
        yield Pods(image, kube, plane.kubeconfig)


def test_both_roles_work_in_containers_as_their_accounts(
    pods: Pods, tmp_path: Path
) -> None:
    kube = pods.kube
    with ExitStack() as stack:
        namespace = stack.enter_context(fresh_namespace(kube))
        operator = stack.enter_context(pods.running("operator", tmp_path))
        pings = stack.enter_context(pods.running("ping", tmp_path))
        operator.wait_for(OPENED, within=PATIENCE)
        for process in (operator, pings):
            health = process.wait_for(HEALTH)
            until_answers(f"{health}/readyz", within=PATIENCE)
            pods.image.bundle.output(entrypoint=health_check(pods.image, health))
        kube.create(ping_monitor(namespace, "job", interval="24h"))
        url = urlsplit(ping_url(kube, namespace, "job"))
        assert until_answers(pings.wait_for(PINGS) + url.path) == b"OK"
        wait_until(kube, MONITORS, namespace, "job", has_said("Up"))
        for process in (operator, pings):
            assert process.end(within=PATIENCE) == 0
            assert "Traceback" not in process.said
