"""The last words: what was really said by the API and the metrics, and where to look.

Reads and formats; decides nothing.
"""

import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Final

from heartbeats.cluster.build import kubectl_path
from heartbeats.core.model import Health
from heartbeats.demo.api import Told
from heartbeats.demo.errors import DemoError
from heartbeats.demo.stage import Stage
from heartbeats.demo.story import LAPTOP, NAMESPACE, REPORT

_TIMEOUT: Final = 15.0
_GAUGE: Final = "heartbeat_monitor_state{"


def last_words(stage: Stage) -> str:
    """Return the closing text, read from the API server and the listeners now."""
    kubectl, kubeconfig = _kubectl(), stage.plan.home.kubeconfig
    metrics = f"{stage.addresses.metrics}/metrics"
    return "\n".join(
        [
            "$ kubectl get hbm -A",
            _run(kubectl, kubeconfig, "get", "hbm", "-A"),
            "",
            f"Events about the monitors, from kubectl get events -n {NAMESPACE}:",
            *events_text(stage.admin.events(NAMESPACE)),
            "",
            f"A gauge that an alert can use, from {metrics}:",
            f"  {gauge(_read(metrics)) or 'none says Down at the moment'}",
            "",
            "Where to look next:",
            f"  export KUBECONFIG={kubeconfig}",
            f"  {kubectl} get hbm -A -o wide",
            f"  {kubectl} describe hbm -n {LAPTOP.namespace} {LAPTOP.name}",
            f"  {kubectl} explain heartbeatmonitor.spec",
            f"  status page    {stage.addresses.page}/",
            f"  metrics        {metrics}",
            f"  event log      {stage.plan.files.event_log}",
            f"  operator's log {stage.plan.files.log}",
            f"  documentation  {stage.plan.checkout / 'README.md'}",
            f"                 {stage.plan.checkout / 'docs' / 'metrics.md'}",
        ]
    )


def events_text(events: list[Told]) -> list[str]:
    """Write Events one a line, in columns."""
    cells = [(e.at[:19] + "Z", e.type, e.reason, e.monitor, e.note) for e in events]
    if not cells:
        return ["  none yet"]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def gauge(exposition: str) -> str | None:
    """Return the line that says that the failing CronJob is Down, or None."""
    wanted = (
        f'namespace="{REPORT.namespace}"',
        f'heartbeatmonitor="{REPORT.name}"',
        f'state="{Health.DOWN}"',
    )
    for line in exposition.splitlines():
        if line.startswith(_GAUGE) and all(each in line for each in wanted):
            return line if line.endswith(" 1") else None
    return None


def _read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - ours
            text: str = answer.read().decode()
            return text
    except OSError as error:
        raise DemoError(f"{url} can't be read: {error}") from error


def _kubectl() -> str:
    """Return how kubectl is called here: by its name, or by the built one's path."""
    if shutil.which("kubectl"):
        return "kubectl"
    return str(kubectl_path() or "kubectl")


def _run(kubectl: str, kubeconfig: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own kubectl, or ours
            [kubectl, "--kubeconfig", str(kubeconfig), *arguments],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"(kubectl can't be run here: {error})"
    return (done.stdout or done.stderr).rstrip()
