"""Finds a monitor's ping URL for a person: `heartbeats url`.

The delivered Secret tells it; without one it is computed, for which the signing key
must be readable. Nothing is written. Errors say what to do, and never hold a key.
"""

import base64
import binascii
from dataclasses import dataclass, field

import msgspec

from heartbeats.core.model import MonitorKey
from heartbeats.core.tokens import Key, mint
from heartbeats.edges.kube import errors
from heartbeats.edges.kube.client import Client
from heartbeats.edges.kube.objects import KubeObject, Monitor
from heartbeats.edges.kube.ping_urls import LABELS
from heartbeats.edges.kube.resources import MONITORS, SECRETS
from heartbeats.edges.kube.signing import KEY_SECRET, KeySecret


class NoUrlError(Exception):
    """There is no URL to be told; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """A URL, and what its reader should know of it."""

    url: str = field(repr=False)
    remark: str = ""


class _Secret(KubeObject, frozen=True, kw_only=True):
    data: dict[str, str] = msgspec.field(default_factory=dict)


class MonitorUrls:
    """Looks URLs up in one cluster."""

    def __init__(
        self, client: Client, own_namespace: str, public_url: str | None
    ) -> None:
        self._client = client
        self._own_namespace = own_namespace
        self._public_url = public_url and public_url.rstrip("/")

    async def find(self, monitor: MonitorKey) -> Found:
        """Return a monitor's URL; NoUrlError or a KubeError when that can't be."""
        version = await self._token_version(monitor)
        delivered, missing = None, ""
        try:
            delivered = await self._delivered(monitor)
        except errors.Forbidden:
            name = f"{monitor.name}-ping"
            missing = f"`get` on Secret {monitor.namespace}/{name}, or "
        if delivered is None:
            return await self._computed(monitor, version, missing)
        if self._public_url is None:
            return Found(delivered)
        return Found(f"{self._public_url}/ping/{delivered.rpartition('/')[2]}")

    async def _token_version(self, monitor: MonitorKey) -> int:
        namespace, name = monitor.namespace, monitor.name
        try:
            found = await self._client.get(MONITORS, name, Monitor, namespace=namespace)
        except errors.NotFound as error:
            raise NoUrlError(_no_monitor(monitor, error)) from error
        except errors.Forbidden as error:
            raise NoUrlError(
                f"You may not read {monitor}: it needs the right `get` on "
                f"heartbeatmonitors.heartbeats.dev in namespace {namespace}, which the "
                "ClusterRole heartbeats-view gives."
            ) from error
        if found.spec.ping is None:
            raise NoUrlError(_not_pinged(monitor, found))
        return found.spec.ping.token_version

    async def _delivered(self, monitor: MonitorKey) -> str | None:
        """Return what the operator delivered; None when there is no such Secret."""
        name, namespace = f"{monitor.name}-ping", monitor.namespace
        try:
            secret = await self._client.get(SECRETS, name, _Secret, namespace=namespace)
        except errors.NotFound:
            return None
        if not LABELS.items() <= secret.metadata.labels.items():
            return None  # somebody else's
        try:
            return base64.b64decode(secret.data["url"], validate=True).decode()
        except (KeyError, ValueError, binascii.Error):
            return None

    async def _computed(self, monitor: MonitorKey, version: int, missing: str) -> Found:
        try:
            keys = await KeySecret(self._client, self._own_namespace).read()
        except errors.Forbidden as error:
            raise NoUrlError(self._no_right(monitor, missing)) from error
        if not keys:
            raise NoUrlError(self._no_key(missing))
        return self._mint(keys[0], monitor, version)

    def _mint(self, key: Key, monitor: MonitorKey, version: int) -> Found:
        base, remark = self._public_url, ""
        if base is None:
            base = f"http://heartbeats-ping.{self._own_namespace}.svc:8080"
            remark = (
                f"{base} is where the ping Service is by default, reached only from "
                "within the cluster; pass the operator's --public-url if it has one."
            )
        return Found(f"{base}/ping/{mint(key, monitor, version)}", remark)

    def _no_right(self, monitor: MonitorKey, missing: str) -> str:
        delivered = (
            ""
            if missing
            else (f"There is no Secret {monitor.namespace}/{monitor.name}-ping (yet). ")
        )
        return (
            f"{delivered}The URL of {monitor} can't be told: you lack the right "
            f"{missing}`get` on Secret {self._own_namespace}/{KEY_SECRET}. Ask whoever "
            "runs the cluster for the URL or for a right."
        )

    def _no_key(self, missing: str) -> str:
        instead = f" Or ask for the right {missing[:-5]}." if missing else ""
        return (
            f"There is no usable key in Secret {self._own_namespace}/{KEY_SECRET}: is "
            "the operator running, and in that namespace? Start it, or pass "
            f"--operator-namespace.{instead}"
        )


def _no_monitor(monitor: MonitorKey, error: errors.NotFound) -> str:
    if error.is_of_kind:
        return (
            "This cluster knows no HeartbeatMonitors: install them with "
            "`kubectl apply --server-side -k manifests/base`, or pass another context."
        )
    return (
        f"There is no HeartbeatMonitor {monitor}. `kubectl get hbm -A` lists what "
        "there is; `kubectl explain heartbeatmonitor.spec` helps to write one."
    )


def _not_pinged(monitor: MonitorKey, found: Monitor) -> str:
    watched = found.spec.cron_job
    of_what = f"CronJob {watched.name}" if watched else "something else"
    return (
        f"{monitor} is no ping monitor: it watches {of_what} by itself, so nothing has "
        "to call a URL. A job elsewhere needs a monitor of its own, with `ping: {}`."
    )
