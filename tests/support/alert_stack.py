"""A real Prometheus and a real Alertmanager on the project's own files, made quick.

The rules and the routing are those of manifests/alerts: only spans are shortened, and
the receivers are one webhook here, which notes what each of them is sent.
"""

import copy
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import yaml

from support.alert_rules import ALERTMANAGER, RULES, rules_in
from support.alert_tools import AlertTools
from support.processes import until_answers

PATIENCE: Final = 30.0
OVERDUE_SECONDS: Final = 10
"""In place of two minutes: a judgement comes after one second and a scrape."""

SECONDS_A_MINUTE: Final = 5
"""So many seconds an alert waits for each minute of the rules. Prometheus takes five
until it scrapes a new target: in three times that, no operator is missed."""

Labels = dict[str, str]


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


@dataclass(slots=True)
class Receivers:
    """What all receivers were told, in the order in which it came."""

    _told: list[Notice] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def take(self, receiver: str, message: Any) -> None:
        """Note the alerts of one message."""
        found = [
            Notice(receiver, each["status"], each["labels"], each["annotations"])
            for each in message["alerts"]
        ]
        with self._news:
            self._told += found
            self._news.notify_all()

    @property
    def told(self) -> list[Notice]:
        """Return everything so far."""
        with self._news:
            return list(self._told)

    def wait_for(self, alert: str, status: str, *, within: float) -> Notice:
        """Return the first notice of that kind as soon as it is there."""
        ends = time.monotonic() + within
        with self._news:
            while True:
                for each in self._told:
                    if (each.alert, each.status) == (alert, status):
                        return each
                left = ends - time.monotonic()
                assert left > 0, f"no {status} {alert} in {self._told}"
                self._news.wait(left)


@dataclass(frozen=True, slots=True)
class Stack:
    """The two servers and the webhook, running."""

    prometheus: str
    alertmanager: str
    receivers: Receivers
    _targets: Path

    def scrape(self, *urls: str) -> None:
        """Scrape these from now on, and nothing else, as pods of the operator."""
        found = [
            {
                "targets": [urlsplit(url).netloc],
                "labels": {"namespace": "heartbeats-system", "pod": f"pod-{number}"},
            }
            for number, url in enumerate(urls)
        ]
        whole = self._targets.with_suffix(".new")
        whole.write_text(json.dumps(found))
        whole.rename(self._targets)

    def query(self, expression: str) -> list[Any]:
        """Return what an instant query finds; a scalar or a string is one thing."""
        found = _get(f"{self.prometheus}/api/v1/query", query=expression)["data"]
        result: list[Any] = found["result"]
        return [result] if found["resultType"] in {"scalar", "string"} else result

    def query_range(self, expression: str, *, seconds: int) -> list[Any]:
        """Return the series that a range query finds from so long ago up to now."""
        now = float(self.query("time()")[0][1])
        span = {"start": f"{now - seconds}", "end": f"{now}", "step": "5"}
        url = f"{self.prometheus}/api/v1/query_range"
        found: list[Any] = _get(url, query=expression, **span)["data"]["result"]
        return found

    def wait_for(
        self, expression: str, *, within: float = PATIENCE, until: bool = True
    ) -> None:
        """Return when a query finds something, or with until=False nothing more."""
        wait(lambda: bool(self.query(expression)) == until, expression, within=within)

    def post_alerts(self, *alerts: Labels) -> None:
        """Tell Alertmanager of alerts, as Prometheus does."""
        body = json.dumps([{"labels": labels} for labels in alerts]).encode()
        url = f"{self.alertmanager}/api/v2/alerts"
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(url, body, headers), timeout=10):  # noqa: S310
            pass

    def states(self) -> dict[str, str]:
        """Return what Alertmanager does with each alert, by its name."""
        alerts = _get(f"{self.alertmanager}/api/v2/alerts")
        return {each["labels"]["alertname"]: each["status"]["state"] for each in alerts}


def wait(holds: Callable[[], bool], what: str, *, within: float = PATIENCE) -> None:
    """Return when something holds."""
    ends = time.monotonic() + within
    while not holds():
        assert time.monotonic() < ends, f"waited {within} s for {what}"
        time.sleep(0.2)  # neither server offers anything to watch


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


def quick_routing(webhook: str) -> Any:
    """Return the routing with seconds in place of minutes, and one webhook for all."""
    text = copy.deepcopy(yaml.safe_load(ALERTMANAGER.read_text()))
    text["route"] |= {"group_wait": "2s", "group_interval": "1s"}
    for each in text["receivers"]:
        for hook in each["webhook_configs"]:
            hook["url"] = f"{webhook}/{each['name']}"
    return text


@contextmanager
def running_stack(tools: AlertTools, folder: Path) -> Iterator[Stack]:
    """Run both servers and the webhook, scraping nothing yet."""
    receivers = Receivers()
    with ExitStack() as ends:
        webhook = ends.enter_context(_webhook(receivers))
        routing = folder / "alertmanager.yaml"
        routing.write_text(yaml.safe_dump(quick_routing(webhook)))
        (folder / "rules.yaml").write_text(yaml.safe_dump(quick_rules()))
        (folder / "targets.json").write_text("[]")
        router, server = _free_address(), _free_address()
        config = folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump(_scraping(folder, router)))
        command = [str(tools.alertmanager), f"--config.file={routing}"]
        command += [f"--storage.path={folder / 'alertmanager'}"]
        command += [f"--web.listen-address={router}", "--cluster.listen-address="]
        ends.enter_context(_process(command, folder / "alertmanager.log"))
        command = [str(tools.prometheus), f"--config.file={config}"]
        command += [f"--storage.tsdb.path={folder / 'prometheus'}"]
        command += [f"--web.listen-address={server}"]
        ends.enter_context(_process(command, folder / "prometheus.log"))
        for address in (router, server):
            _until_ready(f"http://{address}/-/ready")
        targets = folder / "targets.json"
        yield Stack(f"http://{server}", f"http://{router}", receivers, targets)


def _scraping(folder: Path, router: str) -> Any:
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yaml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [router]}]}]},
        "scrape_configs": [
            {
                "job_name": "heartbeats",
                "honor_labels": True,
                "file_sd_configs": [
                    {"files": [str(folder / "targets.json")], "refresh_interval": "1s"}
                ],
            }
        ],
    }


@contextmanager
def _webhook(receivers: Receivers) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        """Takes what Alertmanager posts; the path names the receiver."""

        def do_POST(self) -> None:
            """Note one message."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receivers.take(self.path.strip("/"), json.loads(body))
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
def _process(command: list[str], log: Path) -> Iterator[None]:
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
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


def _free_address() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


def _get(url: str, **query: str) -> Any:
    with urlopen(f"{url}?{urlencode(query)}", timeout=30) as answer:  # noqa: S310
        return json.load(answer)
