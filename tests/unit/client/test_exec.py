"""`heartbeats exec` as a process: what it ends with, and what it tells when."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from support.execs import HEARTBEATS, run, shell, start, when_started
from support.pings import PingService, Reply

DEAD = "http://127.0.0.1:1/ping/t"


@pytest.mark.parametrize("code", [0, 1, 2, 42, 125, 255])
def test_the_exit_code_is_the_command_s(service: PingService, code: int) -> None:
    assert shell(service.url, f"exit {code}") == (code, b"", b"")
    begun, ended = service.came
    assert (begun.signal, ended.signal) == ("start", str(code))
    assert begun.query["rid"] == ended.query["rid"]
    assert 0 <= float(ended.query["duration"]) < 30


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_signal_is_told_as_a_shell_does(service: PingService, number: int) -> None:
    code, _, _ = shell(service.url, f"kill -{int(number)} $$")
    assert code == 128 + number
    assert service.signals == ["start", str(code)]


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("no-such-command", 127, b"No such file or directory"),
        ("/no/such/path", 127, b"No such file or directory"),
        ("", 127, b"No such file or directory"),
        ("/", 126, b"Permission denied"),
        (__file__, 126, b"Permission denied"),
    ],
)
def test_what_cannot_be_started_is_a_failure(
    service: PingService, command: str, code: int, words: bytes
) -> None:
    found, out, err = run(service.url, command)
    assert (found, out) == (code, b"")
    assert words in err
    assert err.count(b"\n") == 1
    [came] = service.came
    assert came.signal == str(code)
    assert words in came.body


def test_the_command_does_not_wait_for_the_start_ping(service: PingService) -> None:
    gate = threading.Event()
    service.replies.append(Reply(gate=gate))
    with start(service.url, "sh", "-c", "echo ready; exec cat") as process:
        when_started(process)
        service.wait_for(1)
        assert process.stdin is not None
        process.stdin.close()  # it ends before the start was answered
        assert service.signals == ["start"]
        gate.set()
        assert process.wait(30) == 0
    assert service.signals == ["start", "0"]


def test_the_end_is_told_when_the_start_was_given_up(service: PingService) -> None:
    gate = threading.Event()
    service.replies.append(Reply(gate=gate))
    code, _, err = shell(service.url, "exit 3", flags=("--ping-timeout", "2"))
    gate.set()
    assert code == 3
    assert service.signals == ["start", "3"]
    assert err.count(b"\n") == 1
    assert b"has not answered within 1 s" in err


def test_a_refused_ping_is_sent_again(service: PingService) -> None:
    service.replies += [Reply(), Reply(503, b"not ready"), Reply(502)]
    assert shell(service.url, "exit 5") == (5, b"", b"")
    assert service.signals == ["start", "5", "5", "5"]


def test_a_dead_service_costs_one_line_and_little_time() -> None:
    began = time.monotonic()
    code, out, err = shell(DEAD, "echo out; exit 6", flags=("--ping-timeout", "1"))
    assert time.monotonic() - began < 10
    assert (code, out) == (6, b"out\n")
    assert err.startswith(b"heartbeats exec: not everything was recorded: 127.0.0.1:1 ")
    assert err.count(b"\n") == 1


def test_a_silent_service_holds_the_end_up_no_longer_than_allowed(
    service: PingService,
) -> None:
    gate = threading.Event()
    service.replies += [Reply(gate=gate) for _ in range(9)]
    with start(
        service.url, "sh", "-c", "echo ready; cat", flags=("--ping-timeout", "1")
    ) as process:
        when_started(process)
        assert process.stdin is not None
        began = time.monotonic()
        process.stdin.close()
        assert process.wait(30) == 0
        took = time.monotonic() - began
        assert process.stderr is not None
        assert process.stderr.read().count(b"\n") == 1
    gate.set()
    assert took < 3  # one second, and what a busy machine takes to start and end


@pytest.mark.parametrize("url", ["", "pings.example.org/ping/t"])
def test_without_a_usable_url_the_command_runs_all_the_same(url: str) -> None:
    code, out, err = shell(url, "echo out; exit 8")
    assert (code, out) == (8, b"out\n")
    assert b"no pings are sent" in err
    assert err.count(b"\n") == 1


HEAVY = {"kopf", "kubernetes", "aiohttp", "asyncio", "msgspec", "yaml", "subprocess"}

LOADED = """
import sys
from heartbeats.cli import main
try:
    main(["exec", "--url", sys.argv[1], "--", "true"])
finally:
    print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_it_starts_lightly(service: PingService) -> None:
    found = subprocess.run(
        [sys.executable, "-c", LOADED, service.url], capture_output=True, check=True
    )
    assert not HEAVY & set(found.stdout.decode().split())
    assert service.signals == ["start", "0"]


def test_it_costs_less_than_a_third_of_a_second(service: PingService) -> None:
    """Of the processor's time: that of the clock depends on who else is busy."""
    command = [*HEARTBEATS, "exec", "--url", service.url, "--", "true"]
    pid = os.posix_spawn(sys.executable, command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    assert usage.ru_utime + usage.ru_stime < 0.3
