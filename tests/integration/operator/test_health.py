"""A process says how it is, refuses what it cannot do, and ends when it is told to."""

import json
import re
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from heartbeats.cluster.record import API_ONLY, Options
from support.control_plane import ROOT
from support.kube import Kube, apply_all, fresh_namespace, wait_until
from support.operators import ping_url
from support.own_cluster import Own, own_control_plane
from support.processes import FREE_PORTS, Process, ask, until_answers
from support.resources import CONFIG_MAPS, MONITORS, read_manifests
from support.workloads import ping_monitor, state_is

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

HEALTH = r"The health listener is at (\S+)"
PING = r"Pings are answered on (\S+)"
OPENED = r"Watching \d+ monitors"
LISTENERS = ("ping", "metrics", "health", "page")


def run(kubeconfig: Path, *flags: str) -> Process:
    """Run the operator on free ports."""
    return Process("run", "--kubeconfig", str(kubeconfig), *FREE_PORTS, *flags)


# Readiness


def test_without_the_definition_it_is_alive_says_why_it_waits_and_then_works() -> None:
    """Readiness can fail, names the cause and its remedy, and needs no restart."""
    with (
        own_control_plane(Options(components=API_ONLY)) as bare,
        closing(Kube.from_kubeconfig(bare.kubeconfig)) as kube,
    ):
        apply_all(kube, read_manifests(ROOT / "manifests" / "rights"))
        with run(bare.kubeconfig, "--log-level", "DEBUG") as process:
            health = process.wait_for(HEALTH)
            assert ask(f"{health}/readyz")[0] == 503
            process.wait_for("Not ready: the CRD is not installed")
            code, body = ask(f"{health}/readyz")
            assert code == 503
            (problem,) = [
                each["problem"]
                for each in json.loads(body)["checks"]
                if each["name"] == "operator"
            ]
            assert problem == "the CRD is not installed: kubectl apply -k crds"
            # A restart would not help, so it is alive.
            assert ask(f"{health}/healthz")[0] == 200
            apply_all(kube, read_manifests(ROOT / "crds"))
            process.wait_for(OPENED)
            until_answers(f"{health}/readyz", 200)
            with fresh_namespace(kube) as namespace:
                kube.create(ping_monitor(namespace, "first", interval="24h"))
                wait_until(kube, MONITORS, namespace, "first", state_is("New"))
            assert ask(f"{health}/healthz")[0] == 200


def test_an_api_server_that_cannot_be_reached_is_waited_for(tmp_path: Path) -> None:
    """An operator that starts before its API server is not broken, only not ready."""
    kubeconfig = tmp_path / "kubeconfig"
    with socket.socket() as taken:  # nobody else can have it, and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        kubeconfig.write_text(json.dumps(nobody_at(f"http://127.0.0.1:{port}")))
        check_waits(kubeconfig)


def check_waits(kubeconfig: Path) -> None:
    """Check that an operator without an API server is alive, and ends when told to."""
    with run(kubeconfig) as process:
        health = process.wait_for(HEALTH)
        process.wait_for("The watch was interrupted")
        code, body = ask(f"{health}/readyz")
        assert code == 503
        assert b"are not read yet" in body
        assert ask(f"{health}/healthz")[0] == 200
        assert process.end() == 0


# What it refuses


