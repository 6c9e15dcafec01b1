"""One context, taken out of the user's kubeconfig files."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.kubeconfig import (
    extract_context,
    kubeconfig_files,
    write_client_config,
)

USERS = {
    "clusters": [
        {"name": "prod", "cluster": {"server": "https://prod:6443"}},
        {
            "name": "lab",
            "cluster": {
                "server": "https://lab:6443",
                "certificate-authority": "ca.crt",
            },
        },
    ],
    "users": [
        {"name": "me", "user": {"token": "secret"}},
        {"name": "other", "user": {"token": "not for us"}},
    ],
    "contexts": [
        {"name": "prod", "context": {"cluster": "prod", "user": "other"}},
        {"name": "lab", "context": {"cluster": "lab", "user": "me", "namespace": "n"}},
        {"name": "broken", "context": {"cluster": "gone", "user": "me"}},
    ],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(USERS))
    return path


def load(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def test_just_the_named_context_is_written(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "out" / "kubeconfig"
    assert extract_context("lab", target, [source]) == "https://lab:6443"
    written = load(target)
    assert written["current-context"] == "lab"
    assert [c["context"]["namespace"] for c in written["contexts"]] == ["n"]
    assert [u["user"] for u in written["users"]] == [{"token": "secret"}]
    assert "not for us" not in target.read_text()
    assert "prod" not in target.read_text()


def test_nobody_else_may_read_the_written_file(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "kubeconfig"
    extract_context("lab", target, [source])
    assert target.stat().st_mode & 0o077 == 0


def test_file_names_stay_valid_from_elsewhere(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "out" / "kubeconfig"
    extract_context("lab", target, [source])
    (entry,) = load(target)["clusters"]
    assert entry["cluster"]["certificate-authority"] == str(tmp_path / "ca.crt")


def test_the_first_file_that_defines_a_name_wins(tmp_path: Path, source: Path) -> None:
    first = tmp_path / "first"
    lab = {"name": "lab", "cluster": {"server": "https://first:6443"}}
    first.write_text(yaml.safe_dump({"clusters": [lab]}))
    target = tmp_path / "kubeconfig"
    missing = tmp_path / "missing"
    server = extract_context("lab", target, [missing, first, source])
    assert server == "https://first:6443"


def test_an_unknown_context_is_an_error_that_lists_the_known(
    tmp_path: Path, source: Path
) -> None:
    with pytest.raises(ClusterError, match="Contexts there: broken, lab, prod"):
        extract_context("nope", tmp_path / "kubeconfig", [source])
    assert not (tmp_path / "kubeconfig").exists()


def test_a_context_without_its_cluster_is_an_error(
    tmp_path: Path, source: Path
) -> None:
    with pytest.raises(ClusterError, match="names the cluster 'gone'"):
        extract_context("broken", tmp_path / "kubeconfig", [source])


def test_a_file_that_is_no_yaml_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "config"
    source.write_text("{")
    with pytest.raises(ClusterError, match="can't be read"):
        extract_context("lab", tmp_path / "kubeconfig", [source])


def test_kubeconfig_may_name_several_files() -> None:
    assert kubeconfig_files({"KUBECONFIG": "/a:/b"}) == [Path("/a"), Path("/b")]
    assert kubeconfig_files({}) == [Path.home() / ".kube" / "config"]


def test_a_client_config_holds_the_keys_themselves(tmp_path: Path) -> None:
    for name in ("ca.crt", "admin.crt", "admin.key"):
        (tmp_path / name).write_text(name)
    target = tmp_path / "kubeconfig"
    write_client_config(target, server="https://x", pki=tmp_path, user="admin")
    (user,) = load(target)["users"]
    assert base64.b64decode(user["user"]["client-key-data"]) == b"admin.key"
