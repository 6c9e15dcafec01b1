"""Without its admission policy as shipped, the operator writes no Secret and says why.

What the same credentials could do then is tried too: it is why the operator is strict,
and why whoever takes the policy away must take the right away with it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support.control_plane import POLICY, SYSTEM, install
from support.keys import fresh_key, put_keys, until
from support.kube import (
    JSON_PATCH,
    MERGE,
    Kube,
    RefusedError,
    as_service_account,
    fresh_namespace,
    wait_until,
)
from support.own_cluster import Own
from support.ping_secrets import (
    TREASURE,
    is_refused_by_the_authorizer,
    is_refused_by_the_policy,
    secret,
)
from support.processes import FREE_PORTS, Process
from support.resources import (
    MONITORS,
    POLICIES,
    POLICY_BINDINGS,
    SECRETS,
    Object,
    Resource,
)
from support.workloads import ping_monitor, state_is

pytestmark = pytest.mark.integration
pytest_plugins = ["support.own_fixture"]

SEEN = r"No ping Secrets are written: the admission policy (.+)"

Weakening = Callable[[Kube], object]


def change(kube: Kube, resource: Resource, patch: object, kind: str = MERGE) -> object:
    """Change the policy or its binding, as its cluster's administrator."""
    path = resource.path(None, POLICY)
    return kube.send("PATCH", path, patch, content_type=kind)


def take_away(kube: Kube, *resources: Resource) -> None:
    """Delete the policy, its binding or both."""
    for resource in resources:
        kube.delete(resource, None, POLICY)


def only_audit(kube: Kube) -> object:
    """Have violations noted instead of denied."""
    return change(kube, POLICY_BINDINGS, {"spec": {"validationActions": ["Audit"]}})


def drop_the_rule_of_types(kube: Kube) -> object:
    """Allow tokens to be minted: the first validation is about types."""
    patch = [{"op": "remove", "path": "/spec/validations/0"}]
    return change(kube, POLICIES, patch, JSON_PATCH)


def spare_other_namespaces(kube: Kube) -> object:
    """Bind the policy to one namespace only."""
    labels = {"matchLabels": {"kubernetes.io/metadata.name": SYSTEM}}
    narrowed = {"matchResources": {"namespaceSelector": labels}}
    return change(kube, POLICY_BINDINGS, {"spec": narrowed})


UNGUARDED: dict[str, tuple[Weakening, str]] = {
    "no policy and no binding": (
        lambda kube: take_away(kube, POLICY_BINDINGS, POLICIES),
        "cannot be read",
    ),
    "no binding": (lambda kube: take_away(kube, POLICY_BINDINGS), "cannot be read"),
    "a policy that only notes": (only_audit, "is not the one of this release"),
    "a policy that lets tokens be minted": (
        drop_the_rule_of_types,
        "is not the one of this release",
    ),
    "a policy for one namespace": (
        spare_other_namespaces,
        "is not the one of this release",
    ),
}


@pytest.fixture
def kube(own: Own) -> Iterator[Kube]:
    """Act as the administrator; the policy is put right again after."""
    put_keys(own.kube, current=fresh_key())
    try:
        yield own.kube
    finally:
        for resource in (POLICY_BINDINGS, POLICIES):
            if POLICY in {
                each["metadata"]["name"] for each in own.kube.items(resource)
            }:
                own.kube.delete(resource, None, POLICY)
        install(own.kube)


@pytest.mark.parametrize(("weaken", "why"), UNGUARDED.values(), ids=list(UNGUARDED))
def test_without_the_policy_as_shipped_no_secret_is_written_and_it_says_why(
    kube: Kube, own: Own, weaken: Weakening, why: str
) -> None:
    weaken(kube)
    flags = ("--role", "operator", "--kubeconfig", str(own.operator), *FREE_PORTS)
    with fresh_namespace(kube) as namespace:
        before = secrets(kube)
        with Process("run", *flags) as operator:
            kube.create(ping_monitor(namespace, "job", interval="24h"))
            said = operator.wait_for(SEEN, within=60)
            assert POLICY in said
            assert why in said
            wait_until(kube, MONITORS, namespace, "job", state_is("New"))
            assert operator.end() == 0
        # Those of a test before this one may be going with their namespace.
        assert secrets(kube) <= before


def secrets(kube: Kube) -> set[tuple[str, str, str]]:
    """Return every Secret of the cluster with its version: a write changes it."""
    return {
        (meta["namespace"], meta["name"], meta["resourceVersion"])
        for meta in (each["metadata"] for each in kube.items(SECRETS))
    }


# What the credentials are good for without the policy


@contextmanager
def unguarded(own: Own, kube: Kube) -> Iterator[Kube]:
    """Be the operator's account while the policy is not there."""
    take_away(kube, POLICY_BINDINGS, POLICIES)
    with as_service_account(kube, SYSTEM, "heartbeats-operator") as account:
        yield account


def test_without_the_policy_secrets_are_still_not_read_patched_or_deleted(
    kube: Kube, own: Own
) -> None:
    with fresh_namespace(kube) as namespace, unguarded(own, kube) as account:
        kube.create(secret(namespace, "theirs", data={"password": TREASURE}))
        one, all_of_them = SECRETS.path(namespace, "theirs"), SECRETS.path(namespace)
        for method in ("GET", "DELETE", "PATCH"):
            for path in (one, all_of_them):
                if (method, path) == ("PATCH", all_of_them):
                    continue  # there is no such request
                with pytest.raises(RefusedError) as caught:
                    account.send(method, path, {}, content_type=content_type(method))
                assert is_refused_by_the_authorizer(caught.value)
                assert TREASURE not in caught.value.message


def content_type(method: str) -> str:
    return MERGE if method == "PATCH" else "application/json"


def test_only_the_policy_stands_between_these_credentials_and_a_token(
    kube: Kube, own: Own
) -> None:
    """Should this fail, the right has become harmless: docs/security.md says not."""
    with unguarded(own, kube) as account:
        annotations = {"kubernetes.io/service-account.name": "default"}
        token = secret("kube-system", "minted", metadata={"annotations": annotations})
        token["type"] = "kubernetes.io/service-account-token"
        # The API server may enforce for a moment what was there before.
        until(lambda: not is_denied(account, token))


def is_denied(account: Kube, manifest: Object) -> bool:
    """Try to create something, without doing it; whatever else stops it is raised."""
    try:
        account.create(manifest, dryRun="All")
    except RefusedError as refusal:
        if not is_refused_by_the_policy(refusal):
            raise
        return True
    return False
