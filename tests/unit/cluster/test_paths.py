"""Where the cache and the clusters lie."""

from pathlib import Path

import pytest

from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.paths import cache_dir, cluster_dir, clusters_dir


def test_the_cache_is_where_the_user_says() -> None:
    environ = {"HEARTBEATS_CACHE": "/big/disk", "XDG_CACHE_HOME": "/other"}
    assert cache_dir(environ) == Path("/big/disk")


def test_the_cache_follows_xdg_and_then_the_home_folder() -> None:
    assert cache_dir({"XDG_CACHE_HOME": "/xdg"}) == Path("/xdg/heartbeats")
    assert cache_dir({}) == Path.home() / ".cache" / "heartbeats"


def test_a_relative_xdg_path_is_ignored() -> None:
    assert clusters_dir({"XDG_STATE_HOME": "state"}) == (
        Path.home() / ".local" / "state" / "heartbeats" / "clusters"
    )


@pytest.mark.parametrize("name", ["dev", "a", "demo-2", "x" * 40])
def test_a_cluster_has_a_folder_of_its_own_name(name: str, tmp_path: Path) -> None:
    home = cluster_dir(name, tmp_path)
    assert home.root == tmp_path / name
    assert home.name == name


@pytest.mark.parametrize("name", ["", "Dev", "../etc", "a/b", "-a", "a-", "x" * 41])
def test_a_name_that_is_no_folder_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="can't name a cluster"):
        cluster_dir(name, tmp_path)
