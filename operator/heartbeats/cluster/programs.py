"""Which programs are built from the pinned Go modules, and the key of each build.

The versions stand in gomodule/go.mod alone and are read from there.
"""

import hashlib
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from heartbeats.cluster.errors import ClusterError

GO_MODULE = Path(__file__).parent / "gomodule"
"""The Go module that pins every program (go.mod, go.sum) and holds our own."""

BUILD_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false")


@dataclass(frozen=True, slots=True)
class Program:
    """One executable: its file name and its Go package."""

    name: str
    package: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Programs that are built and cached together."""

    name: str
    programs: tuple[Program, ...]


def _kubernetes(name: str) -> Program:
    return Program(name, f"k8s.io/kubernetes/cmd/{name}")


# The API server comes first: what the others compile is mostly a part of it.
CONTROL_PLANE = Bundle(
    "control-plane",
    (
        _kubernetes("kube-apiserver"),
        Program("etcd", "go.etcd.io/etcd/server/v3"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        Program("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
        _kubernetes("kubectl"),
        Program("certs", "./certs"),
    ),
)

NODE = Bundle("node", (_kubernetes("kubelet"), _kubernetes("kube-proxy")))
"""The programs of a real node, for end-to-end tests."""

KIND = Bundle("kind", (Program("kind", "sigs.k8s.io/kind"),))


def module_version(module: str, go_mod: str) -> str:
    """Return the version that a go.mod requires of a module, such as v1.36.3."""
    pattern = rf"^\s*{re.escape(module)} (v\S+)"
    if match := re.search(pattern, go_mod, re.MULTILINE):
        return match[1]
    raise ClusterError(f"go.mod does not require {module}: reinstall heartbeats.")


def link_flags(go_mod: str) -> str:
    """Return the linker flags that make the programs report their real versions.

    Without them the API server calls itself v0.0.0-master and refuses half its work.
    """
    kubernetes = module_version("k8s.io/kubernetes", go_mod)
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    values = {"gitVersion": kubernetes, "gitMajor": major, "gitMinor": minor}
    values["gitTreeState"] = "clean"
    kwok = module_version("sigs.k8s.io/kwok", go_mod).removeprefix("v")
    return " ".join(
        [
            "-s -w",
            *(f"-X k8s.io/component-base/version.{k}={v}" for k, v in values.items()),
            f"-X sigs.k8s.io/kwok/pkg/consts.Version={kwok}",
        ]
    )


def build_key(bundle: Bundle, module: Path = GO_MODULE) -> str:
    """Return the cache key: versions, sources, flags and platform."""
    go_mod = (module / "go.mod").read_text()
    digest = hashlib.sha256()
    for source in sorted([module / "go.mod", module / "go.sum", *module.rglob("*.go")]):
        digest.update(source.relative_to(module).as_posix().encode() + b"\0")
        digest.update(source.read_bytes() + b"\0")
    digest.update(repr((bundle, BUILD_FLAGS, link_flags(go_mod))).encode())
    release = module_version("k8s.io/kubernetes", go_mod)
    system = f"{sys.platform}-{platform.machine()}"
    return f"{release}-{digest.hexdigest()[:12]}-{system}"
