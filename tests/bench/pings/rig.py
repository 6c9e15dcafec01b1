"""What is measured: a control plane, thousands of ping monitors, and both roles."""

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from heartbeats.cluster.progress import Progress
from heartbeats.cluster.record import EVERYTHING, Component, Options
from heartbeats.core.model import MonitorKey
from heartbeats.core.tokens import Key, mint
from support.control_plane import install
from support.kube import Kube
from support.operators import SYSTEM, account_kubeconfig, forget_leader
from support.own_cluster import own_control_plane
from support.resources import CONFIG_MAPS, MONITORS, SECRETS, Object

NAMESPACE = "bench"
_READY_WITHIN = 120.0
_NAMES_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_FORMS = {
    "ping": re.compile(r"Pings are answered on (\S+)"),
    "metrics": re.compile(r"The metrics listener is at (\S+)"),
    "health": re.compile(r"The health listener is at (\S+)"),
}


@dataclass
class Role:
    """A running process of one role."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path
    urls: dict[str, str] = field(default_factory=dict)

    @property
    def cpu_seconds(self) -> float:
        """Return the CPU time it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_mb(self) -> float:
        """Return the memory it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, and wait until it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)

    def metric(self, name: str) -> float:
        """Sum a metric over its labels."""
        return sum(self._values(name))

    def newest(self, name: str) -> float:
        """Return the largest value of a metric over its labels; 0 without any."""
        return max(self._values(name), default=0.0)

    def _values(self, name: str) -> list[float]:
        with urlopen(f"{self.urls['metrics']}/metrics", timeout=30) as answer:  # noqa: S310
            lines = answer.read().decode().splitlines()
        found = [each for each in lines if each.startswith((f"{name} ", f"{name}{{"))]
        return [float(each.rpartition(" ")[2]) for each in found]


@dataclass
class Rig:
    """The cluster and how to start the roles on it."""

    kube: Kube
    admin: Path
    accounts: dict[str, Path]
    folder: Path
    progress: Progress

    def start(self, role: str, *flags: str) -> Role:
        """Start a role, and return when it is ready.

        An operator that was killed did not give its Lease back: it is taken away, for
        what is measured is not how long that lasts.
        """
        if role == "operator":
            forget_leader(self.kube)
        free = "127.0.0.1:0"
        command = [
            *(sys.executable, "-m", "heartbeats", "run", "--role", role),
            *("--kubeconfig", str(self.accounts[role]), "--no-ping-secrets"),
            *("--ping-address", free, "--metrics-address", free),
            *("--health-address", free, "--page-address", free, *flags),
        ]
        log = self.folder / f"{role}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
                env={**os.environ, "PYTHONSAFEPATH": "1"},
            )
        started = Role(role, process, log)
        wait(lambda: _is_ready(started), _READY_WITHIN, f"role {role}")
        return started

    def create_monitors(self, number: int) -> None:
        """Create so many ping monitors that nobody expects a ping of soon."""
        self.kube.create(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        )
        for index in range(number):
            self.kube.create(_monitor(index))
            if index % 100 == 99:
                self.progress.tick(f"{index + 1:,} of {number:,} monitors created")

    def urls(self, ping: Role, number: int) -> list[str]:
        """Return the ping URL of every monitor."""
        secret = self.kube.get(SECRETS, SYSTEM, "heartbeats-ping-key")
        key = Key.of(base64.b64decode(secret["data"]["current"]))
        tokens = (mint(key, MonitorKey(NAMESPACE, name(i)), 1) for i in range(number))
        return [f"{ping.urls['ping']}/ping/{token}" for token in tokens]

    def statuses(self) -> dict[str, Object]:
        """Return the status of every monitor by name."""
        found = self.kube.items(MONITORS, NAMESPACE)
        return {each["metadata"]["name"]: each.get("status", {}) for each in found}

    def segments(self) -> int:
        """Count the journal's segments."""
        query = {"labelSelector": "heartbeats.dev/journal=v1"}
        path = CONFIG_MAPS.path(SYSTEM)
        page = self.kube.send("GET", path, query=query, accept=_NAMES_ONLY).body
        return len(page["items"] or ())  # none is null here


def name(index: int) -> str:
    """Name a monitor."""
    return f"job-{index:05}"


def _monitor(index: int) -> Object:
    return {
        "apiVersion": "heartbeats.dev/v1alpha1",
        "kind": "HeartbeatMonitor",
        "metadata": {"name": name(index), "namespace": NAMESPACE},
        "spec": {"ping": {}, "interval": "24h"},
    }


def _is_ready(role: Role) -> bool:
    if role.process.poll() is not None:
        raise RuntimeError(f"role {role.name} ended:\n{role.log.read_text()[-3000:]}")
    text = role.log.read_text()
    found = {what: form.search(text) for what, form in _FORMS.items()}
    role.urls = {what: match[1] for what, match in found.items() if match}
    if "health" not in role.urls:
        return False
    try:
        with urlopen(f"{role.urls['health']}/readyz", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


def wait(is_done: Callable[[], Any], within: float, what: str) -> float:
    """Wait until something holds; returns how long it took, in seconds."""
    began = time.monotonic()
    while not is_done():
        if time.monotonic() - began > within:
            raise TimeoutError(f"{what} took more than {within:g} s")
        time.sleep(0.2)
    return time.monotonic() - began


@contextmanager
def rig(
    folder: Path,
    progress: Progress,
    *,
    components: tuple[Component, ...] = EVERYTHING,
) -> Iterator[Rig]:
    """Yield a new control plane with everything installed but no role running."""
    with (
        own_control_plane(Options(components, fsync=True)) as plane,
        closing(Kube.from_kubeconfig(plane.kubeconfig)) as administrator,
    ):
        install(administrator)
        accounts = {
            role: account_kubeconfig(
                administrator, plane.kubeconfig, folder / role, f"heartbeats-{role}"
            )
            for role in ("operator", "ping")
        }
        yield Rig(administrator, plane.kubeconfig, accounts, folder, progress)
