"""`heartbeats url`, `ping` and `exec` against the real service, as processes."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.control_plane import SYSTEM
from support.kube import Kube, wait_until
from support.operators import RunningOperator, account_kubeconfig, ping_url
from support.resources import MONITORS
from support.workloads import cron_job_monitor, has_said, ping_monitor

pytestmark = pytest.mark.integration

DOC = Path(__file__).parents[3] / "docs" / "pings.md"


def heartbeats(
    *arguments: str, url: str = "", stdin: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "heartbeats", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONSAFEPATH": "1", "HEARTBEATS_URL": url},
    )


def history(kube: Kube, namespace: str, name: str, state: str) -> list[dict[str, Any]]:
    """Return the runs in the status once the monitor says that word."""
    stored = wait_until(kube, MONITORS, namespace, name, has_said(state))
    assert stored is not None
    runs: list[dict[str, Any]] = stored["status"]["history"]
    return runs


def documented_command() -> list[str]:
    """Return the command line of the CronJob in docs/pings.md."""
    snippet = DOC.read_text().split("```yaml\n")[1].split("```")[0]
    pod = yaml.safe_load(snippet)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    program, *arguments = pod["containers"][0]["command"]
    assert program == "heartbeats"
    found: list[str] = arguments
    return found


def test_a_job_is_run_and_told_as_documented(
    kube: Kube, operator: RunningOperator, namespace: str
) -> None:
    kube.create(ping_monitor(namespace, "nightly", interval="24h"))
    url = ping_url(kube, namespace, "nightly")
    *wrapper, program = documented_command()
    assert program == "backup.sh"

    good = heartbeats(*wrapper, "sh", "-c", "echo copied; cat", url=url, stdin=b"in")
    assert (good.returncode, good.stdout, good.stderr) == (0, b"copied\nin", b"")
    history(kube, namespace, "nightly", "Up")

    bad = heartbeats(*wrapper, "sh", "-c", "echo disk full >&2; exit 7", url=url)
    assert (bad.returncode, bad.stdout, bad.stderr) == (7, b"", b"disk full\n")
    runs = history(kube, namespace, "nightly", "Down")
    stored = kube.get(MONITORS, namespace, "nightly")["status"]
    assert stored["lastCheckIn"]["exitCode"] == 7
    assert "disk full" in stored["lastCheckIn"]["message"]
    assert len(runs) == 2


def test_the_url_is_told_and_pinged_by_name(
    kube: Kube, cluster: Path, operator: RunningOperator, namespace: str
) -> None:
    kube.create(ping_monitor(namespace, "nightly", interval="24h"))
    where = (f"{namespace}/nightly", "--kubeconfig", str(cluster))
    url = ping_url(kube, namespace, "nightly")
    assert heartbeats("url", *where).stdout.decode().strip() == url

    ended = heartbeats("ping", *where, "--exit-code", "3", "--message", "no space")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.startswith(b"Recorded: 127.0.0.1:")
    history(kube, namespace, "nightly", "Down")
    assert heartbeats("ping", "--url", url).returncode == 0
    history(kube, namespace, "nightly", "Up")

    other = url.replace(url.rpartition("/")[2], "6f0c1f0e-0000-8000-8000-000000000000")
    refused = heartbeats("ping", "--url", other)
    assert refused.returncode == 1
    assert b"answered 404" in refused.stderr


def test_who_may_not_read_secrets_hears_what_is_missing(
    kube: Kube,
    cluster: Path,
    operator: RunningOperator,
    namespace: str,
    tmp_path: Path,
) -> None:
    """The operator itself reads the key only; the ping service's account the same."""
    kube.create(ping_monitor(namespace, "nightly", interval="24h"))
    kube.create(cron_job_monitor(namespace, "watched", "backup"))
    url = ping_url(kube, namespace, "nightly")
    account = account_kubeconfig(kube, cluster, tmp_path / "own", "heartbeats-ping")

    def ask(name: str, *flags: str) -> tuple[int, str, str]:
        where = (f"{namespace}/{name}", "--kubeconfig", str(account), *flags)
        found = heartbeats("url", *where)
        return found.returncode, found.stdout.decode(), found.stderr.decode()

    base = url.rpartition("/ping/")[0]
    assert ask("nightly", "--public-url", base) == (0, f"{url}\n", "")
    code, out, text = ask("nightly", "--operator-namespace", "default")
    assert (code, out) == (1, "")
    assert f"`get` on Secret {namespace}/nightly-ping, or `get` on Secret def" in text
    assert "no ping monitor" in ask("watched")[2]
    assert "no HeartbeatMonitor" in ask("forgotten")[2]
    assert SYSTEM in ask("nightly")[2]  # the default URL is worth a remark
