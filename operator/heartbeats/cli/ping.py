"""`heartbeats ping`: one ping, sent until it is recorded. Decides nothing else."""

import sys
from typing import Any

import click

from heartbeats.cli.asking import cluster_options
from heartbeats.cli.monitors import (
    MONITOR,
    Place,
    look_up,
    operator_namespace_option,
    public_url_option,
)
from heartbeats.client import requests
from heartbeats.client.requests import BODY_LIMIT, PingUrl, Request, RunIdError


@click.command()
@click.argument("monitor", type=MONITOR, metavar="[NAME]", required=False)
@click.option(
    "--url",
    help="The monitor's ping URL; needs no cluster. Without it and without a name, "
    "$HEARTBEATS_URL is taken.",
)
@click.option("--start", is_flag=True, help="Say that a run has begun.")
@click.option("--fail", is_flag=True, help="Say that the run failed.")
@click.option("--log", is_flag=True, help="Leave a message; the state stays as it is.")
@click.option(
    "--exit-code",
    type=click.IntRange(0, 255),
    metavar="N",
    help="Say how the run ended: 0 is a success, 1 to 255 a failure.",
)
@click.option(
    "--run-id",
    metavar="UUID",
    help="Which run this belongs to: the same for its start and its end.",
)
@click.option(
    "--message",
    metavar="TEXT|-",
    help="Words for whoever looks at the monitor; - reads stdin and sends its last "
    "10 kB. A line of up to 500 characters is always kept, more only as the "
    "operator's --capture-output says: usually not with a success.",
)
@click.option(
    "--timeout",
    type=click.IntRange(1, 3600),
    default=30,
    show_default=True,
    metavar="SECONDS",
    help="How long the ping is repeated when it can't be delivered.",
)
@cluster_options
@public_url_option
@operator_namespace_option
def ping(monitor: str | None, url: str | None, **options: Any) -> None:
    """Ping a monitor: success, or what a flag says.

    NAME may also be NAMESPACE/NAME. No answer and passing refusals (408, 429, 5xx) are
    repeated, with growing pauses and when the service asks for it; other refusals are
    final.

    \b
    Examples:
      heartbeats ping default/nightly
      heartbeats ping --url "$URL" --exit-code $?
      tail backup.log | heartbeats ping default/nightly --fail --message -

    \b
    Exit codes:
      0  the ping was recorded
      1  it was not, or the URL can't be found; stderr says why
      2  the options make no sense
    """  # noqa: D301 - click wants the character, not its name
    if monitor and url:
        raise click.UsageError(
            "NAME and --url exclude each other: both name a monitor. Leave one out."
        )
    signal, run_id = _signal(options), _run_id(options.pop("run_id"))
    message, seconds = options.pop("message"), options.pop("timeout")
    target = _target(monitor, url, Place(**options))
    _send(_request(target, signal, run_id, message), seconds)


def _send(request: Request, seconds: float) -> None:
    from heartbeats.client.courier import carry

    outcome = carry(request, seconds)
    if not outcome.is_recorded:
        click.echo(f"heartbeats ping: not recorded: {outcome.text}", err=True)
        sys.exit(1)
    click.echo(f"Recorded: {outcome.text}")


def _signal(options: dict[str, Any]) -> str:
    """Take the flags out of the options; return what they say."""
    code = options.pop("exit_code")
    given = {
        f"--{name}": name
        for name in (requests.START, requests.FAIL, requests.LOG)
        if options.pop(name)
    }
    if code is not None:
        given["--exit-code"] = str(code)
    if len(given) > 1:
        raise click.UsageError(
            f"{' and '.join(given)} exclude each other: a ping says one thing. "
            "Send two pings, or leave one out."
        )
    return next(iter(given.values()), requests.SUCCESS)


def _run_id(text: str | None) -> str | None:
    try:
        return None if text is None else requests.run_id_of(text)
    except RunIdError as error:
        raise click.BadParameter(str(error), param_hint="--run-id") from error


def _target(monitor: str | None, url: str | None, place: Place) -> PingUrl:
    import os

    if monitor:
        url = look_up(monitor, place)
    url = url or os.environ.get("HEARTBEATS_URL")
    if not url:
        raise click.UsageError(
            "Whom to ping? Name the monitor (NAMESPACE/NAME), pass --url, or set "
            "HEARTBEATS_URL."
        )
    try:
        return PingUrl(url)
    except requests.UrlError as error:
        raise click.BadParameter(
            f"this is no ping URL: {error}", param_hint="--url"
        ) from error


def _request(
    target: PingUrl, signal: str, run_id: str | None, message: str | None
) -> Request:
    if message == "-":
        body = b""
        # Only the end is sent, so only the end is kept: a log may be large.
        while chunk := sys.stdin.buffer.read(BODY_LIMIT):
            body = requests.tail_of(body + chunk)
        return target.request(signal, run_id=run_id, body=body)
    if message and requests.is_line(message):
        return target.request(signal, run_id=run_id, message=message)
    body = (message or "").encode(errors="surrogateescape")
    return target.request(signal, run_id=run_id, body=body)
