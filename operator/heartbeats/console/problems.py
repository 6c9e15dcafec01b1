"""What is said when a cluster does not answer as hoped: sentences with a next step."""

from difflib import get_close_matches
from typing import Final

from heartbeats.console.access import Cluster, SaidError
from heartbeats.core.model import MonitorKey
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.resources import MONITORS

NO_DEFINITION: Final = (
    "This cluster knows no HeartbeatMonitors: install them with "
    "`kubectl apply --server-side -k manifests/base`, or pass another context. "
    "`heartbeats preview` tells what would be monitored."
)
SHOWN: Final = 3
"""So many names are suggested."""

ALIKE: Final = 0.75
"""How much a name has in common with one that is suggested for it."""


def sentence_of(error: errors.KubeError) -> str:
    """Say what went wrong and what to do next."""
    match error:
        case errors.Forbidden():
            return f"You lack a right: {error}. {right_hint(str(error))}"
        case errors.Unauthorized():
            return (
                f"The API server does not know you: {error}. Log in again, or pass "
                "another --context; `kubectl auth whoami` shows who you are."
            )
        case errors.Unreachable():
            return (
                f"{error}. Is the cluster up, and is this the right context? "
                "`kubectl cluster-info` asks the same server."
            )
        case errors.NotFound() if error.is_of_kind:
            return NO_DEFINITION
        case _:
            return str(error)


def right_hint(said: str) -> str:
    """Name who gives a right."""
    if MONITORS.plural in said:
        return (
            "The ClusterRole heartbeats-view gives it, and with it the cluster's own "
            "view, edit and admin. One namespace may be allowed: try -n NAMESPACE."
        )
    return "Ask whoever runs the cluster for it."


async def unknown(cluster: Cluster, key: MonitorKey) -> SaidError:
    """Say that there is no such monitor, and which ones were perhaps meant."""
    there = await _keys(cluster, key.namespace)
    missing = f"There is no HeartbeatMonitor {key.name} in namespace {key.namespace}."
    elsewhere = [each for each in there if each.name == key.name]
    if elsewhere:
        found = ", ".join(map(str, elsewhere[:SHOWN]))
        return SaidError(f"{missing} There is {found}: write it so, or pass -n.")
    near = _near(key, [each for each in there if each.namespace == key.namespace])
    if near:
        return SaidError(f"{missing} Did you mean {' or '.join(near)}?")
    return SaidError(f"{missing} `kubectl heartbeats list -A` shows what there is.")


async def _keys(cluster: Cluster, namespace: str) -> list[MonitorKey]:
    """Return the monitors there are, as far as they may be seen."""
    for scope in (None, namespace):
        try:
            page = await cluster.client.list_metadata(MONITORS, namespace=scope)
        except errors.Forbidden:
            continue
        return sorted(MonitorKey(each.namespace, each.name) for each in page.items)
    return []


def _near(key: MonitorKey, there: list[MonitorKey]) -> list[str]:
    """Return names like this one; that of its CronJob's own monitor goes first."""
    names = [each.name for each in there]
    known = [name for name in names if name.startswith(f"{key.name}-")]
    like = get_close_matches(key.name, names, n=SHOWN, cutoff=ALIKE)
    return list(dict.fromkeys([*known, *like]))[:SHOWN]
