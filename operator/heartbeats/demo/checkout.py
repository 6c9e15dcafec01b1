"""Finds the checkout with the manifests and reads them. Reads files, nothing else."""

from pathlib import Path
from typing import Any

import yaml

from heartbeats.demo.errors import DemoError

Manifest = dict[str, Any]

_FILE = "kustomization.yaml"
_NEEDED = ("crds", "manifests/rights", "manifests/samples")


def find_checkout(
    chosen: Path | None, *, cwd: Path, package: Path = Path(__file__)
) -> Path:
    """Return the checkout: the chosen one, else one around `cwd` or this package."""
    if chosen is not None:
        if not _is_checkout(chosen):
            raise DemoError(
                f"{chosen} is no checkout of Heartbeats: it lacks "
                f"{' or '.join(f'{name}/{_FILE}' for name in _NEEDED)}."
            )
        return chosen.resolve()
    for folder in (cwd, *cwd.parents, *package.parents):
        if _is_checkout(folder):
            return folder.resolve()
    raise DemoError(
        "The demo applies the manifests of a checkout, and there is none around "
        f"{cwd}. Run it in a clone of the repository, or name one: --checkout DIR."
    )


def read_manifests(path: Path) -> list[Manifest]:
    """Return the objects of a YAML file, or those a kustomization folder names.

    Follows `resources` only: for folders that change nothing of what they name.
    """
    try:
        if path.is_file():
            return [each for each in yaml.safe_load_all(path.read_text()) if each]
        entries = yaml.safe_load((path / _FILE).read_text())["resources"]
    except (OSError, yaml.YAMLError) as error:
        raise DemoError(f"The manifests in {path} can't be read: {error}") from error
    return [found for entry in entries for found in read_manifests(path / entry)]


def _is_checkout(folder: Path) -> bool:
    return all((folder / name / _FILE).is_file() for name in _NEEDED)
