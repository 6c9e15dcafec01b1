"""People who may read some things only, and what the API server saw of them.

It holds no expectations.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from heartbeats.cluster.record import API_ONLY, Component, Options
from support.kube import Kube, apply_all
from support.operators import SYSTEM, account_kubeconfig
from support.resources import Object

GROUPS = {
    "cronjobs": "batch",
    "jobs": "batch",
    "namespaces": "",
    "heartbeatmonitors": "heartbeats.dev",
}
_RBAC = "rbac.authorization.k8s.io"
_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit log of an API server, written before each answer."""

    log: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "Audit":
        """Make the files for one."""
        (folder / "policy.yaml").write_text(_POLICY)
        return cls(folder / "audit.jsonl")

    @property
    def options(self) -> Options:
        """Return how to start a control plane without controllers that writes it."""
        flags = (
            f"--audit-policy-file={self.log.parent / 'policy.yaml'}",
            f"--audit-log-path={self.log}",
            "--audit-log-mode=blocking",
        )
        return Options(components=API_ONLY, arguments={Component.APISERVER: flags})

    def of(self, account: str) -> list[tuple[str, str]]:
        """Return the verb and the URI of each request of a ServiceAccount of ours."""
        name = f"system:serviceaccount:{SYSTEM}:{account}"
        events = (json.loads(line) for line in self.log.read_text().splitlines())
        return [
            (event["verb"], event["requestURI"])
            for event in events
            if event["user"]["username"] == name
        ]


@dataclass(frozen=True, slots=True)
class Reader:
    """A ServiceAccount that may get and list some kinds."""

    name: str
    kubeconfig: Path


@contextmanager
def reader(
    kube: Kube, admin: Path, folder: Path, *kinds: str, namespace: str | None = None
) -> Iterator[Reader]:
    """Yield a new account that may read these kinds, everywhere or in a namespace."""
    name = f"reader-{uuid4().hex[:6]}"
    apply_all(kube, _account(name, kinds, namespace))
    yield Reader(name, account_kubeconfig(kube, admin, folder / name, name))


def _account(
    name: str, kinds: tuple[str, ...], namespace: str | None
) -> Iterator[Object]:
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}
    here = {"name": name, "namespace": SYSTEM}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": here}
    scope = "" if namespace else "Cluster"
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    role = {"apiVersion": f"{_RBAC}/v1", "metadata": meta}
    rules = [
        {"apiGroups": [GROUPS[kind]], "resources": [kind], "verbs": ["get", "list"]}
        for kind in kinds
    ]
    yield {**role, "kind": f"{scope}Role", "rules": rules}
    yield {
        **role,
        "kind": f"{scope}RoleBinding",
        "subjects": [{"kind": "ServiceAccount", **here}],
        "roleRef": {"apiGroup": _RBAC, "kind": f"{scope}Role", "name": name},
    }