@pytest.mark.parametrize("listener", LISTENERS)
def test_an_address_in_use_ends_it_with_a_sentence(own: Own, listener: str) -> None:
    """Whoever started it reads which address, and what to do; no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        with run(own.admin, f"--{listener}-address", taken) as process:
            assert process.code() == 1
    assert_sentence(process.said, f"can't listen on {taken}; choose another address")


@pytest.mark.parametrize(
    ("text", "flags", "sentence"),
    [
        ("not: [yaml", (), r"Cannot use \S+: while parsing"),
        ("", (), r"Cannot use \S+: .*is empty"),
        ("{}", (), r"Cannot use \S+: .*Expected key"),
        (None, ("--context", "elsewhere"), r"with context 'elsewhere'"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_ends_it_with_a_sentence(
    own: Own,
    tmp_path: Path,
    text: str | None,
    flags: tuple[str, ...],
    sentence: str,
) -> None:
    """The sentence names the file, what is wrong with it, and what helps."""
    file = tmp_path / "kubeconfig"
    file.write_text(own.admin.read_text() if text is None else text)
    with run(file, *flags) as process:
        assert process.code() == 1
    assert_sentence(process.said, sentence)
    assert str(file) in process.said
    assert "kubectl config get-contexts" in process.said


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--no-such-flag"], "No such option"),
        (["--role", "boss"], "'boss' is not one of"),
        (["--ping-address", "8080"], "lacks a port: write HOST:PORT"),
        (["--metrics-address", "127.0.0.1:65536"], "no port from 0 to 65535"),
        (["--cluster-time-zone", "Europe/Berlinn"], "Europe/Berlinn"),
        (["--kubeconfig", "/no/such/file"], "does not exist"),
        (["--auto-monitor", "some"], "'some' is not one of"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(
    flags: list[str], sentence: str
) -> None:
    """A typing error is told apart from a failure: exit code 2."""
    with Process("run", *flags) as process:
        assert process.code() == 2
    assert sentence in process.said
    assert flags[0] in process.said
    assert "Traceback" not in process.said


# How it ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(own: Own, number: int) -> None:
    """With success, and soon, whoever still holds a connection."""
    with run(own.admin) as process:
        ping = urlsplit(process.wait_for(PING))
        process.wait_for(OPENED)
        with socket.create_connection((ping.hostname or "", ping.port or 0)) as idle:
            idle.sendall(b"GET /ping/")
            assert process.end(number) == 0
    assert "Traceback" not in process.said


# Roles


def test_the_ping_role_has_no_kopf_in_it(own: Own) -> None:
    """Absorbing objects must not hold up pings: the whole framework stays out."""
    imported = {}
    for role, account in (("ping", own.ping), ("operator", own.operator)):
        arguments = ("run", "--kubeconfig", str(account), *FREE_PORTS, "--role", role)
        with Process(*arguments, python=("-X", "importtime")) as process:
            until_answers(f"{process.wait_for(HEALTH)}/healthz")
            assert process.end() == 0
        found = re.findall(r"^import time:.*\| +(\S+)$", process.said, re.MULTILINE)
        imported[role] = {name.partition(".")[0] for name in found}
    assert "heartbeats" in imported["ping"]
    assert "kopf" not in imported["ping"]
    assert "kopf" in imported["operator"]


def test_the_two_roles_work_together_as_their_own_accounts(own: Own) -> None:
    """One process records a ping, another applies it: they meet in the API only."""
    with run(own.ping, "--role", "ping") as ping:
        public_url = ping.wait_for(PING)
        flags = ("--role", "operator", "--public-url", public_url)
        with run(own.operator, *flags) as operator:
            until_answers(f"{operator.wait_for(HEALTH)}/readyz")
            until_answers(f"{ping.wait_for(HEALTH)}/readyz")
            with fresh_namespace(own.kube) as namespace:
                check_a_ping_goes_through(own.kube, namespace, public_url)
            assert operator.end() == 0
        assert ping.end() == 0
    for process in (ping, operator):
        assert "Traceback" not in process.said
        assert "orbidden" not in process.said


def check_a_ping_goes_through(kube: Kube, namespace: str, public_url: str) -> None:
    """Ping a new monitor; its status and its journal segment must follow."""
    kube.create(ping_monitor(namespace, "backup", interval="24h"))
    url = ping_url(kube, namespace, "backup")
    assert url.startswith(f"{public_url}/ping/")
    assert until_answers(f"{url}?msg=through") == b"OK"
    found: Any = wait_until(kube, MONITORS, namespace, "backup", state_is("Up"))
    assert found["status"]["lastCheckIn"]["message"] == "through"
    for segment in kube.items(CONFIG_MAPS, "heartbeats-system"):
        if segment["metadata"]["name"].startswith("heartbeats-journal-"):
            name = segment["metadata"]["name"]
            wait_until(
                kube, CONFIG_MAPS, "heartbeats-system", name, lambda one: one is None
            )


# How


def nobody_at(server: str) -> dict[str, object]:
    """Write a kubeconfig of a server that needs no login."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "me"}}],
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": {"token": "none"}}],
    }


def assert_sentence(said: str, form: str) -> None:
    """Check the last thing said: a sentence of the program, and no traceback."""
    assert "Traceback" not in said
    told = said[said.rindex("heartbeats: ") :]
    assert re.search(form, told, re.DOTALL), told
