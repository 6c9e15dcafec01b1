"""Prometheus and Alertmanager as processes, on the rules and the routing that ship.

For tests and for whoever tries it out: what scrapes, judges and routes is real, and the
receivers are one webhook here. Spans may be shortened, nothing else is changed.
"""

import copy
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

from heartbeats.cluster.ports import free_ports
from support.alert_rules import ALERTMANAGER, RULES, rules_in
from support.alert_tools import AlertTools
from support.processes import until_answers

PATIENCE: Final = 90.0
OVERDUE_SECONDS: Final = 10
"""In place of two minutes: a judgement comes after one second and a scrape."""

SECONDS_A_MINUTE: Final = 5
"""So many seconds an alert waits for each minute of the rules. Prometheus takes five
until it scrapes a new target: in three times that, no operator is missed."""

Labels = dict[str, str]
Hear = Callable[["Notice"], None]


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert as a receiver was told of it."""

    receiver: str
    status: str
    labels: Labels
    annotations: Labels

    @property
    def alert(self) -> str:
        """The name of the alert."""
        return self.labels["alertname"]


def free_address() -> str:
    """Return HOST:PORT on which nothing listens, nor will by chance."""
    [port] = free_ports(1)
    return f"127.0.0.1:{port}"


@dataclass(frozen=True, slots=True)
class Servers:
    """How the two are to run, and then how they are reached."""

    tools: AlertTools
    folder: Path
    """What they store, and their logs."""
    prometheus: str = field(default_factory=free_address)
    alertmanager: str = field(default_factory=free_address)
    as_shipped: bool = False
    """Whether rules and routing wait as long as the files say."""

    @property
    def targets(self) -> Path:
        """The file that says what is scraped, and may be replaced at any time."""
        return self.folder / "targets.json"

    def scrape(self, *targets: str) -> None:
        """Scrape these from now on, and nothing else, as pods of the operator."""
        found = [
            {
                "targets": [target],
                "labels": {"namespace": "heartbeats-system", "pod": f"pod-{number}"},
            }
            for number, target in enumerate(targets)
        ]
        whole = self.targets.with_suffix(".new")
        whole.write_text(json.dumps(found))
        whole.rename(self.targets)


@contextmanager
def running(servers: Servers, hear: Hear) -> Iterator[None]:
    """Run both and the webhook; `hear` is called, in a thread, for each notice."""
    with ExitStack() as ends:
        webhook = ends.enter_context(_webhook(hear))
        for command in _configured(servers, webhook):
            log = servers.folder / f"{Path(command[0]).name}.log"
            ends.enter_context(_process(command, log))
        for address in (servers.alertmanager, servers.prometheus):
            _until_ready(f"http://{address}/-/ready")
        yield


def quick_rules() -> Any:
    """Return the rules with some seconds in place of minutes."""
    text = yaml.safe_load(RULES.read_text())
    for rule in rules_in(text):
        if "for" in rule:
            minutes = int(rule["for"].removesuffix("m"))
            rule["for"] = f"{minutes * SECONDS_A_MINUTE}s"
        rule["keep_firing_for"] = re.sub("m$", "s", rule["keep_firing_for"])
        if rule["alert"] == "HeartbeatMonitorDeadlinePassed":
            assert "> 120" in rule["expr"]
            rule["expr"] = rule["expr"].replace("> 120", f"> {OVERDUE_SECONDS}")
    return text


def routing(webhook: str, *, as_shipped: bool) -> Any:
    """Return the sample with one webhook for all receivers, quick unless as shipped."""
    text = copy.deepcopy(yaml.safe_load(ALERTMANAGER.read_text()))
    if not as_shipped:
        text["route"] |= {"group_wait": "2s", "group_interval": "1s"}
    for each in text["receivers"]:
        for hook in each["webhook_configs"]:
            hook["url"] = f"{webhook}/{each['name']}"
    return text


def _configured(servers: Servers, webhook: str) -> Iterator[Sequence[str]]:
    """Write the configurations and yield the commands that run by them."""
    folder, tools = servers.folder, servers.tools
    ways = routing(webhook, as_shipped=servers.as_shipped)
    rules = yaml.safe_load(RULES.read_text()) if servers.as_shipped else quick_rules()
    for name, text in (
        ("alertmanager", ways),
        ("rules", rules),
        ("prometheus", _scraping(servers)),
    ):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(text))
    servers.scrape()
    yield (
        *(str(tools.alertmanager), f"--config.file={folder / 'alertmanager.yaml'}"),
        *(f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address="),
        f"--web.listen-address={servers.alertmanager}",
    )
    yield (
        *(str(tools.prometheus), f"--config.file={folder / 'prometheus.yaml'}"),
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={servers.prometheus}",
    )


def _scraping(servers: Servers) -> Any:
    routers = [{"static_configs": [{"targets": [servers.alertmanager]}]}]
    found = {"files": [str(servers.targets)], "refresh_interval": "1s"}
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(servers.folder / "rules.yaml")],
        "alerting": {"alertmanagers": routers},
        "scrape_configs": [
            {
                "job_name": "heartbeats",
                "honor_labels": True,
                "file_sd_configs": [found],
            }
        ],
    }


@contextmanager
def _webhook(hear: Hear) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        """Takes what Alertmanager posts; the path names the receiver."""

        def do_POST(self) -> None:
            """Pass one message on, alert by alert."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for each in json.loads(body)["alerts"]:
                said = (each["status"], each["labels"], each["annotations"])
                hear(Notice(self.path.strip("/"), *said))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A terminal's ctrl-C is for us; we end it.
            start_new_session=True,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_ready(url: str) -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            until_answers(url, within=PATIENCE)
        except OSError:
            assert time.monotonic() < ends, f"nobody answers {url}"
            time.sleep(0.1)  # it does not listen yet
        else:
            return
