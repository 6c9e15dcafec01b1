"""`heartbeats exec` changes nothing of a command: streams, signals, orphans."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.execs import HEARTBEATS, heed_signals, run, shell, start, when_started
from support.pings import PingService

BECOME_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


def test_every_byte_passes_unchanged_and_the_tail_is_sent(
    service: PingService,
) -> None:
    code, out, err = shell(
        service.url, "head -c 300000 /dev/zero; printf 'a\\377\\r\\n'; printf oops >&2"
    )
    assert (code, out, err) == (0, b"\0" * 300_000 + b"a\xff\r\n", b"oops")
    body = service.came[-1].body
    assert len(body) == 10_000
    assert body.replace(b"oops", b"").endswith(b"\0a\xff\r\n")
    assert b"oops" in body  # however much stdout was still on its way


def test_stdin_arguments_and_environment_are_the_command_s(
    service: PingService,
) -> None:
    with start(service.url, "cat") as process:
        assert process.communicate(b"\xff\0in", timeout=30)[0] == b"\xff\0in"
    arguments = ["-x", "--", "", "a b", "--help", "ü", os.fsdecode(b"\xff")]
    _, out, _ = run(service.url, "printf", "%s|", *arguments)
    assert out == b"".join(os.fsencode(each) + b"|" for each in arguments)
    bare = {"LC_ALL": "", "LC_CTYPE": "", "LANG": ""}
    _, out, _ = run(service.url, "env", env=bare)
    assert b"LC_CTYPE=\n" in out  # and not what Python makes of it


def test_no_output_leaves_the_streams_alone(service: PingService) -> None:
    look = "readlink /proc/self/fd/1 /proc/self/fd/2"
    with start(service.url, "sh", "-c", look, flags=("--no-output",)) as process:
        streams = Path(f"/proc/{process.pid}/fd")
        ours = [str((streams / number).readlink()) for number in ("1", "2")]
        out, _ = process.communicate(timeout=30)
    assert out.decode().split() == ours
    assert service.came[-1].body == b""


def test_a_reader_that_goes_is_felt_by_the_command(service: PingService) -> None:
    with start(service.url, "yes") as process:
        assert process.stdout is not None
        assert process.stdout.read(2) == b"y\n"
        process.stdout.close()
        assert process.wait(30) == 128 + signal.SIGPIPE
    assert service.signals == ["start", "141"]


def test_a_reader_that_never_reads_can_be_left(service: PingService) -> None:
    """More than one pipe holds, less than two: the command ends, the rest waits."""
    with start(service.url, "sh", "-c", "echo ready; head -c 100000 /dev/zero") as job:
        when_started(job)
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children")
        while children.read_text():
            time.sleep(0.02)  # a process offers nothing to watch
        assert job.poll() is None
        job.terminate()
        assert job.wait(30) == 0
    assert service.signals == ["start", "0"]


def test_a_process_left_behind_is_not_waited_for(service: PingService) -> None:
    began = time.monotonic()
    with start(service.url, "sh", "-c", "sleep 60 & echo $!") as process:
        assert process.stdout is not None
        left_behind = int(process.stdout.readline())
        assert process.wait(30) == 0
        os.kill(left_behind, signal.SIGKILL)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT],
)
def test_a_signal_is_passed_on(service: PingService, number: int) -> None:
    trap = f"trap 'echo got; exit 7' {int(number)}"
    script = f"{trap}; echo ready; while :; do sleep 0.02; done"
    with start(service.url, "sh", "-c", script) as process:
        when_started(process)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (7, b"got\n")
    assert service.signals == ["start", "7"]


def test_a_signal_that_kills_the_command_is_its_exit_code(service: PingService) -> None:
    with start(service.url, "sh", "-c", "echo ready; exec sleep 60") as process:
        when_started(process)
        process.terminate()
        assert process.wait(30) == 143
    assert service.signals == ["start", "143"]


COUNT = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("ready", flush=True)
assert signal.sigtimedwait({signal.SIGINT}, 20)
print("ready", flush=True)
print(signal.sigtimedwait({signal.SIGINT}, 0.5))
"""


def test_the_terminal_s_ctrl_c_reaches_the_command_once(service: PingService) -> None:
    """It goes to the whole group: passing it on would make two of it."""
    master, terminal = os.openpty()

    def take_terminal() -> None:
        os.setsid()
        os.close(os.open(os.ttyname(terminal), os.O_RDWR))

    command = ["--url", service.url, "--no-output", "--", sys.executable, "-c", COUNT]
    with subprocess.Popen(
        [*HEARTBEATS, "exec", *command],
        stdin=terminal,
        stdout=subprocess.PIPE,
        preexec_fn=take_terminal,  # noqa: PLW1509 - it only makes system calls
    ) as process:
        os.close(terminal)
        when_started(process)
        # Held, so that two of them could not become one on their way.
        process.send_signal(signal.SIGSTOP)
        os.write(master, b"\x03")
        when_started(process)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=30)
    os.close(master)
    assert (process.returncode, out) == (0, b"None\n")


def test_what_was_ignored_stays_ignored(service: PingService) -> None:
    """As under nohup; and what Python ignores for itself is as usual again."""
    ignore = "trap '' HUP; exec \"$@\""
    look = "grep SigIgn /proc/self/status"
    command = [*HEARTBEATS, "exec", "--url", service.url, "--", "sh", "-c", look]
    for prefix in ([], ["sh", "-c", ignore, "sh"]):
        found = subprocess.run(
            [*prefix, *command],
            capture_output=True,
            check=True,
            preexec_fn=heed_signals,
        )
        mask = int(found.stdout.split()[1], 16)
        hup = 1 << (signal.SIGHUP - 1)
        assert mask & hup == (hup if prefix else 0)
        assert not mask & (1 << (signal.SIGPIPE - 1))


def adopt_orphans() -> None:
    """Be to a process what PID 1 is to a container."""
    ctypes.CDLL(None).prctl(BECOME_SUBREAPER, 1, 0, 0, 0)


def test_orphans_are_reaped_as_pid_1_must(service: PingService) -> None:
    children = "cat /proc/$PPID/task/*/children"
    script = f"(sh -c 'sleep 0.02' &); sleep 0.3; echo $$; {children}"
    options: dict[str, Callable[[], None]] = {"preexec_fn": adopt_orphans}
    code, out, _ = shell(service.url, script, **options)
    own, *left = out.split()
    assert code == 0
    assert left == [own]


def test_an_orphan_s_exit_code_is_not_the_command_s(service: PingService) -> None:
    script = "(sh -c 'exit 9' &); sleep 0.2; exit 4"
    options: dict[str, Callable[[], None]] = {"preexec_fn": adopt_orphans}
    assert shell(service.url, script, **options)[0] == 4


def test_closed_streams_break_nothing(service: PingService) -> None:
    code, out, _ = shell(service.url, "echo out; echo err >&2; exit 9")
    assert (code, out) == (9, b"out\n")
    command = [*HEARTBEATS, "exec", "--url", service.url, "--", "sh", "-c", "exit 9"]
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    assert subprocess.run([*closed, *command], check=False).returncode == 9
    assert service.signals[-2:] == ["start", "9"]
