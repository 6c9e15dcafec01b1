"""The operator as a process of its own, under its own ServiceAccount.

Nothing here looks inside it: tests see what a user sees, over HTTP, in the event
log and in the API. One process serves all tests and all pytest workers: two would
both judge the same monitors.
"""

import base64
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from support.kube import Kube, RefusedError, wait_until
from support.resources import LEASES, SECRETS, SERVICE_ACCOUNTS, Object
from support.scrapes import METRICS, sample, scrape_at

SYSTEM = "heartbeats-system"
LEADER = "heartbeats-operator-leader"
"""The Lease that one of all operator replicas holds."""

_READY_WITHIN = 60.0
_STOPPED_WITHIN = 60.0
_LISTENERS = {
    "ping": re.compile(r"Pings are answered on (\S+)"),
    "metrics": re.compile(METRICS),
    "health": re.compile(r"The health listener is at (\S+)"),
    "page": re.compile(r"The page listener is at (\S+)"),
}


@dataclass(frozen=True, slots=True)
class RunningOperator:
    """A running operator and where it can be asked."""

    pid: int
    folder: str
    ping: str
    metrics: str
    health: str
    page: str

    @property
    def log(self) -> str:
        """Return what it has logged."""
        return (Path(self.folder) / "operator.log").read_text()

    def lines(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """Return the event log's lines about a monitor."""
        text = (Path(self.folder) / "events.jsonl").read_text()
        whole = text[: text.rfind("\n") + 1]  # the last line may be half written
        events = [json.loads(line) for line in whole.splitlines()]
        return [each for each in events if each["check_in_id"] == f"{namespace}/{name}"]

    def series(self, metric: str, **labels: str) -> float | None:
        """Scrape one series; None when it is absent."""
        return sample(scrape_at(self.metrics), metric, **labels)

    def is_ready(self) -> bool:
        """Ask /readyz."""
        return _answers(f"{self.health}/readyz")

    def leads(self) -> bool:
        """Ask its metrics whether it leads: followers are ready too."""
        return self.series("heartbeat_operator_leader") == 1


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - our own process
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def account_kubeconfig(
    administrator: Kube, source: Path, target: Path, account: str
) -> Path:
    """Write a kubeconfig that acts as a ServiceAccount of the operator's namespace."""
    path = SERVICE_ACCOUNTS.path(SYSTEM, account, "token")
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 24 * 3600},
    }
    token = administrator.send("POST", path, request).body["status"]["token"]
    text: Object = yaml.safe_load(source.read_text())
    for user in text["users"]:
        user["user"] = {"token": token}
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(text))
    return target


def start_operator(kubeconfig: Path, folder: Path, *flags: str) -> RunningOperator:
    """Start an operator on free ports; returns when it is ready and leads."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "operator.log"
    free = "127.0.0.1:0"
    command = [
        *(sys.executable, "-m", "heartbeats", "run"),
        *("--kubeconfig", str(kubeconfig), "--event-log", str(folder / "events.jsonl")),
        *("--ping-address", free, "--metrics-address", free),
        *("--health-address", free, "--page-address", free),
        *flags,
    ]
    with log.open("a") as output, (folder / "stdout.jsonl").open("a") as lines:
        offset = log.stat().st_size
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
    operator = _when_ready(process, folder, log, offset)
    # Whoever is the last to use it stops it by its pid: not this object's business.
    process.returncode = 0
    return operator


def _when_ready(
    process: "subprocess.Popen[bytes]", folder: Path, log: Path, offset: int
) -> RunningOperator:
    ends = time.monotonic() + _READY_WITHIN
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        text = log.read_text()[offset:]
        found = {name: form.search(text) for name, form in _LISTENERS.items()}
        if all(found.values()):
            urls = {name: match[1] for name, match in found.items() if match}
            operator = RunningOperator(process.pid, str(folder), **urls)
            if operator.is_ready() and operator.leads():
                return operator
        time.sleep(0.05)  # a process offers nothing to watch
    process.kill()
    process.wait()
    raise RuntimeError(f"the operator is not ready:\n{log.read_text()[-3000:]}")


def forget_leader(kube: Kube) -> None:
    """Remove the Lease of a leader that is known to be dead.

    Nobody else could know: they would wait until it lapses. How they do that is for
    `test_leaders.py`.
    """
    try:
        kube.delete(LEASES, SYSTEM, LEADER)
    except RefusedError as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise


def stop_operator(operator: RunningOperator, number: int = signal.SIGTERM) -> None:
    """Stop an operator by its pid; returns when it has gone."""
    if not _is_ours(operator.pid):
        return
    os.kill(operator.pid, number)
    ends = time.monotonic() + _STOPPED_WITHIN
    while _is_ours(operator.pid) and time.monotonic() < ends:
        _reap(operator.pid)
        time.sleep(0.02)
    if _is_ours(operator.pid):
        os.kill(operator.pid, signal.SIGKILL)
        _reap(operator.pid)
        raise RuntimeError(f"the operator did not stop:\n{operator.log[-3000:]}")


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # another worker started it
        return


def _is_ours(pid: int) -> bool:
    """Tell whether a pid still is an operator: numbers are used again."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"heartbeats" in command


@contextmanager
def shared_operator(
    administrator: Kube, kubeconfig: Path, folder: Path, *flags: str
) -> Iterator[RunningOperator]:
    """Yield an operator that runs while anybody uses it: all workers share one."""
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "operator.json"
    with (folder / "turn").open("w") as turn, (folder / "users").open("w") as users:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not record.exists() or not _is_ours(json.loads(record.read_text())["pid"]):
            account = account_kubeconfig(
                administrator, kubeconfig, folder / "kubeconfig", "heartbeats-operator"
            )
            started = start_operator(account, folder, *flags)
            record.write_text(json.dumps(asdict(started)))
        operator = RunningOperator(**json.loads(record.read_text()))
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(turn, fcntl.LOCK_UN)
        try:
            yield operator
        finally:
            fcntl.flock(turn, fcntl.LOCK_EX)
            if _is_last(users):
                stop_operator(operator)
                record.unlink()


def _is_last(users: Any) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def ping_url(kube: Kube, namespace: str, name: str) -> str:
    """Read a monitor's ping URL from its Secret, as its user would."""
    secret = wait_until(kube, SECRETS, namespace, f"{name}-ping", bool)
    return base64.b64decode(secret["data"]["url"]).decode()
