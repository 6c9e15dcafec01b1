"""`make alerts`: a real Prometheus and Alertmanager beside `make run`, for trying out.

They use the rules and the routing that ship, listen on 127.0.0.1 alone and leave
nothing behind. Whatever a receiver is told is a line here.
"""

import signal
import sys
import tempfile
import threading
from pathlib import Path
from urllib.request import urlopen

import click

from heartbeats.cluster.ports import is_free
from heartbeats.cluster.progress import Progress
from support.alert_servers import Notice, Servers, running
from support.alert_tools import AlertTools, build_alert_tools

QUICK = (
    "Minutes of the rules and of the routing are seconds here; --as-shipped waits "
    "as long as they say."
)


class LocalAddress(click.ParamType[str]):
    """A port of 127.0.0.1 on which nothing listens yet."""

    name = "PORT"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Read a port, or fail with a sentence."""
        text = str(value)
        if not (text.isdecimal() and 0 < int(text) < 2**16):
            self.fail(f"{text!r} is no port; write a number such as 9093", param, ctx)
        if not is_free(int(text)):
            self.fail(f"something listens on {text} already; take another", param, ctx)
        return f"127.0.0.1:{text}"


@click.command()
@click.option(
    "--scrape",
    multiple=True,
    default=["127.0.0.1:9090"],
    show_default=True,
    metavar="HOST:PORT",
    help="Where the operator serves /metrics, as `make run` does. May be repeated.",
)
@click.option(
    "--prometheus",
    type=LocalAddress(),
    default="9091",
    show_default=True,
    help="Where Prometheus listens, on 127.0.0.1.",
)
@click.option(
    "--alertmanager",
    type=LocalAddress(),
    default="9093",
    show_default=True,
    help="Where Alertmanager listens, on 127.0.0.1.",
)
@click.option(
    "--as-shipped",
    is_flag=True,
    help="Wait as long as rules and routing say: minutes in place of seconds.",
)
@click.option(
    "--link-in",
    type=click.Path(file_okay=False, path_type=Path),
    help="Link amtool and promtool into this folder.",
)
def alerts(
    scrape: tuple[str, ...],
    prometheus: str,
    alertmanager: str,
    as_shipped: bool,
    link_in: Path | None,
) -> None:
    """Run Prometheus and Alertmanager with the shipped rules until ctrl-C.

    They are built from pinned sources the first time, which takes some minutes.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    tools = build_alert_tools(Progress(sys.stderr))
    if link_in is not None:
        _link(tools, link_in)
    with tempfile.TemporaryDirectory(prefix="heartbeats-alerts-") as folder:
        where = (Path(folder), prometheus, alertmanager)
        servers = Servers(tools, *where, as_shipped=as_shipped)
        with running(servers, _show):
            servers.scrape(*scrape)
            click.echo(_welcome(servers, scrape))
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                click.echo("\nBoth are stopped, and what they stored is removed.")


def _welcome(servers: Servers, scraped: tuple[str, ...]) -> str:
    router = f"http://{servers.alertmanager}"
    lines = [
        f"Prometheus    http://{servers.prometheus}/alerts scrapes {' '.join(scraped)}",
        f"Alertmanager  {router} routes by manifests/alerts/alertmanager.yaml",
        f"amtool        {servers.tools.folder / 'amtool'} --alertmanager.url={router}",
    ]
    if not servers.as_shipped:
        lines.append(QUICK)
    lines += [
        f"Nothing answers at {each} yet: `make run` starts it."
        for each in scraped
        if not _answers(each)
    ]
    return "\n".join([*lines, "What a receiver is told follows; ctrl-C ends it."])


def _answers(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/metrics", timeout=10):
            return True
    except OSError:
        return False


def _show(notice: Notice) -> None:
    words = (notice.status, notice.alert, f"to {notice.receiver}:")
    click.echo(" ".join((*words, notice.annotations.get("summary", ""))))


def _link(tools: AlertTools, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("amtool", "promtool"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(tools.folder / name)


if __name__ == "__main__":
    alerts(prog_name="python -m support.alerts")
