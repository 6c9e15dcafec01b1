"""What tests ask of a real Prometheus and Alertmanager, and what receivers were told.

The servers are those of `support.alert_servers`, made quick.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from support.alert_servers import PATIENCE, Labels, Notice, Servers, running
from support.alert_tools import AlertTools


@dataclass(slots=True)
class Receivers:
    """What all receivers were told, in the order in which it came."""

    _told: list[Notice] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def take(self, notice: Notice) -> None:
        """Note one alert."""
        with self._news:
            self._told.append(notice)
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
    _servers: Servers

    def scrape(self, *urls: str) -> None:
        """Scrape these from now on, and nothing else, as pods of the operator."""
        self._servers.scrape(*(urlsplit(url).netloc for url in urls))

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
        with urlopen(Request(url, body, headers), timeout=30):  # noqa: S310
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


@contextmanager
def running_stack(tools: AlertTools, folder: Path) -> Iterator[Stack]:
    """Run both servers and the webhook, scraping nothing yet."""
    receivers, servers = Receivers(), Servers(tools, folder)
    with running(servers, receivers.take):
        addresses = (f"http://{servers.prometheus}", f"http://{servers.alertmanager}")
        yield Stack(*addresses, receivers, servers)


def _get(url: str, **query: str) -> Any:
    with urlopen(f"{url}?{urlencode(query)}", timeout=30) as answer:  # noqa: S310
        return json.load(answer)
