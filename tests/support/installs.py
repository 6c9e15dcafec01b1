"""Makes manifests/install.yaml, and the copies that the Helm chart needs of our files.

A chart can read nothing outside its own folder. `make manifests` writes them; a unit
test compares. All are texts put together from the files that people edit, comments
and all: no YAML is written anew, so no tool's version shows.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from support.alert_rules import ROOT
from support.prometheus_rule import TARGET as PROMETHEUS_RULE

MANIFESTS: Final = ROOT / "manifests"
CHART: Final = MANIFESTS / "chart"
_RIGHTS: Final = MANIFESTS / "rights"
_NAMESPACED: Final = MANIFESTS / "overlays" / "namespaced"
_SECRETS: Final = _RIGHTS / "rbac-ping-secrets.yaml"
_SYSTEM: Final = "heartbeats-system"
MONITORING: Final = (
    "service-metrics.yaml",
    "servicemonitor.yaml",
    "prometheusrule.yaml",
)
_NOTE: Final = "# Made by `make manifests` from {}: change that.\n"


def made_files() -> dict[Path, str]:
    """Return what each made file must hold."""
    rights = [
        each
        for each in files_of(_RIGHTS)
        if each.name != "namespace.yaml" and each != _SECRETS
    ]
    narrow = [
        _NAMESPACED / name
        for name in ("serviceaccounts.yaml", "rbac-operator.yaml", "rbac-ping.yaml")
    ]
    [crd] = files_of(ROOT / "crds")
    overlay = PROMETHEUS_RULE.parent
    return {
        MANIFESTS / "install.yaml": _install(),
        CHART / "files" / "crd.yaml": _joined("crds", [crd]),
        CHART / "files" / "rights.yaml": _joined("manifests/rights", rights),
        CHART / "files" / "ping-secrets.yaml": _joined("manifests/rights", [_SECRETS]),
        CHART / "files" / "rights-namespaced.yaml": _in_a_namespace(
            _joined("manifests/overlays/namespaced", narrow)
        ),
        **{
            CHART / "files" / name: _joined("manifests/overlays", [overlay / name])
            for name in MONITORING
        },
    }


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the files that a kustomization names, in order, those of others' too.

    For folders that change nothing of what they name.
    """
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
    for entry in kustomization["resources"]:
        path = (folder / entry).resolve()
        if path.is_dir():
            yield from files_of(path)
        else:
            yield path


def _install() -> str:
    head = (
        "# All of Heartbeats in one file: kubectl apply --server-side -f install.yaml\n"
        "# Deleting by it deletes the definition too, and every monitor with it:\n"
        "# `kubectl delete -k manifests` does not.\n"
    )
    files = [*files_of(ROOT / "crds"), *files_of(MANIFESTS)]
    return head + _joined("crds and manifests", files)


def _joined(source: str, files: list[Path]) -> str:
    texts = [each.read_text().removeprefix("---\n").strip("\n") for each in files]
    return _NOTE.format(source) + "\n---\n".join(texts) + "\n"


def _in_a_namespace(text: str) -> str:
    """Write down the namespace that kustomize would fill in."""
    return text.replace(
        "\nmetadata:\n", f"\nmetadata:\n  namespace: {_SYSTEM}\n"
    ).replace(
        "  - kind: ServiceAccount\n",
        f"  - kind: ServiceAccount\n    namespace: {_SYSTEM}\n",
    )


def main() -> None:
    """Write the files."""
    for path, text in made_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
