"""The operator's own Secrets: ping URLs and the key, held to their shape."""

from typing import Any

import pytest

from support.control_plane import SYSTEM
from support.kube import MERGE, Kube, RefusedError
from support.ping_secrets import (
    TREASURE,
    is_refused_by_the_policy,
    owner,
    ping_secret,
    secret,
)
from support.resources import SECRETS, Object

pytestmark = pytest.mark.integration


def test_the_operator_delivers_a_url_and_changes_it(
    kube: Kube, operator_account: Kube, namespace: str, uid: str
) -> None:
    operator_account.create(ping_secret(namespace, uid))
    changed = ping_secret(namespace, uid) | {"data": {"url": "aHR0cHM6Ly9uZXc="}}
    operator_account.replace(changed)
    stored = kube.get(SECRETS, namespace, "nightly-ping")
    assert stored["data"] == changed["data"]
    assert stored["type"] == "Opaque"


def test_the_operator_may_write_the_url_as_text(
    kube: Kube, operator_account: Kube, namespace: str, uid: str
) -> None:
    manifest = ping_secret(namespace, uid)
    del manifest["data"]
    operator_account.create(manifest | {"stringData": {"url": "https://ping"}})
    assert set(kube.get(SECRETS, namespace, "nightly-ping")["data"]) == {"url"}


def with_metadata(**fields: Any) -> Object:
    return {"metadata": fields}


OTHER_OWNER = {**owner(), "apiVersion": "v1", "kind": "ConfigMap"}

WRONG: dict[str, tuple[Object, str]] = {
    "another type": ({"type": "kubernetes.io/other"}, "type Opaque only"),
    "another key": ({"data": {"url": "", "more": ""}}, "the key url and nothing else"),
    "no key": ({"data": {"url": None}}, "the key url and nothing else"),
    "one label more": (
        with_metadata(labels={"team": "mine"}),
        "exactly the labels",
    ),
    "another label's value": (
        with_metadata(labels={"heartbeats.dev/secret": "other"}),
        "exactly the labels",
    ),
    "an annotation": (with_metadata(annotations={"a": "b"}), "no annotations"),
    "no owner": (with_metadata(ownerReferences=None), "owned by one HeartbeatMonitor"),
    "two owners": (
        with_metadata(ownerReferences=[owner(), {**OTHER_OWNER, "controller": False}]),
        "owned by one HeartbeatMonitor",
    ),
    "an owner of another kind": (
        with_metadata(ownerReferences=[OTHER_OWNER]),
        "owned by one HeartbeatMonitor",
    ),
    "an owner of another name": (
        with_metadata(ownerReferences=[owner("hourly")]),
        "named after it",
    ),
    "an owner that it holds up": (
        with_metadata(ownerReferences=[{**owner(), "blockOwnerDeletion": True}]),
        "without blockOwnerDeletion",
    ),
    "a finalizer": (with_metadata(finalizers=["a.b/c"]), "no finalizers"),
    "no way back": ({"immutable": True}, "not immutable"),
}


def merged(base: Object, patch: Object) -> Object:
    """Return a JSON merge patch's result."""
    result = dict(base)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result.get(key, {}), value)
        else:
            result[key] = value
    return result


@pytest.mark.parametrize(("fault", "text"), WRONG.values(), ids=list(WRONG))
def test_a_secret_of_another_shape_is_not_created(
    operator_account: Kube, fault: Object, text: str
) -> None:
    manifest = merged(ping_secret("default"), fault)
    with pytest.raises(RefusedError, match=text) as caught:
        operator_account.create(manifest, dryRun="All")
    assert is_refused_by_the_policy(caught.value)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        pytest.param(*case, id=name)
        for name, case in WRONG.items()
        if name != "another type"
    ],
)
def test_our_secret_is_not_bent_into_another_shape(
    operator_account: Kube, namespace: str, uid: str, fault: Object, text: str
) -> None:
    operator_account.create(ping_secret(namespace, uid))
    with pytest.raises(RefusedError, match=text) as caught:
        operator_account.replace(merged(ping_secret(namespace, uid), fault))
    assert is_refused_by_the_policy(caught.value)


def test_a_secret_that_a_user_bent_is_the_user_s_from_then_on(
    kube: Kube, operator_account: Kube, namespace: str, uid: str
) -> None:
    operator_account.create(ping_secret(namespace, uid))
    path = SECRETS.path(namespace, "nightly-ping")
    added = {"stringData": {"password": "treasure"}}
    kube.send("PATCH", path, added, content_type=MERGE)
    with pytest.raises(RefusedError) as caught:
        operator_account.replace(ping_secret(namespace, uid))
    assert is_refused_by_the_policy(caught.value)


# Tokens and keys.


def service_account_token(namespace: str, name: str) -> Object:
    account = {"kubernetes.io/service-account.name": "default"}
    manifest = secret(namespace, name, metadata={"annotations": account})
    return manifest | {"type": "kubernetes.io/service-account-token"}


def bootstrap_token(namespace: str) -> Object:
    """Write what would let anybody join the cluster as a node."""
    texts = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
    }
    manifest = secret(namespace, "bootstrap-token-abcdef", stringData=texts)
    return manifest | {"type": "bootstrap.kubernetes.io/token"}


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ("kube-system", "minted"),
        (SYSTEM, "minted-ping"),
        # The operator may read this one: it must not become anybody's token.
        (SYSTEM, "heartbeats-ping-key"),
    ],
)
def test_a_service_account_s_token_is_not_minted(
    operator_account: Kube, namespace: str, name: str
) -> None:
    manifest = service_account_token(namespace, name)
    with pytest.raises(RefusedError, match="type Opaque only") as caught:
        operator_account.create(manifest, dryRun="All")
    assert is_refused_by_the_policy(caught.value)


@pytest.mark.parametrize("namespace", ["kube-system", SYSTEM])
def test_a_bootstrap_token_is_not_minted(
    operator_account: Kube, namespace: str
) -> None:
    with pytest.raises(RefusedError, match="type Opaque only") as caught:
        operator_account.create(bootstrap_token(namespace), dryRun="All")
    assert is_refused_by_the_policy(caught.value)


def test_our_secret_is_not_turned_into_a_token(
    kube: Kube, operator_account: Kube, namespace: str, uid: str
) -> None:
    operator_account.create(ping_secret(namespace, uid))
    for token in (
        service_account_token(namespace, "nightly-ping"),
        bootstrap_token(namespace) | {"metadata": ping_secret(namespace)["metadata"]},
    ):
        with pytest.raises(RefusedError):
            operator_account.replace(token)
    assert kube.get(SECRETS, namespace, "nightly-ping")["type"] == "Opaque"


def test_the_key_may_be_made_at_home(operator_account: Kube) -> None:
    key = secret(SYSTEM, "heartbeats-ping-key", data={"2026-11-21": TREASURE})
    assert operator_account.create(key, dryRun="All")["data"] == key["data"]


def test_the_key_s_name_is_no_excuse_elsewhere(operator_account: Kube) -> None:
    key = secret("default", "heartbeats-ping-key", data={"2026-11-21": TREASURE})
    with pytest.raises(RefusedError) as caught:
        operator_account.create(key, dryRun="All")
    assert is_refused_by_the_policy(caught.value)


def test_another_secret_at_home_is_held_to_the_policy(operator_account: Kube) -> None:
    other = secret(SYSTEM, "other", data={"password": TREASURE})
    with pytest.raises(RefusedError) as caught:
        operator_account.create(other, dryRun="All")
    assert is_refused_by_the_policy(caught.value)
