"""Somebody else's Secrets, which the operator may neither read nor change."""

from copy import deepcopy
from typing import Any

import pytest

from support.control_plane import POLICY, ROOT
from support.kube import APPLY, JSON_PATCH, MERGE, Kube, RefusedError, wait_until
from support.ping_secrets import (
    LABELS,
    TREASURE,
    is_refused_by_the_authorizer,
    is_refused_by_the_policy,
    owner,
    ping_secret,
    secret,
)
from support.resources import SECRETS, Object, read_manifests, resource_of

pytestmark = pytest.mark.integration

STRATEGIC = "application/strategic-merge-patch+json"

FOREIGN: dict[str, Object] = {
    "a password": {"data": {"password": TREASURE}},
    "a url in another's Secret": {"data": {"url": TREASURE}},
    "a url with our labels but no owner": {
        "data": {"url": TREASURE},
        "metadata": {"labels": LABELS},
    },
    "a url with our owner but no labels": {
        "data": {"url": TREASURE},
        "metadata": {"ownerReferences": [owner()]},
    },
    "a registry's credentials": {
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": "e30="},
    },
}

PATCHES: dict[str, tuple[str, Any]] = {
    "an empty merge patch": (MERGE, {}),
    "an empty strategic patch": (STRATEGIC, {}),
    "an empty apply": (APPLY, {"apiVersion": "v1", "kind": "Secret"}),
    "an empty list of operations": (JSON_PATCH, []),
    "labelling": (MERGE, {"metadata": {"labels": {"mine": "true"}}}),
    "a merge that cannot be read": (MERGE, {"immutable": "x"}),
    "a copy of the value into a label": (
        JSON_PATCH,
        [
            {"op": "add", "path": "/metadata/labels", "value": {}},
            {"op": "copy", "from": "/data/password", "path": "/metadata/labels/x"},
        ],
    ),
}

UPDATES: dict[str, Object] = {
    "nothing": {},
    "our labels": {"metadata": {"labels": LABELS}},
    "another key": {"stringData": {"url": "https://ping"}},
    "another type": {"type": "kubernetes.io/other"},
    "a body that cannot be read": {"immutable": "x"},
    "a label that cannot be": {"metadata": {"labels": {"x": "="}}},
}


def with_owner(uid: str, manifest: Object) -> Object:
    """Return a copy whose owner lives: the garbage collector leaves it alone."""
    copy = deepcopy(manifest)
    for reference in copy["metadata"].get("ownerReferences", []):
        reference["uid"] = uid
    return copy


@pytest.mark.parametrize(("kind", "patch"), PATCHES.values(), ids=list(PATCHES))
def test_a_foreign_secret_is_not_patched_at_all(
    kube: Kube, operator_account: Kube, namespace: str, kind: str, patch: Any
) -> None:
    before = kube.create(secret(namespace, "theirs", data={"password": TREASURE}))
    query = {"fieldManager": "heartbeats"}
    for more in ({}, {"dryRun": "All"}):
        with pytest.raises(RefusedError) as caught:
            operator_account.send(
                *("PATCH", SECRETS.path(namespace, "theirs"), patch),
                query=query | more,
                content_type=kind,
            )
        assert is_refused_by_the_authorizer(caught.value)
        assert TREASURE not in caught.value.message
    assert kube.get(SECRETS, namespace, "theirs") == before


def test_a_refused_patch_prints_the_secret(kube: Kube, namespace: str) -> None:
    """Why patch is not granted: no policy is asked before this answer is given."""
    kube.create(secret(namespace, "theirs", data={"password": TREASURE}))
    path = SECRETS.path(namespace, "theirs")
    with pytest.raises(RefusedError, match=TREASURE):
        kube.send("PATCH", path, {"immutable": "x"}, content_type=MERGE)


@pytest.mark.parametrize("dry_run", [False, True], ids=["for real", "as a dry run"])
@pytest.mark.parametrize("update", UPDATES.values(), ids=list(UPDATES))
@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=list(FOREIGN))
def test_a_foreign_secret_is_not_changed_and_not_shown(
    kube: Kube,
    operator_account: Kube,
    namespace: str,
    uid: str,
    foreign: Object,
    update: Object,
    dry_run: bool,
) -> None:
    before = kube.create(with_owner(uid, secret(namespace, "nightly-ping", **foreign)))
    query = {"dryRun": "All"} if dry_run else {}
    with pytest.raises(RefusedError) as caught:
        operator_account.replace(secret(namespace, "nightly-ping", **update), **query)
    assert TREASURE not in caught.value.message
    assert kube.get(SECRETS, namespace, "nightly-ping") == before


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=list(FOREIGN))
def test_a_foreign_secret_is_not_taken_over(
    kube: Kube, operator_account: Kube, namespace: str, uid: str, foreign: Object
) -> None:
    """What would be ours after the write is refused for what it was before."""
    before = kube.create(with_owner(uid, secret(namespace, "nightly-ping", **foreign)))
    with pytest.raises(RefusedError) as caught:
        operator_account.replace(ping_secret(namespace, uid))
    opaque = before["type"] == "Opaque"
    assert is_refused_by_the_policy(caught.value) == opaque
    assert opaque or "type: Invalid value" in caught.value.message
    assert kube.get(SECRETS, namespace, "nightly-ping") == before


def test_nothing_is_read_listed_or_deleted(
    kube: Kube, operator_account: Kube, namespace: str
) -> None:
    kube.create(secret(namespace, "theirs", data={"password": TREASURE}))
    one, all_of_them = SECRETS.path(namespace, "theirs"), SECRETS.path(namespace)
    for path in (one, all_of_them):
        for method in ("GET", "DELETE"):
            with pytest.raises(RefusedError) as caught:
                operator_account.send(method, path)
            assert is_refused_by_the_authorizer(caught.value)


def test_nobody_else_is_held_to_the_policy(kube: Kube, namespace: str) -> None:
    kube.create(secret(namespace, "theirs", data={"password": TREASURE}))
    path = SECRETS.path(namespace, "theirs")
    patch = {"metadata": {"labels": {"mine": "true"}}}
    answer = kube.send("PATCH", path, patch, content_type=MERGE)
    assert answer.body["metadata"]["labels"] == {"mine": "true"}


@pytest.mark.parametrize(
    "file", ["ping-secrets-policy.yaml", "ping-secrets-policy-binding.yaml"]
)
def test_the_operator_reads_the_policy_back_as_it_was_shipped(
    operator_account: Kube, file: str
) -> None:
    """It compares the stored spec with the shipped one before it writes a Secret."""
    [shipped] = read_manifests(ROOT / "manifests" / "rights" / file)
    stored = operator_account.get(resource_of(shipped), None, POLICY)
    assert stored["spec"] == shipped["spec"]


def test_the_server_finds_no_fault_in_the_policy_s_types(kube: Kube) -> None:
    [shipped] = read_manifests(ROOT / "manifests/rights/ping-secrets-policy.yaml")

    def judged(found: Object | None) -> bool:
        return "typeChecking" in (found or {}).get("status", {})

    stored = wait_until(kube, resource_of(shipped), None, POLICY, judged)
    assert stored is not None
    assert "expressionWarnings" not in stored["status"]["typeChecking"]
