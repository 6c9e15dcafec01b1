"""Processes that are killed in the middle of a step, and the requests of the steps.

The steps are those of the order of effects; every one ends in a request, which the
rig can hold. It holds no expectations.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.fault_rig import FaultRig
from support.operators import SYSTEM
from support.own_cluster import Own
from support.resources import CONFIG_MAPS, EVENTS, MONITORS, SECRETS
from support.restarts import JOURNAL, Apart
from support.traps import Rule, When, asks


@dataclass(frozen=True, slots=True)
class Rigged:
    """Both roles as processes of their own, whose requests go through one rig."""

    rig: FaultRig
    apart: Apart

    @classmethod
    @contextmanager
    def running(cls, own: Own, folder: Path) -> Iterator["Rigged"]:
        """Run all of it until the end of the block."""
        with FaultRig.running(own.admin) as rig:
            through = own.through(
                rig.kubeconfig(own.operator, folder / "operator"),
                rig.kubeconfig(own.ping, folder / "ping"),
            )
            with Apart.running(through, folder / "events.jsonl") as apart:
                yield cls(rig, apart)

    def killed_at(self, rule: Rule, when: When, act: Callable[[], object]) -> None:
        """Do what leads to a request, kill the operator there, start another."""
        with self.rig.trap(rule, when) as trap:
            act()
            trap.wait()
            with self.apart.away():
                trap.cut()

    def unheard_at(self, rule: Rule, when: When, act: Callable[[], object]) -> None:
        """Do the same to the ping service."""
        with self.rig.trap(rule, when) as trap:
            act()
            trap.wait()
            with self.apart.unheard():
                trap.cut()


def segment_stored() -> Rule:
    """Name the request that makes pings durable; then they are answered."""
    return asks("POST", CONFIG_MAPS.path(SYSTEM))


def checkpoint_stored() -> Rule:
    """Name the request that stores what many segments hold; then they are deleted."""
    return asks("POST", CONFIG_MAPS.path(SYSTEM), _is_checkpoint)


def status_stored(namespace: str, name: str) -> Rule:
    """Name the request that stores a flip with the status."""
    return asks("PATCH", MONITORS.path(namespace, name, "status"), _has_flips)


def event_posted(namespace: str) -> Rule:
    """Name the request that tells a flip."""
    return asks("POST", EVENTS.path(namespace))


def flips_cleared(namespace: str, name: str) -> Rule:
    """Name the request that notes that it is told that a monitor is Down."""
    return asks("PATCH", MONITORS.path(namespace, name, "status"), _has_told)


def segment_deleted() -> Rule:
    """Name the request that ends what is applied and stored."""
    return asks("DELETE", CONFIG_MAPS.path(SYSTEM, f"{JOURNAL}.*"))


def url_delivered(namespace: str) -> Rule:
    """Name the request that hands out a ping URL."""
    return asks("POST", SECRETS.path(namespace))


def _is_checkpoint(body: Any) -> bool:
    name: str = body["metadata"]["name"]
    return name.startswith(f"{JOURNAL}checkpoint-")


def _has_flips(body: Any) -> bool:
    return bool(body["status"].get("pendingFlips"))


def _has_told(body: Any) -> bool:
    return body["status"]["state"] == "Down" and not _has_flips(body)
