"""Several replicas of the operator on one cluster: one leads, the others follow.

Needs a cluster of one's own: see `support.own_cluster`. It holds no expectations.
"""

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Self

from support.fault_rig import FaultRig
from support.operators import SYSTEM, account_kubeconfig, forget_leader
from support.own_cluster import Own
from support.processes import FREE_PORTS, Process, ask, until_answers
from support.resources import Object, resource_of
from support.restarts import HEALTH, OPENED, PATIENCE
from support.scrapes import METRICS, scrape_at
from support.traps import Asked

PAGE = r"The page listener is at (\S+)"
FOLLOWS = r"Following: (\S+) leads"
LOST = r"Leading no more"


@dataclass(slots=True)
class Replica:
    """One of them, and where it can be asked."""

    process: Process
    event_log: Path
    health: str
    metrics: str
    page: str
    forgotten: int = 0
    """How much of what it said is left out of account."""

    @classmethod
    def start(cls, kubeconfig: Path, folder: Path, *flags: str) -> Self:
        """Start one; returns when it listens."""
        folder.mkdir(parents=True, exist_ok=True)
        events = folder / "events.jsonl"
        events.touch()
        flags = ("--event-log", str(events), *FREE_PORTS, *flags)
        process = Process("run", "--kubeconfig", str(kubeconfig), *flags)
        forms = (HEALTH, METRICS, PAGE)
        urls = [process.wait_for(form, within=PATIENCE) for form in forms]
        return cls(process, events, *urls)

    def wait_ready(self) -> None:
        """Return when it is ready."""
        until_answers(f"{self.health}/readyz", within=PATIENCE)

    def wait_leads(self, *, within: float = PATIENCE) -> None:
        """Return when it judges; AssertionError after so many seconds."""
        self.wait_says(OPENED, within=within)

    def wait_says(self, form: str, *, within: float) -> str:
        """Return what it says in this form since `forget`; AssertionError."""
        ends = time.monotonic() + within
        while not (found := re.findall(form, self.process.said[self.forgotten :])):
            assert time.monotonic() < ends, f"no {form!r} in: {self.process.said}"
            time.sleep(0.01)  # a process offers nothing to watch
        return str(found[0])

    def forget(self) -> None:
        """Leave what it has said so far out of account."""
        self.forgotten = len(self.process.said)

    def is_ready(self) -> bool:
        """Ask /readyz."""
        return ask(f"{self.health}/readyz")[0] == HTTPStatus.OK

    def wait_is_not_ready(self, why: bytes, *, within: float = PATIENCE) -> None:
        """Return when it says why it is not ready; AssertionError."""
        ends = time.monotonic() + within
        while why not in (said := ask(f"{self.health}/readyz")[1]):
            assert time.monotonic() < ends, said
            time.sleep(0.05)  # a process offers nothing to watch

    def scrape(self) -> str:
        """Return all its metrics."""
        return scrape_at(self.metrics)

    def says_it_leads(self) -> bool:
        """Ask its gauge."""
        return "heartbeat_operator_leader 1.0" in self.scrape()

    def freeze(self) -> None:
        """Stop it as it is, in the middle of whatever it does."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.process.pid, signal.SIGCONT)


@contextmanager
def two(
    own: Own, folder: Path, *flags: str, rig: FaultRig | None = None
) -> Iterator[tuple[Replica, Replica]]:
    """Run a leader, behind the rig if there is one, and a follower that is warm."""
    forget_leader(own.kube)
    way = own.operator
    if rig is not None:
        folder.mkdir(parents=True, exist_ok=True)
        way = rig.kubeconfig(own.operator, folder / "kubeconfig")
    started: list[Replica] = []
    try:
        for name, kubeconfig in (("a", way), ("b", own.operator)):
            started.append(Replica.start(kubeconfig, folder / name, *flags))
            started[-1].wait_ready()
        started[0].wait_leads()
        started[1].process.wait_for(FOLLOWS)
        yield started[0], started[1]
    finally:
        for each in started:
            each.process.close()


@contextmanager
def without_leases(own: Own, folder: Path) -> Iterator[Path]:
    """Yield a kubeconfig of an operator that may do all but what takes the Lease."""
    manifests = list(_account_without_leases("test-without-leases"))
    for manifest in manifests:
        own.kube.create(manifest)
    try:
        target = folder / "without-leases"
        name = manifests[0]["metadata"]["name"]
        yield account_kubeconfig(own.kube, own.admin, target, name)
    finally:
        for manifest in manifests:
            meta = manifest["metadata"]
            own.kube.delete(resource_of(manifest), meta.get("namespace"), meta["name"])


def _account_without_leases(name: str) -> Iterator[Object]:
    meta = {"name": name, "namespace": SYSTEM}
    group = "rbac.authorization.k8s.io"
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
    rules = [
        {"apiGroups": [of], "resources": [plural], "verbs": ["list", "watch"]}
        for of, plural in (("coordination.k8s.io", "leases"), ("", "configmaps"))
    ]
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta}
    yield {**role, "rules": rules}
    bound = {
        "subjects": [{"kind": "ServiceAccount", **meta}],
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
    }
    yield {**role, "kind": "RoleBinding", **bound}
    whole = {"apiGroup": group, "kind": "ClusterRole", "name": "heartbeats-operator"}
    yield {
        **role,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        **bound,
        "roleRef": whole,
    }


class Writes:
    """The writes that pass a rig, as it hears their answers."""

    def __init__(self, rig: FaultRig) -> None:
        self.seen: list[str] = []
        rig.listen(self._hear)

    def _hear(self, asked: Asked, _piece: bytes) -> None:
        if asked.method != "GET":
            self.seen.append(f"{asked.method} {asked.path}")
