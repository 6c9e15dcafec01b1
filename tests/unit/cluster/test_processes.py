"""Processes that outlive us: recorded, recognised, stopped."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from heartbeats.cluster.ports import free_ports, is_free
from heartbeats.cluster.processes import Launch, is_running, read_pid, spawn, stop

GRACE = 0.2
HALF_GONE = """
import ctypes, socket, threading, time
server = socket.create_server(("127.0.0.1", {port}))
def last():
    while open("/proc/self/stat").read().rpartition(")")[2].split()[0] != "Z": pass
    open({said!r}, "w").close()
    time.sleep(0.3)
    os._exit(0)
threading.Thread(target=last).start()
ctypes.CDLL(None).pthread_exit(None)
"""
"""A server whose first thread has ended, and whose second does so in a moment."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Return a cluster's folder; whatever runs in it is ended afterwards."""
    folder = tmp_path / "dev"
    folder.mkdir()
    yield folder
    for pid_file in folder.glob("pids/*"):
        stop(read_pid(pid_file), folder, grace=GRACE)


def launch(home: Path, script: str = "signal.pause()") -> Launch:
    # The folder is a last, unused argument: that is how a process is known as ours.
    program = [sys.executable, "-c", f"import os, signal\n{script}"]
    return Launch(
        command=[*program, f"--data-dir={home}"],
        home=home,
        pid_file=home / "pids" / "it.pid",
        log_file=home / "logs" / "it.log",
        environment={"PATH": os.defpath},
    )


def a_deaf_process(home: Path) -> int:
    """Start a process that ignores SIGTERM, and return once it does."""
    ready = home / "ready"
    os.mkfifo(ready)
    pid = spawn(
        launch(
            home,
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            f"open({str(ready)!r}, 'w').close()\n"
            "while True: signal.pause()",
        )
    )
    ready.read_bytes()
    return pid


def test_a_started_process_is_recorded_and_runs(home: Path) -> None:
    pid = spawn(launch(home))
    assert read_pid(home / "pids" / "it.pid") == pid
    assert is_running(pid, home)


def test_a_process_has_a_session_of_its_own(home: Path) -> None:
    pid = spawn(launch(home))
    assert os.getsid(pid) == pid != os.getsid(0)


def test_output_of_both_kinds_goes_to_the_log(home: Path) -> None:
    pid = spawn(launch(home, "os.write(1, b'out\\n'); os.write(2, b'err\\n')"))
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert (home / "logs" / "it.log").read_text() == "out\nerr\n"


def test_a_stopped_process_is_gone(home: Path) -> None:
    pid = spawn(launch(home))
    stop(pid, home, grace=10)
    assert not is_running(pid, home)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_ignores_sigterm_is_killed(home: Path) -> None:
    pid = a_deaf_process(home)
    stop(pid, home, grace=GRACE)
    assert not is_running(pid, home)


def test_a_process_is_gone_only_when_its_last_thread_has_let_go(home: Path) -> None:
    """Till then its port is taken, and who starts again on it fails."""
    (port,) = free_ports(1)
    said = home / "said"
    os.mkfifo(said)
    pid = spawn(launch(home, HALF_GONE.format(port=port, said=str(said))))
    said.read_bytes()
    stop(pid, home, grace=10)
    assert is_free(port)


def test_a_process_that_was_killed_by_others_is_not_running(home: Path) -> None:
    pid = spawn(launch(home))
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(pid, home)


def test_a_reused_process_id_is_left_alone(home: Path) -> None:
    # Our own id: certainly a running process, and none of this folder's.
    stop(os.getpid(), home, grace=GRACE)
    assert not is_running(os.getpid(), home)


def test_a_cluster_whose_name_begins_like_ours_is_not_ours(home: Path) -> None:
    neighbour = home.with_name("dev-2")
    neighbour.mkdir()
    pid = spawn(launch(neighbour))
    try:
        assert not is_running(pid, home)
        assert is_running(pid, neighbour)
    finally:
        stop(pid, neighbour, grace=10)


@pytest.mark.parametrize("content", ["", "not a number\n"])
def test_a_broken_record_is_no_process(home: Path, content: str) -> None:
    pid_file = home / "broken.pid"
    pid_file.write_text(content)
    assert read_pid(pid_file) is None
    assert not is_running(None, home)


def test_a_missing_record_is_no_process(home: Path) -> None:
    assert read_pid(home / "none.pid") is None
    stop(None, home, grace=GRACE)
