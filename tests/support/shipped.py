"""The processes of the shipped Deployments, run as such: with their arguments.

What a pod gets from its cluster (the address of the API server, its token) comes from
a kubeconfig of the same account here, and the ports are free ones.
"""

from collections.abc import Iterable
from pathlib import Path

from support.processes import FREE_PORTS, Process
from support.resources import Object


def arguments_of(deployments: Iterable[Object], role: str) -> list[str]:
    """Return what the container of a role is started with, variables filled in."""
    [found] = [
        each
        for each in deployments
        if each["kind"] == "Deployment"
        and each["metadata"]["name"] == f"heartbeats-{role}"
    ]
    [container] = found["spec"]["template"]["spec"]["containers"]
    namespace = found["metadata"]["namespace"]
    arguments: list[str] = container["args"]
    return [each.replace("$(POD_NAMESPACE)", namespace) for each in arguments]


def run_shipped(
    deployments: Iterable[Object], role: str, kubeconfig: Path, *flags: str
) -> Process:
    """Run a role as it is shipped; nothing is waited for."""
    where = ("--kubeconfig", str(kubeconfig), *FREE_PORTS)
    return Process(*arguments_of(deployments, role), *where, *flags)
