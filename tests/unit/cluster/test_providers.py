"""Who provides the cluster, and what the command line says."""

import os
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from heartbeats.cluster import kind, providers
from heartbeats.cluster.cli import cluster
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.paths import ClusterDir, clusters_dir
from heartbeats.cluster.record import Provider


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's clusters and kubeconfig out of the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    context = {"name": "lab", "context": {"cluster": "lab", "user": "me"}}
    content = {
        "clusters": [{"name": "lab", "cluster": {"server": "https://lab:6443"}}],
        "contexts": [context],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    return clusters_dir(os.environ)


def put_docker(folder: Path, script: str) -> None:
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "provider"),
    [
        ("echo 29.0.1", Provider.KIND),
        ("echo Cannot connect >&2; exit 1", Provider.EMBEDDED),
        ("exit 0", Provider.EMBEDDED),
    ],
)
def test_kind_is_taken_only_if_a_docker_engine_answers(
    script: str,
    provider: Provider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_docker(tmp_path, script)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    assert providers.choose(None, None).provider is provider


def test_a_docker_engine_that_hangs_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_docker(tmp_path, "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    monkeypatch.setattr(kind, "_DOCKER_TIMEOUT", 0.1)
    assert not kind.docker_answers()


def test_no_docker_command_means_no_docker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not kind.docker_answers()


def test_a_named_context_comes_before_all_else() -> None:
    assert providers.choose("lab", None).provider is Provider.CONTEXT


def test_a_context_and_another_provider_contradict() -> None:
    with pytest.raises(ClusterError, match="leave out --provider"):
        providers.choose("lab", Provider.KIND)


def test_up_with_a_context_prints_the_kubeconfig_alone_on_stdout(state: Path) -> None:
    result = CliRunner().invoke(cluster, ["up", "--context", "lab"])
    assert result.exit_code == 0
    assert result.stdout == f"{state / 'dev' / 'kubeconfig'}\n"
    assert "https://lab:6443; nothing was created" in result.stderr


def test_down_of_a_context_removes_our_folder_and_nothing_else(
    state: Path, tmp_path: Path
) -> None:
    CliRunner().invoke(cluster, ["up", "--context", "lab"])
    assert (state / "dev").exists()
    result = CliRunner().invoke(cluster, ["down"])
    assert result.exit_code == 0
    assert list(state.iterdir()) == []
    assert (tmp_path / "config").exists()


def test_a_name_in_use_is_not_taken_by_another_provider(state: Path) -> None:
    CliRunner().invoke(cluster, ["up", "--context", "lab", "--name", "x"])
    home = ClusterDir(state / "x")
    with pytest.raises(ClusterError, match="heartbeats cluster down --name x"):
        providers._refuse_other_provider(home, Provider.EMBEDDED)


def test_down_of_a_cluster_that_is_not_there_says_so_and_succeeds() -> None:
    result = CliRunner().invoke(cluster, ["down", "--name", "none"])
    assert result.exit_code == 0
    assert "There is no cluster 'none'." in result.stderr


def test_status_of_a_cluster_that_is_not_there_tells_how_to_start_it() -> None:
    result = CliRunner().invoke(cluster, ["status", "--name", "none"])
    assert result.exit_code == 1
    assert "heartbeats cluster up --name none" in result.stderr


def test_an_error_is_a_text_and_exit_code_1() -> None:
    result = CliRunner().invoke(cluster, ["up", "--context", "nope"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Contexts there: lab." in result.stderr
    assert "Traceback" not in result.output
