"""A small, typed way to a real API server, for tests; it holds no expectations.

Objects are plain dicts, as the server sends them; what the server refuses is raised
as `RefusedError`. Waiting is done on watches, never by sleeping.
"""

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from kubernetes import client, config

from support.resources import (
    ACCESS_REVIEWS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    Object,
    Resource,
    resource_of,
)

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

A_WATCH = 10.0
"""Seconds of a watch after which `wait_until` lists again."""


class RefusedError(Exception):
    """The API server's "no": HTTP status, its reason word and its message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that was a success."""

    body: Any
    warnings: tuple[str, ...]
    """What kubectl would print as "Warning:"."""


class Kube:
    """One user's requests to one API server. Close it when done."""

    def __init__(self, configuration: Any) -> None:
        self.configuration = configuration
        self._api: Any = client.ApiClient(configuration)

    @classmethod
    def from_kubeconfig(cls, path: Path) -> "Kube":
        """Return the user and server of a kubeconfig's current context."""
        configuration: Any = client.Configuration()
        load: Any = config.load_kube_config
        load(str(path), client_configuration=configuration, persist_config=False)
        return cls(configuration)

    def with_token(self, token: str) -> "Kube":
        """Return another user of the same server, by its bearer token."""
        configuration: Any = client.Configuration()
        configuration.host = self.configuration.host
        configuration.ssl_ca_cert = self.configuration.ssl_ca_cert
        configuration.api_key = {"authorization": token}
        configuration.api_key_prefix = {"authorization": "Bearer"}
        return Kube(configuration)

    def close(self) -> None:
        """Close every connection."""
        self._api.close()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Answer:
        """Send one request; raises RefusedError for what is not a success."""
        response = self._open(method, path, body, query or {}, content_type, accept)
        with closing(response):
            return _answer(response.status, response.headers, response.data)

    def _open(
        self,
        method: str,
        path: str,
        body: Any,
        query: Mapping[str, str],
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = 60.0,
    ) -> Any:
        headers = {"Accept": accept, "Content-Type": content_type}
        self._api.update_params_for_auth(
            headers, [], ["BearerToken"], path, method, body
        )
        url = f"{self.configuration.host}{path}?{urlencode(query)}"
        # JSON is YAML: one encoding serves every content type.
        payload = None if body is None else json.dumps(body)
        pool = self._api.rest_client.pool_manager
        return pool.request(
            method,
            url,
            body=payload,
            headers=headers,
            timeout=timeout,
            preload_content=False,
        )

    def get(self, resource: Resource, namespace: str | None, *rest: str) -> Object:
        """Return one object, by name (and subresource)."""
        answer: Object = self.send("GET", resource.path(namespace, *rest)).body
        return answer

    def items(self, resource: Resource, namespace: str | None = None) -> list[Object]:
        """Return every object of a namespace, or of all namespaces."""
        items: list[Object] = self.send("GET", resource.path(namespace)).body["items"]
        return items

    def create(self, manifest: Object, **query: str) -> Object:
        """Create an object in the namespace that it names; returns it as stored."""
        path = resource_of(manifest).path(manifest["metadata"].get("namespace"))
        stored: Object = self.send("POST", path, manifest, query=query).body
        return stored

    def replace(self, manifest: Object, **query: str) -> Object:
        """Write an object over the one of its name; returns it as stored."""
        metadata = manifest["metadata"]
        path = resource_of(manifest).path(metadata.get("namespace"), metadata["name"])
        stored: Object = self.send("PUT", path, manifest, query=query).body
        return stored

    def apply(
        self, manifest: Object, *, subresource: str = "", manager: str = "tests"
    ) -> Object:
        """Apply an object (or its status) server-side, with force."""
        metadata = manifest["metadata"]
        rest = [metadata["name"], *([subresource] if subresource else [])]
        path = resource_of(manifest).path(metadata.get("namespace"), *rest)
        query = {"fieldManager": manager, "force": "true"}
        stored: Object = self.send(
            "PATCH", path, manifest, query=query, content_type=APPLY
        ).body
        return stored

    def delete(self, resource: Resource, namespace: str | None, name: str) -> None:
        """Delete an object; returns when the deletion is accepted, not done."""
        self.send("DELETE", resource.path(namespace, name))

    def allows(self, verb: str, group: str, resource: str, **where: str) -> bool:
        """Tell whether this user may do that (`namespace=`, `name=`, `subresource=`).

        Asks the server's authorizer; nothing is done.
        """
        attributes = {"verb": verb, "group": group, "resource": resource, **where}
        spec = {"resourceAttributes": attributes}
        body = {"apiVersion": ACCESS_REVIEWS.api_version, "spec": spec}
        review = self.send("POST", ACCESS_REVIEWS.path(), body).body
        return bool(review["status"]["allowed"])

    def watch(
        self, resource: Resource, namespace: str | None, since: str, seconds: float
    ) -> Iterator[tuple[str, Object]]:
        """Yield (event type, object) after a resourceVersion, for at most `seconds`."""
        query = {
            "watch": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(max(1, math.ceil(seconds))),
        }
        path = resource.path(namespace)
        response = self._open("GET", path, None, query, timeout=seconds + 60)
        with closing(response):
            if response.status != HTTPStatus.OK:
                _answer(response.status, response.headers, response.data)
            for line in response:
                event = json.loads(line)
                yield event["type"], event["object"]


