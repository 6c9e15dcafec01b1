"""The cache of built programs: whole or not at all, once for all who ask at once."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import pytest

from heartbeats.cluster import build
from heartbeats.cluster.build import build_environment, ensure_built, is_complete
from heartbeats.cluster.errors import ClusterError
from heartbeats.cluster.locking import locked
from heartbeats.cluster.programs import CONTROL_PLANE, build_key
from heartbeats.cluster.progress import Progress, elapsed

PutGo = Callable[[str], Path]

COMPILES = """
while [ "$1" != -o ]; do shift; done
echo "go: downloading example.com/module v1.0.0"
echo example.com/module
echo "$3" >>"{calls}"
mkdir -p "$(dirname "$2")"
echo program >"$2"
"""

FAILS = """
i=0
while [ $i -lt 100 ]; do i=$((i + 1)); echo "line $i of the compiler"; done
exit 1
"""


@pytest.fixture
def put_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PutGo:
    """Return a function that puts a `go` whose build is that shell script on PATH."""

    def put(script: str) -> Path:
        go = tmp_path / "bin" / "go"
        go.parent.mkdir()
        go.write_text(
            "#!/bin/sh\n"
            '[ "$1" = version ] && echo go version go9.9.9 && exit\n'
            + script.replace("{calls}", str(tmp_path / "calls"))
        )
        go.chmod(0o755)
        monkeypatch.setenv("PATH", f"{go.parent}:{os.defpath}")
        return tmp_path / "calls"

    return put


def test_the_programs_are_built_once(tmp_path: Path, put_go: PutGo) -> None:
    calls, cache = put_go(COMPILES), tmp_path / "cache"
    folder = ensure_built(Progress(StringIO()), cache=cache)
    assert is_complete(folder, CONTROL_PLANE)
    assert ensure_built(Progress(StringIO()), cache=cache) == folder
    assert calls.read_text().split() == [p.package for p in CONTROL_PLANE.programs]


def test_two_who_ask_at_once_share_one_build(tmp_path: Path, put_go: PutGo) -> None:
    calls, cache = put_go(COMPILES), tmp_path / "cache"
    with ThreadPoolExecutor(2) as pool:
        builds = [
            pool.submit(ensure_built, Progress(StringIO()), CONTROL_PLANE, cache)
            for _ in range(2)
        ]
        folders = {each.result(timeout=60) for each in builds}
    assert len(folders) == 1
    assert len(calls.read_text().split()) == len(CONTROL_PLANE.programs)


def test_whoever_waits_for_a_lock_is_told(tmp_path: Path) -> None:
    lock, told = tmp_path / "lock", []
    with ThreadPoolExecutor(1) as pool:

        def second() -> bool:
            with locked(lock, lambda: told.append("waiting")):
                return True

        with locked(lock, lambda: told.append("never")):
            waits = pool.submit(second)
            while not told:
                assert not waits.done()
        assert waits.result(timeout=10)
    assert told == ["waiting"]


def test_nothing_but_the_programs_is_left(tmp_path: Path, put_go: PutGo) -> None:
    put_go(COMPILES)
    folder = ensure_built(Progress(StringIO()), cache=tmp_path / "cache")
    visible = [p for p in folder.parent.iterdir() if not p.name.endswith(".lock")]
    assert visible == [folder]


def test_a_failed_build_shows_the_end_of_its_log(tmp_path: Path, put_go: PutGo) -> None:
    put_go(FAILS)
    with pytest.raises(ClusterError) as failure:
        ensure_built(Progress(StringIO()), cache=tmp_path / "cache")
    log = tmp_path / "cache" / "control-plane" / f"{build_key(CONTROL_PLANE)}.log"
    text = str(failure.value)
    assert "Building kube-apiserver failed" in text
    assert str(log) in text
    assert len(log.read_text().splitlines()) == 100
    assert "line 71 of the compiler" in text
    assert "line 100 of the compiler" in text
    assert "line 70 of the compiler" not in text


def test_a_failed_build_leaves_no_half_cache(tmp_path: Path, put_go: PutGo) -> None:
    put_go(FAILS)
    cache = tmp_path / "cache"
    with pytest.raises(ClusterError):
        ensure_built(Progress(StringIO()), cache=cache)
    assert not [p for p in (cache / "control-plane").iterdir() if p.is_dir()]


def test_what_a_killed_build_left_is_cleared(tmp_path: Path, put_go: PutGo) -> None:
    put_go(COMPILES)
    base = tmp_path / "cache" / "control-plane"
    left = base / f".building-{build_key(CONTROL_PLANE)}" / "bin" / "half"
    left.parent.mkdir(parents=True)
    left.touch()
    folder = ensure_built(Progress(StringIO()), cache=tmp_path / "cache")
    assert not left.exists()
    assert not (folder / "half").exists()


def test_too_little_disk_is_said_before_the_build(
    tmp_path: Path, put_go: PutGo, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = put_go(COMPILES)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(build, "_DISK_NEEDED", usage.free + 10**12)
    with pytest.raises(ClusterError, match="set HEARTBEATS_CACHE"):
        ensure_built(Progress(StringIO()), cache=tmp_path / "cache")
    assert not calls.exists()


def test_go_keeps_to_the_work_folder(tmp_path: Path) -> None:
    environment = build_environment(tmp_path, {"HOME": "/home/me", "GOOS": "plan9"})
    for name in ("GOPATH", "GOMODCACHE", "GOCACHE"):
        assert environment[name].startswith(f"{tmp_path}/")
    assert "GOOS" not in environment
    assert environment["HOME"] == "/home/me"
    assert environment["GOTOOLCHAIN"] == "local"
    assert environment["GOFLAGS"] == "-modcacherw"


def test_caches_that_the_user_names_are_used(tmp_path: Path) -> None:
    mine = {"GOMODCACHE": "/mine/modules", "GOCACHE": "/mine/objects"}
    environment = build_environment(tmp_path, mine)
    assert mine.items() <= environment.items()
    assert environment["GOFLAGS"] == ""


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (59.9, "59s"), (65, "1m05s"), (600, "10m00s")]
)
def test_spans_are_said_the_way_people_do(seconds: float, said: str) -> None:
    assert elapsed(seconds) == said


def test_without_a_terminal_progress_is_quiet_for_a_while() -> None:
    stream = StringIO()
    progress = Progress(stream)
    progress.tick("building")
    progress.line("built")
    assert stream.getvalue() == "built\n"
