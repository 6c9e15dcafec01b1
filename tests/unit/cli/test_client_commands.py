"""`heartbeats ping` and `url` as their users meet them: words and exit codes."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from heartbeats.cli import main, monitors
from heartbeats.edges.kube.errors import CredentialsError
from heartbeats.edges.kube.monitor_urls import NoUrlError
from support.pings import Came, PingService, Reply, ping_service

RUN_ID = str(UUID(int=7))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[PingService]:
    monkeypatch.setenv("no_proxy", "*")
    with ping_service() as running:
        yield running


def heartbeats(*arguments: str, **options: Any) -> Result:
    """Run a command, in a thread: its event loop must not meet that of the tests."""
    invoke = partial(CliRunner().invoke, main, arguments, catch_exceptions=False)
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(invoke, **options).result(60)


@pytest.mark.parametrize(
    ("flags", "signal"),
    [
        ((), ""),
        (("--start",), "start"),
        (("--fail",), "fail"),
        (("--log",), "log"),
        (("--exit-code", "0"), "0"),
        (("--exit-code", "255"), "255"),
    ],
)
def test_a_flag_says_what_happened(
    service: PingService, flags: tuple[str, ...], signal: str
) -> None:
    result = heartbeats("ping", "--url", service.url, *flags)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"Recorded: 127.0.0.1:{service.server_port} answered 200 OK\n"
    )
    assert service.came == [Came(signal, {}, b"")]


def test_a_run_id_and_words_go_along(service: PingService) -> None:
    url = ("--url", service.url, "--run-id", RUN_ID.upper())
    heartbeats("ping", *url, "--message", "moved 3 files")
    heartbeats("ping", *url, "--log", "--message", "two\nlines")
    heartbeats("ping", *url, "--fail", "--message", "-", input=b"\xffend\n" * 3000)
    first, second, third = service.came
    assert first == Came("", {"rid": RUN_ID, "msg": "moved 3 files"}, b"")
    assert second == Came("log", {"rid": RUN_ID}, b"two\nlines")
    assert third.body == (b"\xffend\n" * 3000)[-10_000:]


def test_the_environment_names_the_url_last(
    service: PingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEATS_URL", service.url)
    assert heartbeats("ping", "--log").exit_code == 0
    monkeypatch.setenv("HEARTBEATS_URL", "http://127.0.0.1:1/ping/t")
    assert heartbeats("ping", "--url", service.url).exit_code == 0
    assert service.signals == ["log", ""]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fail", "--start"), "--start and --fail exclude each other"),
        (("--log", "--exit-code", "0"), "--log and --exit-code exclude each other"),
        (("--exit-code", "256"), "0<=x<=255"),
        (("--run-id", "7"), "'7' is no UUID: make one"),
        (("a/b",), "exclude each other: both name a monitor"),
        (("--timeout", "0"), "1<=x<=3600"),
    ],
)
def test_what_makes_no_sense_is_not_sent(
    service: PingService, arguments: tuple[str, ...], words: str
) -> None:
    result = heartbeats("ping", "--url", service.url, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert service.came == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name the monitor (NAMESPACE/NAME), pass --url, or set HEARTBEATS_URL"),
        (("nightly/",), "'nightly/' is neither NAME nor NAMESPACE/NAME"),
        (("a/b/c",), "kubectl get hbm -A"),
        (("--url", "pings.example.org"), "this is no ping URL: it must begin"),
    ],
)
def test_whom_to_ping_must_be_clear(arguments: tuple[str, ...], words: str) -> None:
    result = heartbeats("ping", *arguments, env={"HEARTBEATS_URL": ""})
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_refusal_is_final_and_explained(service: PingService) -> None:
    service.replies.append(Reply(404, b"not found"))
    result = heartbeats("ping", "--url", service.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "not recorded: 127.0.0.1" in result.stderr
    assert "`heartbeats url NAMESPACE/NAME`" in result.stderr
    assert "8000-000000000000" not in result.output
    assert len(service.came) == 1


def test_a_dead_service_is_tried_for_so_long_and_no_longer() -> None:
    url = ("--url", "http://127.0.0.1:1/ping/t")
    result = heartbeats("ping", *url, "--timeout", "1", env={"no_proxy": "*"})
    assert result.exit_code == 1
    assert "can't be reached: Connection refused" in result.stderr


def test_a_monitor_is_pinged_by_its_name(
    service: PingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def look_up(monitor: str, place: monitors.Place) -> str:
        asked.append((monitor, place.public_url))
        return service.url

    monkeypatch.setattr(monitors, "_look_up", look_up)
    assert heartbeats("ping", "a/b", "--public-url", "https://p").exit_code == 0
    assert heartbeats("url", "a/b").stdout == f"{service.url}\n"
    assert asked == [("a/b", "https://p"), ("a/b", None)]


@pytest.mark.parametrize("command", ["url", "ping"])
@pytest.mark.parametrize("error", [NoUrlError("ask"), CredentialsError("ask")])
def test_a_url_that_cannot_be_told_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, command: str, error: Exception
) -> None:
    async def look_up(_monitor: str, _place: monitors.Place) -> str:
        raise error

    monkeypatch.setattr(monitors, "_look_up", look_up)
    result = heartbeats(command, "a/b")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "heartbeats: ask\n"


@pytest.mark.parametrize("command", ["url", "ping", "exec"])
def test_help_shows_examples_and_exit_codes(command: str) -> None:
    text = heartbeats(command, "--help").stdout
    assert "\n  Examples:\n    " in text
    assert "\n  Exit codes:\n    " in text


def test_all_commands_are_listed() -> None:
    text = heartbeats("--help").stdout
    for name in ("cluster", "demo", "exec", "ping", "run", "url", "version"):
        assert f"\n  {name} " in text
    assert heartbeats("no-such").exit_code == 2


def test_help_comes_before_what_talks_to_a_cluster_is_imported() -> None:
    code = (
        "import sys; from heartbeats.cli.kubectl import plugin\n"
        "plugin.main(['--help'], standalone_mode=False)\n"
        "slow = {'aiohttp', 'kubernetes', 'kopf', 'prometheus_client'}\n"
        "sys.exit(bool(slow & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 0
