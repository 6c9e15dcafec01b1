"""What containerd, the kubelet and the pods' network are told. Starts nothing."""

from pathlib import Path
from typing import Any, Final

PAUSE: Final = "localhost/pause:1"
"""The image that keeps a pod's namespaces."""


def containerd(home: Path) -> str:
    """Return containerd's configuration, TOML."""
    return f"""\
version = 2
root = "{home}/containerd"
state = "{home}/run"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
address = "{home}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{home}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
disable_apparmor = true
# A root that may not lower its own score cannot start containers otherwise.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{home}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def network() -> dict[str, Any]:
    """Return the pods' network: a cable from each pod to the node."""
    ranges = [[{"subnet": "10.88.0.0/24"}]]
    routes = [{"dst": "0.0.0.0/0"}]
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {"type": "host-local", "ranges": ranges, "routes": routes},
            }
        ],
    }


def kubelet(home: Path, authority: Path) -> dict[str, Any]:
    """Return the kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(authority)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": f"unix://{home}/containerd.sock",
        "podLogsDir": str(home / "logs"),
        "volumePluginDir": str(home / "volume-plugins"),
        # Whatever the machine's control groups are: nothing is measured here.
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        # What was collected or driven out could not be pulled again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "10Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
        },
    }
