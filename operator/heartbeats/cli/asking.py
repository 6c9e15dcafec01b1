"""What commands that read a cluster share: options, names, and errors as sentences.

The cluster's client is imported only when a cluster is asked.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from heartbeats.console.access import Cluster, SaidError, Target, reach

if TYPE_CHECKING:
    from heartbeats.core.model import MonitorKey

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


class FailedError(click.ClickException):
    """A command can't do its work: a sentence and exit code 1."""

    def show(self, file: Any = None) -> None:
        """Write the sentence as the other commands do."""
        del file
        click.echo(f"heartbeats: {self.message}", err=True)


kubeconfig_option = click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Reach the API server through this file. Default: $KUBECONFIG, the pod's "
    "ServiceAccount, ~/.kube/config.",
)
context_option = click.option("--context", help="Use this context of the kubeconfig.")
namespace_option = click.option(
    "-n",
    "--namespace",
    metavar="NAMESPACE",
    help="Look in this namespace. Default: that of the context.",
)
all_namespaces_option = click.option(
    "-A", "--all-namespaces", is_flag=True, help="Look in all namespaces."
)
selector_option = click.option(
    "-l",
    "--selector",
    metavar="LABELS",
    help="Only what has these labels, e.g. team=billing,tier!=test.",
)


def cluster_options(command: Command) -> Command:
    """Give a command the options that say which cluster, and where in it."""
    for option in (namespace_option, context_option, kubeconfig_option):
        command = option(command)
    return command


def key_of(text: str, namespace: str) -> "MonitorKey":
    """Read NAME or NAMESPACE/NAME, as `MONITOR` let it pass."""
    from heartbeats.core.model import MonitorKey

    first, slash, name = text.partition("/")
    return MonitorKey(first, name) if slash else MonitorKey(namespace, first)


def ask(target: Target, work: Callable[[Cluster], Awaitable[T]]) -> T:
    """Do something with a cluster; what goes wrong becomes a sentence."""
    from heartbeats.console.problems import sentence_of
    from heartbeats.edges.kube.errors import KubeError

    try:
        return asyncio.run(_with_cluster(target, work))
    except SaidError as error:
        raise FailedError(str(error)) from error
    except KubeError as error:
        raise FailedError(sentence_of(error)) from error


async def _with_cluster(target: Target, work: Callable[[Cluster], Awaitable[T]]) -> T:
    async with reach(target, os.environ) as cluster:
        return await work(cluster)


def show(lines: list[str]) -> None:
    """Print lines; whoever reads no further ends the command quietly.

    What the terminal has no sign for becomes a question mark.
    """
    encoding = sys.stdout.encoding or "utf-8"
    text = "\n".join(lines).encode(encoding, "replace").decode(encoding)
    try:
        click.echo(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def as_text(content: Any, form: str) -> list[str]:
    """Write an object as JSON or YAML."""
    if form == "json":
        import json

        return json.dumps(content, indent=2, ensure_ascii=False).splitlines()
    import yaml

    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text.splitlines()
