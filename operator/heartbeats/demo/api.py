"""The cluster as its administrator sees it. The only module that knows the client.

Its errors become DemoErrors here. Manifests are applied and deleted in the order
that is asked for; nothing is decided here.
"""

import base64
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from kubernetes import client, config, dynamic
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic.exceptions import (
    NotFoundError,
    ResourceNotFoundError,
    TooManyRequestsError,
)
from urllib3.exceptions import HTTPError

from heartbeats.core.model import MonitorKey
from heartbeats.demo.checkout import Manifest
from heartbeats.demo.errors import DemoError
from heartbeats.demo.story import Row

FIELD_MANAGER: Final = "heartbeats-demo"
MONITORS: Final = ("heartbeats.dev/v1alpha1", "HeartbeatMonitor")
_TIMEOUT: Final = 15.0
"""Seconds for one request."""

_TOKEN_SECONDS: Final = 12 * 3600
"""How long the operator may run; API servers may grant less."""

_POLL: Final = 0.2
_NOT_YET: Final = (NotFoundError, ResourceNotFoundError, TooManyRequestsError)
"""What is answered for a kind that was just defined; 429 while its storage is made."""

_load: Any = config.load_kube_config
_dynamic: Any = dynamic.DynamicClient
"""The client's own types are partial, or wrong."""


@dataclass(frozen=True, slots=True)
class Told:
    """A Kubernetes Event about a monitor."""

    at: str
    type: str
    reason: str
    monitor: str
    note: str


class Admin:
    """One cluster, reached by a kubeconfig. Raises DemoError."""

    def __init__(self, kubeconfig: Path, discovery: Path) -> None:
        """Connect; what the server's resources are is kept in the file `discovery`."""
        configuration: Any = client.Configuration()
        with _told("The cluster can't be reached"):
            _load(
                str(kubeconfig),
                client_configuration=configuration,
                persist_config=False,
            )
            self._api: Any = client.ApiClient(configuration)
            self._dynamic: Any = _dynamic(self._api, cache_file=str(discovery))

    def is_there(self, api_version: str, kind: str, name: str) -> bool:
        """Tell whether a cluster-wide object exists."""
        with _told(f"{kind} {name} can't be read"):
            try:
                self._resource(api_version, kind).get(name, _request_timeout=_TIMEOUT)
            except NotFoundError:
                return False
        return True

    def apply(self, manifests: Sequence[Manifest]) -> None:
        """Apply objects in their order, server-side, as one field manager."""
        for manifest in manifests:
            with _told(f"{_title(manifest)} can't be applied"):
                self._resource(
                    manifest["apiVersion"], manifest["kind"]
                ).server_side_apply(
                    body=manifest,
                    field_manager=FIELD_MANAGER,
                    force_conflicts=True,
                    _request_timeout=_TIMEOUT,
                )

    def delete(self, manifests: Sequence[Manifest], *, within: float) -> None:
        """Delete objects, the last first, and wait `within` seconds for their end."""
        doomed = list(reversed(manifests))
        for manifest in doomed:
            self._delete(manifest)
        ends = time.monotonic() + within
        for manifest in doomed:
            while self._delete(manifest):
                if time.monotonic() > ends:
                    raise DemoError(
                        f"{_title(manifest)} is not gone {within:g} s after its "
                        "deletion: look at its finalizers and conditions."
                    )
                time.sleep(_POLL)

    def wait_served(self, api_version: str, kind: str, *, within: float) -> None:
        """Wait until a kind that was just defined can be listed."""
        ends = time.monotonic() + within
        while True:
            with _told(f"{kind} can't be listed"):
                try:
                    self._resource(api_version, kind).get(_request_timeout=_TIMEOUT)
                except _NOT_YET:
                    if time.monotonic() > ends:
                        raise
                else:
                    return
            time.sleep(_POLL)

    def monitors(self) -> list[Row]:
        """Return every HeartbeatMonitor."""
        with _told("The monitors can't be listed"):
            resource = self._resource(*MONITORS)
            listed = resource.get(_request_timeout=_TIMEOUT).to_dict()
        return [row_of(item) for item in listed["items"]]

    def events(self, namespace: str) -> list[Told]:
        """Return the Events about the monitors of a namespace, the oldest first."""
        with _told("The Events can't be listed"):
            resource = self._resource("events.k8s.io/v1", "Event")
            listed = resource.get(namespace=namespace, _request_timeout=_TIMEOUT)
        found = [
            Told(
                at=item.get("eventTime") or "",
                type=item.get("type", ""),
                reason=item.get("reason", ""),
                monitor=item["regarding"].get("name", ""),
                note=item.get("note", ""),
            )
            for item in listed.to_dict()["items"]
            if item.get("regarding", {}).get("kind") == MONITORS[1]
        ]
        return sorted(found, key=lambda event: event.at)

    def secret(self, namespace: str, name: str, key: str) -> str | None:
        """Return one value of a Secret, or None while there is no such Secret."""
        with _told(f"The Secret {name} can't be read"):
            try:
                found = self._resource("v1", "Secret").get(
                    name, namespace, _request_timeout=_TIMEOUT
                )
            except NotFoundError:
                return None
        value = (found.to_dict().get("data") or {}).get(key)
        return base64.b64decode(value).decode() if value else None

    def account_kubeconfig(self, namespace: str, name: str) -> dict[str, Any]:
        """Return the content of a kubeconfig that logs in as a ServiceAccount."""
        body = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        with _told(f"No token for the ServiceAccount {name}"):
            core: Any = client.CoreV1Api(self._api)
            request = core.create_namespaced_service_account_token(
                name, namespace, body, _request_timeout=_TIMEOUT
            )
        configuration = self._api.configuration
        cluster: dict[str, Any] = {"server": configuration.host}
        if configuration.ssl_ca_cert:
            authority = Path(configuration.ssl_ca_cert).read_bytes()
            cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
        if not configuration.verify_ssl:
            cluster["insecure-skip-tls-verify"] = True
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": request.status.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        }

    def _delete(self, manifest: Manifest) -> bool:
        """Delete one object; returns False if it is not there."""
        meta = manifest["metadata"]
        with _told(f"{_title(manifest)} can't be deleted"):
            try:
                self._resource(manifest["apiVersion"], manifest["kind"]).delete(
                    meta["name"], meta.get("namespace"), _request_timeout=_TIMEOUT
                )
            except (NotFoundError, ResourceNotFoundError):
                return False
        return True

    def _resource(self, api_version: str, kind: str) -> Any:
        return self._dynamic.resources.get(api_version=api_version, kind=kind)


def row_of(item: dict[str, Any]) -> Row:
    """Read what the table shows of a HeartbeatMonitor."""
    meta, status = item["metadata"], item.get("status") or {}
    conditions = status.get("conditions") or []
    reasons = {each["type"]: each.get("reason", "") for each in conditions}
    return Row(
        key=MonitorKey(meta["namespace"], meta["name"]),
        state=status.get("state", ""),
        schedule=(status.get("effective") or {}).get("schedule", ""),
        last_check_in_at=_instant((status.get("lastCheckIn") or {}).get("time")),
        next_expected=status.get("nextExpectedTime") or "",
        reason=reasons.get("Healthy", ""),
        created_at=_instant(meta.get("creationTimestamp")),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _title(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except ApiException as error:
        raise DemoError(f"{what}: HTTP {error.status} {error.reason}") from error
    except (HTTPError, OSError, config.ConfigException) as error:
        raise DemoError(f"{what}: {error}") from error
    except ResourceNotFoundError as error:
        raise DemoError(f"{what}: the API server does not know its kind") from error
