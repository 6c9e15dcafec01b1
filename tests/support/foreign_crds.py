"""Definitions of other projects' resources: the Gateway API, the Prometheus Operator.

They are taken out of these projects' Go modules, which tests/foreign_crds pins, so that
a real API server can judge our manifests by them.
"""

import json
import shutil
from pathlib import Path
from typing import Final

from heartbeats.cluster.progress import Progress
from support.gotools import Go, Tools

_MONITORING: Final = "example/prometheus-operator-crd/monitoring.coreos.com_"
_FILES: Final = {
    "sigs.k8s.io/gateway-api": (
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ),
    "github.com/prometheus-operator/prometheus-operator": (
        f"{_MONITORING}servicemonitors.yaml",
        f"{_MONITORING}prometheusrules.yaml",
    ),
}


def foreign_crds(progress: Progress) -> Path:
    """Return a folder with the definitions; fetches them the first time."""
    return _TOOLS.built(progress)


def _make(go: Go) -> None:
    for module, files in _FILES.items():
        found = json.loads(go.run("mod", "download", "-json", module))
        for name in files:
            shutil.copyfile(
                Path(found["Dir"]) / name, go.output / name.rsplit("/", 1)[1]
            )


_TOOLS: Final = Tools(
    "foreign-crds",
    Path(__file__).parents[1] / "foreign_crds",
    _make,
    recipe=_FILES,
)
