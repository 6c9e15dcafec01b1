"""Starts a node for a control plane, with images from files, and ends it.

Runs only where `support.node.isolated` has put it: it takes fixed ports and addresses.
"""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from heartbeats.cluster.controlplane import ControlPlane
from support.kube import Kube, has_condition, wait_until
from support.node import settings
from support.node.isolated import SERVICE_ADDRESS
from support.resources import NODES

NAME: Final = "node"
_PATIENCE: Final = 120.0
_SYSCTLS: Final = (
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
)
"""What the kubelet changes for the whole machine."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node at work."""

    home: Path

    def logs(self, pod: str) -> str:
        """Return all that the containers of a pod have written."""
        files = sorted((self.home / "logs").glob(f"*_{pod}_*/*/*.log"))
        return "".join(each.read_text() for each in files)


@contextmanager
def running_node(
    plane: ControlPlane, kube: Kube, kubelet: Path, images: Sequence[Path], home: Path
) -> Iterator[Node]:
    """Yield a node that is ready; `home` is a folder with a short name."""
    with ExitStack() as stack:
        stack.callback(_unmount, home)
        stack.enter_context(_kept_settings())
        stack.enter_context(_forwarded(plane.plan.ports.apiserver))
        _write_settings(plane, home)
        command = ("containerd", "--config", str(home / "containerd.toml"))
        stack.enter_context(_started(command, home / "containerd.log"))
        ctr = ("ctr", "--address", str(home / "containerd.sock"), "--namespace")
        _wait_succeeds([*ctr, "k8s.io", "version"])
        for image in images:
            load = [*ctr, "k8s.io", "images", "import", str(image)]
            subprocess.run(load, check=True, stdout=subprocess.DEVNULL)
        stack.enter_context(
            _started(_kubelet(plane, kubelet, home), home / "kubelet.log")
        )
        wait_until(
            *(kube, NODES, None, NAME, has_condition("Ready", "True")),
            timeout=_PATIENCE,
        )
        yield Node(home)


def _kubelet(plane: ControlPlane, program: Path, home: Path) -> list[str]:
    return [
        str(program),
        f"--config={home / 'kubelet.json'}",
        # It acts as an administrator: what nodes may do is not tried here.
        f"--kubeconfig={plane.kubeconfig}",
        f"--hostname-override={NAME}",
        f"--node-ip={SERVICE_ADDRESS}",
        f"--root-dir={home / 'kubelet'}",
        f"--cert-dir={home / 'kubelet-pki'}",
    ]


def _write_settings(plane: ControlPlane, home: Path) -> None:
    (home / "cni").mkdir()
    (home / "cni" / "pods.conflist").write_text(json.dumps(settings.network()))
    (home / "containerd.toml").write_text(settings.containerd(home))
    told = settings.kubelet(home, plane.plan.home.pki / "ca.crt")
    (home / "kubelet.json").write_text(json.dumps(told))


@contextmanager
def _started(command: Sequence[str], log: Path) -> Iterator[None]:
    """Run a program in the background until the block ends."""
    with log.open("w") as output:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(_PATIENCE)


def _unmount(home: Path) -> None:
    """Take away what is still mounted for pods, so that the folder can go."""
    lines = Path("/proc/mounts").read_text().splitlines()
    mounted = [line.split()[1] for line in lines]
    for target in reversed([each for each in mounted if each.startswith(f"{home}/")]):
        subprocess.run(["umount", "--lazy", target], check=True)


@contextmanager
def _kept_settings() -> Iterator[None]:
    """Put back what the kubelet changes for the whole machine."""
    files = [Path("/proc/sys") / each for each in _SYSCTLS]
    before = [each.read_text() for each in files]
    try:
        yield
    finally:
        for file, value in zip(files, before, strict=True):
            file.write_text(value)


def _wait_succeeds(command: Sequence[str]) -> None:
    ends = time.monotonic() + _PATIENCE
    while (
        done := subprocess.run(command, capture_output=True, check=False)
    ).returncode:
        if time.monotonic() > ends:
            raise TimeoutError(f"{' '.join(command)}: {done.stderr.decode()}")
        time.sleep(0.1)  # a socket that is not there yet offers nothing to watch


@contextmanager
def _forwarded(port: int) -> Iterator[None]:
    """Have the API server answer at its Service's address, where pods look for it."""
    with socket.create_server((SERVICE_ADDRESS, 443)) as listener:
        threading.Thread(target=_accept, args=(listener, port), daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, port: int) -> None:
    while True:
        try:
            inside, _ = listener.accept()
        except OSError:  # it is over
            return
        threading.Thread(target=_forward, args=(inside, port), daemon=True).start()


def _forward(inside: socket.socket, port: int) -> None:
    """Join a pod's connection to the API server until both have hung up."""
    with inside, socket.create_connection(("127.0.0.1", port)) as server:
        back = threading.Thread(target=_copy, args=(server, inside), daemon=True)
        back.start()
        _copy(inside, server)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # one of both has hung up
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
