"""Flags of the operator that decide what is monitored: `run` obeys, `preview` asks.

It may not read what is monitored, nor decide it.
"""

import click

api_write_budget_option = click.option(
    "--api-write-budget",
    type=click.FloatRange(min=1),
    default=50,
    show_default=True,
    metavar="PER-SECOND",
    help="How many statuses are written a second, flips first. What does not fit "
    "waits; verdicts, metrics and the page never do.",
)
auto_monitor_option = click.option(
    "--auto-monitor",
    type=click.Choice(["all", "annotated", "off"]),
    default="all",
    show_default=True,
    help="Which CronJobs get a monitor by themselves. The annotation "
    'heartbeats.dev/monitor: "true" or "false", on a CronJob or its Namespace, '
    "goes before `all` and `annotated`.",
)
cluster_time_zone_option = click.option(
    "--cluster-time-zone",
    default="UTC",
    show_default=True,
    help="The zone of kube-controller-manager, which the API does not show: it counts "
    "for CronJobs without spec.timeZone.",
)
ping_secrets_option = click.option(
    "--ping-secrets/--no-ping-secrets",
    default=True,
    show_default=True,
    help="Deliver each ping URL in a Secret beside its monitor.",
)
exclude_namespaces_option = click.option(
    "--exclude-namespaces",
    multiple=True,
    metavar="NAMESPACE",
    help="CronJobs there get no monitor by themselves. May be repeated.",
)


def check_time_zone(zone: str) -> None:
    """Refuse a zone that does not exist, with a sentence."""
    from heartbeats.core.cron import CronError, parse

    try:
        parse("@daily", zone)
    except CronError as error:
        raise click.BadParameter(
            str(error), param_hint="--cluster-time-zone"
        ) from error
