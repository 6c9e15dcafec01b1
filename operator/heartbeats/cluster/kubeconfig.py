"""Writes kubeconfig files and takes single contexts out of existing ones.

Only client certificates, tokens and the like are passed on; nothing is contacted.
"""

import base64
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from heartbeats.cluster.errors import ClusterError

_FILE_FIELDS = (
    "certificate-authority",
    "client-certificate",
    "client-key",
    "tokenFile",
)


def write_client_config(path: Path, *, server: str, pki: Path, user: str) -> None:
    """Write a kubeconfig for a client certificate, keys included."""
    cluster = {"server": server, "certificate-authority-data": _data(pki / "ca.crt")}
    credentials = {
        "client-certificate-data": _data(pki / f"{user}.crt"),
        "client-key-data": _data(pki / f"{user}.key"),
    }
    _write(path, "heartbeats", cluster, credentials, {})


def extract_context(context: str, target: Path, sources: list[Path]) -> str:
    """Write a kubeconfig with just one context of the given files; return its server.

    As kubectl does, the first file that defines a name wins.
    """
    entry = _find(sources, "contexts", "context", context)
    if entry is None:
        raise ClusterError(_no_context(context, sources))
    cluster = _find(sources, "clusters", "cluster", str(entry.get("cluster")))
    user = _find(sources, "users", "user", str(entry.get("user")))
    if cluster is None or not cluster.get("server"):
        raise ClusterError(
            f"Context {context!r} names the cluster {entry.get('cluster')!r}, which "
            "the kubeconfig does not define. See `kubectl config view`."
        )
    _write(target, context, cluster, user or {}, entry)
    return str(cluster["server"])


def kubeconfig_files(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the kubeconfig files that kubectl would read here."""
    if listed := environ.get("KUBECONFIG"):
        return [Path(name) for name in listed.split(os.pathsep) if name]
    return [Path.home() / ".kube" / "config"]


def _write(
    path: Path,
    name: str,
    cluster: Mapping[str, Any],
    user: Mapping[str, Any],
    context: Mapping[str, Any],
) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": dict(cluster)}],
        "users": [{"name": name, "user": dict(user)}],
        "contexts": [
            {"name": name, "context": {**context, "cluster": name, "user": name}}
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _find(
    sources: list[Path], section: str, field: str, name: str
) -> dict[str, Any] | None:
    for source in sources:
        for entry in _load(source).get(section) or []:
            if entry.get("name") == name:
                return _with_absolute_files(entry.get(field) or {}, source.parent)
    return None


def _load(source: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(source.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError) as error:
        raise ClusterError(f"The kubeconfig {source} can't be read: {error}") from error
    return content if isinstance(content, dict) else {}


def _with_absolute_files(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make file names absolute: they are relative to the file they stand in."""
    files = {name: entry[name] for name in _FILE_FIELDS if entry.get(name)}
    return entry | {
        name: str(folder.absolute() / value) for name, value in files.items()
    }


def _no_context(context: str, sources: list[Path]) -> str:
    names = {
        str(entry.get("name"))
        for source in sources
        for entry in _load(source).get("contexts") or []
    }
    known = ", ".join(sorted(names)) or "none"
    files = ", ".join(map(str, sources))
    return f"There is no context {context!r} in {files}. Contexts there: {known}."
