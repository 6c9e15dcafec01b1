"""What pings would cost if each wrote its monitor's status: the thing to beat."""

import asyncio
import time
from pathlib import Path
from random import Random

from bench.pings.rig import NAMESPACE, name
from heartbeats.clock import SystemClock
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.credentials import open_session
from heartbeats.edges.kube.kubeconfig import find_credentials
from heartbeats.edges.kube.resources import MONITORS


def patches_per_second(
    kubeconfig: Path, monitors: int, connections: int, seconds: float
) -> float:
    """Patch statuses over so many connections; return how many a second."""
    return asyncio.run(_patch(kubeconfig, monitors, connections, seconds))


async def _patch(
    kubeconfig: Path, monitors: int, connections: int, seconds: float
) -> float:
    clock = SystemClock()
    credentials = find_credentials(environ={}, clock=clock, kubeconfig=str(kubeconfig))
    async with await open_session(credentials) as session:
        client = Client(session, clock=clock)
        ends = time.monotonic() + seconds
        workers = (_work(client, each, monitors, ends) for each in range(connections))
        done = await asyncio.gather(*workers)
    return sum(done) / seconds


async def _work(client: Client, seed: int, monitors: int, ends: float) -> int:
    """Write what a check-in changes, again and again."""
    dice, done = Random(seed), 0  # noqa: S311 - which monitor is no secret
    while time.monotonic() < ends:
        at = client.clock.now().isoformat().replace("+00:00", "Z")
        status = {
            "lastSuccessTime": at,
            "lastCheckIn": {"id": f"{dice.random()}", "time": at, "kind": "success"},
        }
        await client.merge(
            MONITORS,
            name(dice.randrange(monitors)),
            {"status": status},
            namespace=NAMESPACE,
            subresource="status",
        )
        done += 1
    return done