def _answer(status: int, headers: Any, data: bytes) -> Answer:
    body = json.loads(data) if data else None
    if status >= HTTPStatus.BAD_REQUEST:
        refusal = body or {}
        raise RefusedError(
            status, refusal.get("reason", ""), refusal.get("message", "")
        )
    return Answer(body, tuple(headers.getlist("Warning")))


def wait_until(
    kube: Kube,
    resource: Resource,
    namespace: str | None,
    name: str,
    predicate: Callable[[Object | None], bool],
    *,
    timeout: float = 60.0,
) -> Object | None:
    """Return the named object (None: it is gone) as soon as the predicate holds.

    Lists, then watches from there, so that no change is missed, and lists again now and
    then, so that no test depends on a single watch. `timeout` is in seconds;
    TimeoutError shows the object as last seen.
    """
    ends = time.monotonic() + timeout
    seen: Object | None = None
    while (left := ends - time.monotonic()) > 0:
        page = kube.send("GET", resource.path(namespace)).body
        found = (i for i in page["items"] if i["metadata"]["name"] == name)
        seen = next(found, None)
        if predicate(seen):
            return seen
        since = page["metadata"]["resourceVersion"]
        for kind, item in kube.watch(resource, namespace, since, min(left, A_WATCH)):
            if kind == "ERROR":
                break  # the version is too old: list again
            if item["metadata"]["name"] == name:
                seen = None if kind == "DELETED" else item
                if predicate(seen):
                    return seen
            if time.monotonic() > ends:
                break
    where = resource.path(namespace, name)
    raise TimeoutError(f"{where} after {timeout} s: {json.dumps(seen)}")


def has_condition(condition: str, status: str) -> Callable[[Object | None], bool]:
    """Return a predicate for `wait_until`: the object has that condition."""

    def holds(found: Object | None) -> bool:
        # A new definition says "conditions: null".
        conditions = (found or {}).get("status", {}).get("conditions") or []
        return any(c["type"] == condition and c["status"] == status for c in conditions)

    return holds


def apply_all(kube: Kube, manifests: Iterable[Object]) -> None:
    """Apply objects in their order. Others may apply the same at the same time."""
    for manifest in manifests:
        while True:
            try:
                kube.apply(manifest)
                break
            except RefusedError as refusal:
                # Two creations at once: the second try finds the object there.
                if refusal.status != HTTPStatus.CONFLICT:
                    raise


@contextmanager
def as_service_account(kube: Kube, namespace: str, name: str) -> Iterator[Kube]:
    """Yield a client that is a ServiceAccount, by a token of its own."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
    path = SERVICE_ACCOUNTS.path(namespace, name, "token")
    token = kube.send("POST", path, {**body, "spec": {}}).body["status"]["token"]
    with closing(kube.with_token(token)) as account:
        yield account


@contextmanager
def fresh_namespace(kube: Kube) -> Iterator[str]:
    """Yield the name of a new namespace, which is deleted after (not waited for)."""
    name = f"test-{uuid4().hex[:10]}"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    try:
        yield name
    finally:
        kube.delete(NAMESPACES, None, name)
