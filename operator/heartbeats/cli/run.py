"""`heartbeats run`: its options, with help worth reading, and its exit codes."""

import asyncio
import os
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import click

from heartbeats.cli.flags import (
    api_write_budget_option,
    auto_monitor_option,
    check_time_zone,
    cluster_time_zone_option,
    exclude_namespaces_option,
    ping_secrets_option,
)
from heartbeats.config import (
    OWN_NAMESPACE,
    Address,
    AddressError,
    Config,
    LogFormat,
    Role,
    may_call,
    parse_address,
)


class AddressType(click.ParamType[Address]):
    """HOST:PORT on the command line."""

    name = "HOST:PORT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address:
        """Read an address, or fail with a sentence."""
        if isinstance(value, Address):
            return value
        try:
            return parse_address(str(value))
        except AddressError as error:
            self.fail(str(error), param, ctx)


ADDRESS = AddressType()


@click.command(context_settings={"auto_envvar_prefix": "HEARTBEATS"})
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.ALL.value,
    show_default=True,
    help="operator judges and writes statuses; ping answers pings; all is both in one "
    "process, for development and small clusters.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Reach the API server through this file. Default: $KUBECONFIG, the pod's "
    "ServiceAccount, ~/.kube/config.",
)
@click.option("--context", help="Use this context of the kubeconfig.")
@click.option(
    "--namespace",
    help="Watch this namespace only; needs no cluster-wide rights and implies "
    "--no-ping-secrets.",
)
@click.option(
    "--operator-namespace",
    "own_namespace",
    envvar="HEARTBEATS_OPERATOR_NAMESPACE",
    default=OWN_NAMESPACE,
    show_default=True,
    help="Where the journal, Leases and the signing key live.",
)
@click.option(
    "--ping-address",
    type=ADDRESS,
    default=":8080",
    show_default=True,
    help="Where pings are answered. Port 0 takes a free one, which is logged.",
)
@click.option(
    "--metrics-address",
    type=ADDRESS,
    default=":9090",
    show_default=True,
    help="Where /metrics is served.",
)
@click.option(
    "--health-address",
    type=ADDRESS,
    default=":8081",
    show_default=True,
    help="Where /healthz and /readyz are served.",
)
@click.option(
    "--page-address",
    type=ADDRESS,
    default="127.0.0.1:8082",
    show_default=True,
    help="Where the status page is served; it has no login, so keep it local.",
)
@click.option(
    "--public-url",
    help="What jobs call, e.g. https://pings.example.org. Ping URLs start with it. "
    "Default: the Service heartbeats-ping in the operator's namespace.",
)
@click.option(
    "--self-ping-url",
    metavar="URL",
    help="Call this URL once a minute while monitors are judged by fresh facts: let "
    "somebody else watch the operator. It may hold a token, so set it by "
    "HEARTBEATS_SELF_PING_URL from a Secret; it is never logged in full.",
)
@api_write_budget_option
@click.option(
    "--journal-bytes-per-second",
    type=click.IntRange(min=1024),
    default=1024 * 1024,
    show_default=True,
    metavar="BYTES",
    help="How many bytes of pings a ping process stores a second, on average; what "
    "64 seconds allow may come at once. What is more is answered with 503 and "
    "Retry-After. etcd keeps ten minutes' worth of it.",
)
@auto_monitor_option
@cluster_time_zone_option
@click.option("--cluster-name", default="", help="Named in each line of the event log.")
@ping_secrets_option
@exclude_namespaces_option
@click.option(
    "--dialects",
    multiple=True,
    type=click.Choice(
        ["native", "overwatch", "firstheartbeat", "checkly", "honeybadger"]
    ),
    help="Answer these ping protocols only. May be repeated.  [default: all]",
)
@click.option(
    "--trusted-proxies",
    multiple=True,
    metavar="CIDR",
    help="Believe X-Forwarded-For from these networks. May be repeated.",
)
@click.option(
    "--capture-output",
    type=click.Choice(["failures", "none"]),
    default="failures",
    show_default=True,
    help="Whose output is kept, shortened, in statuses and the event log.",
)
@click.option(
    "--metrics-level",
    type=click.Choice(["lean", "full"]),
    default="full",
    show_default=True,
    help="lean exports what alerts need, half the series.",
)
@click.option(
    "--metric-labels",
    multiple=True,
    metavar="LABEL",
    help="Export this label of monitors in heartbeat_monitor_labels. May be repeated.",
)
@click.option(
    "--event-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append check_in event lines to this file too; they always go to stdout.",
)
@click.option(
    "--log-format",
    type=click.Choice([each.value for each in LogFormat]),
    default=LogFormat.TEXT.value,
    show_default=True,
    help="How the operator's own log looks; it goes to stderr.",
)
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
    help="The least important lines to log.",
)
def run(**options: Any) -> None:
    """Run the operator, the ping service, or both.

    Every option can also be set by the environment: --ping-address by
    HEARTBEATS_PING_ADDRESS, and so on.

    Exit code 0 after SIGTERM or ctrl-C, 1 when the process cannot go on, 2 for
    options that make no sense.
    """
    config = _config(options)
    from heartbeats.app.logs import configure

    configure(config.log_format, config.log_level)
    from heartbeats.app.process import Process
    from heartbeats.edges.kube.errors import KubeError
    from heartbeats.edges.listener import ListenError

    async def work() -> None:
        await Process(config, os.environ).run()

    try:
        asyncio.run(work())
    except* (KubeError, ListenError) as group:
        click.echo(f"heartbeats: {_first(group)}", err=True)
        sys.exit(1)


def _config(options: dict[str, Any]) -> Config:
    check_time_zone(options["cluster_time_zone"])
    for network in options["trusted_proxies"]:
        try:
            ip_network(network)
        except ValueError as error:
            raise click.BadParameter(
                f"{error}; write a network like 10.0.0.0/8",
                param_hint="--trusted-proxies",
            ) from error
    if not may_call(options["self_ping_url"]):
        # Not repeated here: it may hold a token, and this goes to a log.
        raise click.BadParameter(
            "write an http or https URL such as https://watcher.example.org/ping/…",
            param_hint="--self-ping-url",
        )
    options["role"] = Role(options["role"])
    options["log_format"] = LogFormat(options["log_format"])
    if options["namespace"] is not None:
        options["ping_secrets"] = False
    return Config(**options)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
